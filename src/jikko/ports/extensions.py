"""Dify's API-based extensions: servers of the operator that take part in chats."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Extension:
    """An API-based extension. Dify keeps it per workspace, Jikko in the providers file (``extensions``)."""

    url: str
    api_key: str = field(default="", repr=False)
    """Bearer token; ``""`` for none."""


Extensions: TypeAlias = Mapping[str, Extension]
"""By the id in workflows (``api_based_extension_id``); ``*`` is the fallback."""
