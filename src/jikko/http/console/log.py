"""The log of a run: page by page, live, and the values that were cut."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta, Struct

from jikko.console.cutting import encoded, plain_event, value_at
from jikko.dify.events import encode
from jikko.errors import JikkoError, LogUnwritable, NotFound, RunLeft
from jikko.events import Event
from jikko.http.console.gate import Call
from jikko.http.console.queries import whole_in
from jikko.http.console.runs import record_of
from jikko.http.responses import Answer, Response
from jikko.http.routes.run_events import ANY_EVENT
from jikko.http.sse import PING, RETRY, EventStream
from jikko.record import RunRecord
from jikko.values import Json

_MAX_PAGE_EVENTS: Final = 5_000
_MAX_POSITION: Final = 2**53
_TEXT: Final = b"text/plain; charset=utf-8"

LogEvent: TypeAlias = Annotated[
    dict[str, Json],
    Meta(
        description="An event of the log, with `cut` where values were too long.",
        extra_json_schema=ANY_EVENT,
    ),
]


class LogPage(Struct):
    """Some events of a log."""

    data: list[LogEvent]
    end: Annotated[int, Meta(description="How many events the log has.")]
    closed: Annotated[bool, Meta(description="Whether it gets no more.")]


async def read_log(call: Call) -> Answer:
    """``GET runs/{run_id}/log``: the events behind a position. A value above 4 kB is cut; ``cut`` says where."""
    query, record = call.request.query, await record_of(call)
    after, limit = whole_in(query, "after", -1, -1, _MAX_POSITION), whole_in(query, "limit", 2000, 1, _MAX_PAGE_EVENTS)
    page = await call.console.logs.page(record, after=after, limit=limit, reveals=call.visitor.is_operator)
    closed = b"true" if page.closed else b"false"
    return Response(b'{"data":[%b],"end":%d,"closed":%b}' % (b",".join(page.events), page.end, closed))


async def read_value(call: Call) -> Answer:
    """``GET runs/{run_id}/log/{position}/value``: a value of an event, whole, by its path (JSON Pointer)."""
    query, record = call.request.query, await record_of(call)
    position = whole_in(call.request.path_params, "position", -1, 0, _MAX_POSITION)
    event = await call.console.logs.event(record, position)
    try:
        if event is None:
            raise LookupError
        value = value_at(plain_event(event, reveals=call.visitor.is_operator), query.get("path", ""))
    except LookupError:
        raise NotFound("The log has no such value.") from None
    is_text = isinstance(value, str)
    if query.get("download", "").lower() in ("1", "true"):
        name = f"{record.identity.run_id}-{position}.{'txt' if is_text else 'json'}"
        body = value.encode("utf-8", "replace") if is_text else encode(value)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(body, headers=headers, media_type=_TEXT if is_text else b"application/json")
    return Response(encode(value))


async def follow_log(call: Call) -> Answer:
    """``GET runs/{run_id}/stream``: server-sent events: ``hello`` with the server's time and the end of the log, then
    each event behind ``Last-Event-ID`` with its position as ``id``, through pauses, until the run ends."""
    record = await record_of(call)
    given = call.request.header(b"last-event-id")
    asked = call.request.query if given is None else {"after": given}
    after = whole_in(asked, "after", -1, -1, _MAX_POSITION)
    return EventStream(_frames(call, record, after))


async def _frames(call: Call, record: RunRecord, after: int) -> AsyncIterator[bytes]:
    api, reveals = call.request.api, call.visitor.is_operator
    end = await call.console.run_store.log_end(record.identity.run_id)
    yield RETRY + b"event: hello\ndata: " + encode({"now": api.now(), "end": end}) + b"\n\n"
    follow = api.runs.control.reader(record).follow(after, durable=True, idle=api.ping_seconds, through_pauses=True)
    try:
        async for batch in follow:
            yield (
                b"".join(
                    b"id: %d\nevent: %s\ndata: %s\n\n"
                    % (position, str(type(event).__struct_config__.tag).encode(), _line(position, event, reveals))
                    for position, event in batch
                )
                or PING
            )
    except (RunLeft, LogUnwritable):
        pass  # the client comes again with the last id that it saw
    except JikkoError as error:
        body: dict[str, Any] = {"code": error.code, "message": str(error), "status": error.status}
        yield b"event: error\ndata: " + encode(body) + b"\n\n"


def _line(position: int, event: Event, reveals: bool) -> bytes:
    """An event as one line of a stream: JSON may hold line ends of Unicode, which some clients take for such."""
    line = encoded(position, event, reveals=reveals)
    for end in ("\u2028", "\u2029", "\x85"):
        line = line.replace(end.encode(), b"\\u%04x" % ord(end))
    return line
