"""What the console works with, besides what the API has."""

from dataclasses import dataclass

from jikko.console.access import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The services of the console."""

    access: Access
    public_url: str
    """The address under which clients reach the server; empty if it is not known."""
    host: str
    """The one that the server listens on."""
