"""Dependency injection: builds the services from the settings. The only package that picks implementations.

A command that needs one of these names does not import what builds a server: see ``lazy``.
"""

from typing import TYPE_CHECKING

from jikko.assemble.lazy import __getattr__ as __getattr__

if TYPE_CHECKING:
    from jikko.assemble.lazy import *
