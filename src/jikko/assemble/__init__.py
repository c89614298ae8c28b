"""Builds the services from the settings: the only package that picks implementations.

A command that needs one of these names does not import what puts a server together: see ``lazy``.
"""

from typing import TYPE_CHECKING

from jikko.assemble.lazy import __getattr__ as __getattr__

if TYPE_CHECKING:
    from jikko.assemble.lazy import *
