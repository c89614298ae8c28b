"""One operation of the API: its route and its description; and parts of the table that come when they are asked for."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from jikko.concurrency.later import import_for
from jikko.http.api import Api
from jikko.http.requests import Request
from jikko.http.responses import Answer

Handler: TypeAlias = Callable[[Request], Awaitable[Answer]]
Schema: TypeAlias = dict[str, Any]


def _none(api: Api) -> Iterable[object]:
    return ()


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
    starts: bool = False
    """Whether it starts a run; see ``starting``."""
    described: bool = True
    """Whether the description of the API has it: not if it is another's older name."""


class Section(Struct, frozen=True):
    """Operations that not every server is asked for: until then they, and all they work with, cost nothing.

    What asks for them first waits for the import, and all else goes on meanwhile.
    """

    beginnings: tuple[str, ...]
    """How the addresses of its operations begin. Others may begin so, too."""
    operations: Callable[[], Iterable[Operation]]
    """Imports them."""
    imports: Callable[[], object] | None = None
    """Imports them and does nothing else, in another thread; ``None``: ``operations`` is like that."""
    services: Callable[[Api], Iterable[object]] = _none
    """What they work with, of which some may not be made and imported yet: see ``later``."""

    async def prepare(self, api: Api) -> None:
        """Have all imported that the event loop would have to wait for."""
        from jikko.concurrency.import_aside import import_aside

        await import_aside(self.imports or self.operations)
        for service in self.services(api):
            await import_for(service)
