"""Builds the services from the settings: the only package that picks implementations.

A command that needs one of these names does not import what puts a server together: see ``lazy``.
"""

from typing import TYPE_CHECKING

from jikko.assemble.lazy import __getattr__ as __getattr__

if TYPE_CHECKING:
    from jikko.assemble.assembling import assemble
    from jikko.assemble.assembly import Assembly
    from jikko.assemble.build_models import make_embedder, models_alone, providers_of
    from jikko.assemble.build_node_ports import mocks_of
    from jikko.assemble.configuration import key_files
    from jikko.assemble.sandboxes import make_sandbox, sandbox_limits, try_sandbox
    from jikko.assemble.stores import sqlite_suffices, stored_values
