"""Servers of the operator's that take part in chats: Dify's API-based extensions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Extension:
    """One of them. Dify keeps it for a workspace, Jikko in the providers file (``extensions``)."""

    url: str
    api_key: str = field(default="", repr=False)
    """Sent as a bearer token; ``""`` for none."""


Extensions: TypeAlias = Mapping[str, Extension]
"""By the id that workflows name (``api_based_extension_id``); ``*`` stands for all others."""
