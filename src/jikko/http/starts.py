"""Starting a run by a request: its guarantees, its deadline, and the answer, which is blocking, streaming or
immediate."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from msgspec import Meta, Struct

from jikko.concurrency.patience import Patience, patience
from jikko.dify import bodies, dify_events
from jikko.dify.stream import StreamEncoder
from jikko.errors import InvalidParam, JikkoError, LogDamaged, RunLeft, StartRefused, StoreUnavailable
from jikko.events import Event, FormRequested, RunFinished, TextChunk, TextReplaced
from jikko.http.http_errors import Error, refusal
from jikko.http.operation import Route, Schema
from jikko.http.request_fields import TRACE_SESSION, Mode
from jikko.http.requests import Request, authenticated
from jikko.http.responses import PING, EventStream, Response, SendableResponse, encoded
from jikko.ids import new_id
from jikko.long_texts import first_long
from jikko.maintenance.callbacks import checked_url
from jikko.ports.stores.run_store import KeyClaim, StartOptions
from jikko.record import RunForms
from jikko.repositories.app_store import App
from jikko.runs.runs import Started, StartOutcome, checked_key, fingerprint

if TYPE_CHECKING:
    from jikko.apps.speech import Narration

T = TypeVar("T")

REPEATED = "Idempotency-Replayed"
"""Header of an answer about a run started by an earlier request with the same idempotency key."""

START_ERRORS: Final = (404, 409, 429, 503)
"""Additional error statuses of a start."""
KEY: Final = (
    (
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": 255},
        "Requests with the same key and body start one run within 24 hours; an answer about a run started "
        "by an earlier request has the header Idempotency-Replayed. Another body with the same key: 409.",
    ),
)
_TRACE_SESSION: Final = "Trace session. Validated as in Dify, without effect."
START_HEADERS: Final = (*KEY, ("X-Trace-Session-Id", TRACE_SESSION, _TRACE_SESSION))


class StartRoute(Route, frozen=True):
    """Route that starts a run."""

    errors: tuple[int, ...] = START_ERRORS
    headers: tuple[tuple[str, Schema, str], ...] = START_HEADERS
    streams: bool = True
    starts: bool = True


class TraceQuery(Struct):
    """Trace session: see ``check_trace_session``."""

    trace_session_id: Annotated[str, Meta(min_length=1, max_length=200, description=_TRACE_SESSION)] = ""


def start_options_of(request: Request, operation: str, body: dict[str, Any]) -> StartOptions | None:
    """Return the guarantees that a request asks for, or ``None``. ``operation``: With the body, it identifies the
    request. Raises ``InvalidParam``: the idempotency key is empty or too long, or the callback URL is invalid."""
    key = request.header(b"idempotency-key")
    url = body.get("callback_url")
    if key is None and url is None:
        return None
    claim = None
    if key is not None:
        claim = KeyClaim(key=checked_key(key), fingerprint=fingerprint(operation, body), at=request.api.clock())
    return StartOptions(claim=claim, callback_url=None if url is None else checked_url(url))


async def starting(request: Request, handle: Callable[[Request], Awaitable[T]]) -> T:
    """Handle a request that starts a run, with an answer in time even if the store hangs.

    Args:
        handle: Waits for the run by ``answers.promised`` only.

    Raises:
        StartRefused: The store is known to refuse writes, or the run did not become durable in time.
        StoreUnavailable: The store could not be read.
    """
    api = request.api
    if api.upkeep.readiness.failure:
        raise StartRefused(f"The run was not started: {api.upkeep.readiness.failure}. Nothing of it is kept.")
    waiting = Patience(api.settings.start_seconds or math.inf, request.left, api.upkeep.readiness.start_failed)
    patience.set(waiting)
    try:
        return await handle(request)
    except StoreUnavailable as error:
        if not isinstance(error, LogDamaged):
            api.upkeep.readiness.start_failed()
        raise
    finally:
        if waiting.left < math.inf:
            waiting.end()


class RunBodies:
    """Answers about a started run, here of a workflow app. Other formats override all of it."""

    greets = True
    """Whether the stream begins with a ping."""

    async def accepted(self, request: Request, run: Started) -> bytes:
        return bodies.running_body(run.record)

    async def ended(self, request: Request, run: Started, end: RunFinished) -> Response:
        return Response(bodies.blocking_body(run.record, end.outputs))

    async def paused(self, request: Request, run: Started, waiting: list[FormRequested]) -> bytes:
        """Encode the answer for a run that waits for forms."""
        return bodies.paused_body(run.record, waiting)


_WORKFLOW: Final = RunBodies()


async def answer(request: Request, start: StartOutcome, mode: Mode, told: RunBodies = _WORKFLOW) -> SendableResponse:
    run = start.run
    await promised(request, run)
    headers = {REPEATED: "true"} if start.repeated else {}
    if mode == "streaming":
        return EventStream(_messages(request, run, greets=told.greets), headers)
    if mode == "async":
        return Response(await told.accepted(request, run), 202, {**headers, "Location": _location(request, run)})
    try:
        end = await run.ended()
    except RunLeft as parked:
        # Unlike other errors: the run was accepted, and starting it again would run it twice.
        identity = run.record.identity
        error = Error(parked.code, str(parked), parked.status, identity.task_id, identity.run_id)
        return refusal(error, {**headers, "Location": _location(request, run)})
    if isinstance(end, RunFinished):
        response = await told.ended(request, run, end)
        response.headers += encoded(headers.items())
        return response
    forms = RunForms.of(await request.api.runs.control.events(run.record))
    return Response(await told.paused(request, run, list(forms.open.values())), headers=headers)


def _location(request: Request, run: Started) -> str:
    return f"{request.root_path}/v1/workflows/run/{run.record.identity.run_id}"


async def refused_in_stream(
    request: Request,
    app: App,
    start: Callable[[], Awaitable[SendableResponse]],
    version: str | None,
    inputs: dict[str, Any],
) -> SendableResponse:
    """Answer a start by a stream, within which invalid inputs are reported.

    Args:
        start: Starts the run and answers.
        version: Checked before the stream begins; default: the current one.
    """
    workflow = await request.api.workflows.get(app, version)
    try:
        return await start()
    except InvalidParam as error:
        return whole_stream(dify_events.refused_start(new_id(), workflow.id, inputs, str(error), request.api.clock()))


def whole_stream(frames: bytes, *, greets: bool = True) -> EventStream:
    """Make a stream of complete frames."""

    async def pieces() -> AsyncIterator[bytes]:
        yield PING + frames if greets else frames

    return EventStream(pieces())


async def promised(request: Request, run: Started) -> None:
    """Wait until a run's beginning is durable: no answer precedes that, and from then on the run is guaranteed.

    The body's memory is released only then, as several copies of it exist until then. Raises ``StartRefused``: it did
    not become durable in time.
    """
    try:
        await run.committed(1)
    except StoreUnavailable:
        raise
    except JikkoError:
        pass  # reported by the answer
    if (waiting := patience.get()) is not None:
        waiting.end()
        request.api.upkeep.readiness.succeeded += 1
    if request.reservation is not None:
        request.reservation.leave()


async def _messages(request: Request, run: Started, *, greets: bool) -> AsyncIterator[bytes]:
    if greets:
        yield PING
    api, identity = request.api, run.record.identity
    stream = StreamEncoder(run.record)
    narration = await api.chat.speech.narration(await authenticated(request), identity.workflow_id)
    try:
        async for batch in run.follow(idle=request.front.ping_seconds):
            events = [event for _, event in batch]
            if first_long(events) is not None:
                async for piece in stream.long_frames(events):
                    yield piece
            elif piece := stream.frames(events):
                yield piece
            elif not batch:
                yield PING
            if narration is not None:
                for _, event in batch:
                    _narrate(narration, event)
                for audio in narration.ready():
                    yield stream.spoken(audio)
        if narration is not None:
            async for audio in narration.rest():
                yield stream.spoken(audio)
            yield stream.spoken(b"")
    except JikkoError as error:
        yield stream.broken(error)
    finally:
        if narration is not None:
            narration.close()


def _narrate(narration: "Narration", event: Event) -> None:
    match event:
        case TextChunk(text=text):
            narration.add(text)
        case TextReplaced(text=text):
            narration.replace(text)
