"""Builds the services from the settings: the only package that picks implementations."""

from jikko.assemble.assembly import Assembly, assemble
from jikko.assemble.configuration import key_files
from jikko.assemble.embeddings import make_embedder
from jikko.assemble.models import make_models, providers_of
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
