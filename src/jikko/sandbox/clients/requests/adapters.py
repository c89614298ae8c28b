"""Adapters are taken and not used: the server decides how requests are sent."""

from typing import Any


class BaseAdapter:
    """Something that may be mounted."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def close(self) -> None:
        """Do nothing."""


class HTTPAdapter(BaseAdapter):
    """The same."""
