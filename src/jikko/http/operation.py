"""One operation of the API: its route and its description; and parts of the table that come when they are asked for."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from jikko.http.requests import Request
from jikko.http.responses import Answer

Handler: TypeAlias = Callable[[Request], Awaitable[Answer]]
Schema: TypeAlias = dict[str, Any]


class Operation(Struct, frozen=True):
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    summary: str
    answers: Mapping[int, type[Struct] | str]
    """What it answers with by status, errors apart: a body in JSON, or a media type without a schema."""
    errors: tuple[int, ...] = ()
    tag: str = "Workflow Runs"
    body: type[Struct] | None = None
    body_media_type: str = "application/json"
    query: tuple[tuple[str, Schema, str], ...] = ()
    """Name, schema and description of query parameters; all optional unless the name ends in ``*``."""
    headers: tuple[tuple[str, Schema, str], ...] = ()
    """Headers of the request, all optional; as ``query``."""
    streams: bool = False
    """Whether it may answer with server-sent events as well."""
    ids: tuple[str, ...] = ()
    """Parts of the path without which, if they are no UUIDs, there is no such address, with any key: a page. (Dify)"""
    open: bool = False
    """Whether it needs no API key."""
    key: Literal["app", "dataset", "console"] = "app"
    """What its API key opens. The handlers of operations that are not for apps look at it themselves."""
    hot: bool = False
    """Whether it is asked so often that a line of the log for each time would hide the others."""
    described: bool = True
    """Whether the description of the API has it: not if it is another's older name."""


class Section(Struct, frozen=True):
    """Operations that not every server is asked for: until then they, and all they work with, cost nothing.

    What asks for them first waits for the import, and so does all else on the event loop: a section is one only if that
    takes a few milliseconds, and what is asked for all the time is in none.
    """

    beginnings: tuple[str, ...]
    """How the addresses of its operations begin. Others may begin so, too."""
    operations: Callable[[], Iterable[Operation]]
    """Imports them."""
