"""Query and path parameters of the console."""

import base64
import binascii
import struct
from collections.abc import Iterable
from typing import Annotated, Final, Literal, TypeAlias, cast, get_args

from msgspec import Meta, Struct
from msgspec.structs import replace

from jikko.console.run_overview import VersionModels
from jikko.errors import NotFound
from jikko.events import RunStatus
from jikko.http.console.visitor_gate import ConsoleRequest
from jikko.ids import is_uuid
from jikko.ports.stores.run_pages import RunCursor, RunFilter

_PLACE: Final = struct.Struct(">dq")
_STATUSES: Final = get_args(RunStatus)
MAX_ENTRIES: Final = 200
"""Largest page."""
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_ENTRIES, description="Default 50.")]
_TEXT: Final = {"type": "string"}
_Since: TypeAlias = Annotated[float, Meta(ge=0)]


class Statuses(tuple[RunStatus, ...]):
    """Distinct statuses of runs."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "Statuses":
        """Raises ``ValueError``: unknown statuses, which it names."""
        statuses = dict.fromkeys(part for part in text.split(",") if part)
        if wrong := [status for status in statuses if status not in _STATUSES]:
            raise ValueError(f"must be one of {', '.join(_STATUSES)}; {wrong[0]!r} is not")
        return cls(cast(Iterable[RunStatus], statuses))


class Cursor:
    """Start of a page."""

    def __init__(self, place: RunCursor) -> None:
        self.place = place

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises ``ValueError``: not from ``cursor_of``."""
        try:
            created_at, key = _PLACE.unpack(base64.b64decode(text, b"-_", validate=True))
        except (ValueError, binascii.Error, struct.error):
            raise ValueError("must be `next` of an earlier page") from None
        return cls(RunCursor(created_at, key))


PageCursor: TypeAlias = Annotated[
    Cursor, Meta(description="Cursor from the previous page's `next`.", extra_json_schema=_TEXT)
]


_OF_STORE: Final = {"app_id": "app", "statuses": "status", "workflow_id": "version", "conversation_id": "conversation"}
"""Parameters with other names than the fields of ``RunFilter``."""


class RunsFilter(Struct, rename=_OF_STORE):
    app_id: Annotated[str, Meta(description="ID of an app.")] = ""
    statuses: (
        Annotated[Statuses, Meta(description="Statuses, separated by commas.", extra_json_schema=_TEXT)] | None
    ) = None
    user: Annotated[str, Meta(description="User of the requests, exact match.")] = ""
    keyword: Annotated[
        str, Meta(description="Part of inputs, outputs or user (first 30 characters count); or a run ID.")
    ] = ""
    after: Annotated[_Since, Meta(description="Earliest creation time, in seconds since the Unix epoch.")] | None = None
    before: Annotated[_Since, Meta(description="Latest creation time.")] | None = None
    min_elapsed: Annotated[_Since, Meta(description="Minimum duration in seconds.")] | None = None
    min_tokens: Annotated[int, Meta(ge=0, description="Minimum number of tokens.")] | None = None
    min_cost: Annotated[_Since, Meta(description="Minimum cost, in any currency.")] | None = None
    error: Annotated[str, Meta(description="Part of the error; ignores the case of Latin letters.")] = ""
    failed_at: Annotated[str, Meta(description="ID or title of the failed node, exact match.")] = ""
    retry: (
        Annotated[
            Literal["repeats", "repeated"],
            Meta(description="`repeats`: retries of another run; `repeated`: runs with a retry."),
        ]
        | None
    ) = None
    model: Annotated[
        str, Meta(description="Runs of versions whose file uses this model name, whichever nodes ran.")
    ] = ""
    workflow_id: Annotated[str, Meta(description="ID of a version (workflow_id).")] = ""
    conversation_id: Annotated[str, Meta(description="ID of a conversation.")] = ""

    async def wanted_of(self, models: VersionModels) -> RunFilter:
        wanted = self.wanted
        return replace(wanted, workflow_ids=await models.versions(self.model, wanted.app_id)) if self.model else wanted

    @property
    def wanted(self) -> RunFilter:
        """Convert to a filter of the store, without ``model``."""
        given = {name: getattr(self, name, None) for name in RunFilter.__struct_fields__}
        own = {name: value for name, value in given.items() if value not in (None, "")}
        return RunFilter(**{**own, "app_id": self.app_id.lower() or None})


class RunsPage(RunsFilter):
    cursor: PageCursor | None = None
    limit: Limit = 50


class Buckets(RunsFilter):
    """Filter of a histogram."""

    buckets: Annotated[int, Meta(ge=1, le=400, description="Default 48.")] = 48


def cursor_of(place: RunCursor | None) -> str | None:
    return None if place is None else base64.urlsafe_b64encode(_PLACE.pack(place.created_at, place.key)).decode()


def id_in(call: ConsoleRequest, what: str) -> str:
    """Return an ID of the path, in lower case. Raises ``NotFound`` if malformed."""
    text = call.request.path_params[f"{what}_id"]
    if not is_uuid(text):
        raise NotFound(f"No {what} {text[:100]!r}.")
    return text.lower()
