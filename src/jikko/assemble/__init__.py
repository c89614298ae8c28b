"""Builds the services from the settings: the only package that picks implementations."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jikko.assemble.assembling import assemble
    from jikko.assemble.assembly import Assembly
    from jikko.assemble.configuration import key_files
    from jikko.assemble.models import make_embedder, make_models, providers_of
    from jikko.assemble.node_ports import mocks_of
    from jikko.assemble.sandboxes import make_sandbox, sandbox_limits, try_sandbox
    from jikko.assemble.stores import sqlite_suffices, stored_values

__all__ = [
    "Assembly",
    "assemble",
    "key_files",
    "make_embedder",
    "make_models",
    "make_sandbox",
    "mocks_of",
    "providers_of",
    "sandbox_limits",
    "sqlite_suffices",
    "stored_values",
    "try_sandbox",
]

_MODULES: Final = {
    "Assembly": "assembly",
    "assemble": "assembling",
    "key_files": "configuration",
    "make_embedder": "models",
    "make_models": "models",
    "make_sandbox": "sandboxes",
    "mocks_of": "node_ports",
    "providers_of": "models",
    "sandbox_limits": "sandboxes",
    "sqlite_suffices": "stores",
    "stored_values": "stores",
    "try_sandbox": "sandboxes",
}
"""Where each name is: a command that needs one of them does not import what puts a server together."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
