"""How the start of a run is answered: at its end, as a stream, or at once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from jikko.apps.narration import Narration
from jikko.concurrency.patience import patience
from jikko.dify import bodies, dify_events
from jikko.dify.stream import StreamEncoder
from jikko.errors import InvalidParam, JikkoError, RunLeft, StoreUnavailable
from jikko.events import Event, FormRequested, RunFinished, TextChunk, TextReplaced
from jikko.http.auth import authenticated
from jikko.http.body_fields import Mode
from jikko.http.http_errors import Error, refusal
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, encoded
from jikko.http.sse import PING, EventStream
from jikko.http.start_promises import REPEATED
from jikko.ids import new_id
from jikko.ports.stores.app_store import App
from jikko.record import RunForms
from jikko.runs.idempotency import Started, StartOutcome
from jikko.runs.long_events import first_long


class RunBodies:
    """What a client is told of the run that it started, here that of a workflow app; others override all of it."""

    greets = True
    """Whether its stream begins with a ping."""

    async def accepted(self, request: Request, run: Started) -> bytes:
        """The run has begun."""
        return bodies.running_body(run.record)

    async def ended(self, request: Request, run: Started, end: RunFinished) -> Response:
        """The run has ended."""
        return Response(bodies.blocking_body(run.record, end.outputs))

    async def paused(self, request: Request, run: Started, waiting: list[FormRequested]) -> bytes:
        """The run waits for forms."""
        return bodies.paused_body(run.record, waiting)


_WORKFLOW: Final = RunBodies()


async def answer(request: Request, start: StartOutcome, mode: Mode, told: RunBodies = _WORKFLOW) -> SendableResponse:
    """The answer to the client that started a run."""
    run = start.run
    await promised(request, run)
    headers = {REPEATED: "true"} if start.repeated else {}
    if mode == "streaming":
        return EventStream(_messages(request, run, greets=told.greets), headers)
    location = f"{request.root_path}/v1/workflows/run/{run.record.identity.run_id}"
    if mode == "async":
        return Response(await told.accepted(request, run), 202, {**headers, "Location": location})
    try:
        end = await run.ended()
    except RunLeft as parked:
        # Not as other errors: the run was accepted, and a client that starts it again has it done twice.
        identity = run.record.identity
        error = Error(parked.code, str(parked), parked.status, identity.task_id, identity.run_id)
        return refusal(error, {**headers, "Location": location})
    if isinstance(end, RunFinished):
        response = await told.ended(request, run, end)
        response.headers += encoded(headers.items())
        return response
    forms = RunForms.of(await request.api.runs.control.events(run.record))
    return Response(await told.paused(request, run, list(forms.open.values())), headers=headers)


async def refused_in_stream(
    request: Request,
    app: App,
    mode: Mode,
    start: Callable[[], Awaitable[SendableResponse]],
    *,
    version: str | None,
    inputs: dict[str, Any],
) -> SendableResponse:
    """The answer to a start, which tells a client that asked for a stream in that stream of inputs that are wrong.

    Args:
        start: Starts the run and answers.
        version: Whether there is such a version is found out before the stream begins; by default the current one.
    """
    if mode != "streaming":
        return await start()
    workflow = await request.api.workflows.get(app, version)
    try:
        return await start()
    except InvalidParam as error:
        return whole_stream(dify_events.refused_start(new_id(), workflow.id, inputs, str(error), request.api.clock()))


def whole_stream(frames: bytes, *, greets: bool = True) -> EventStream:
    """A stream that is there as a whole."""

    async def pieces() -> AsyncIterator[bytes]:
        yield PING + frames if greets else frames

    return EventStream(pieces())


async def promised(request: Request, run: Started) -> None:
    """Wait until the beginning of a run is durable: nothing is answered before, and from then on the run is promised.

    The room of the body is given back, which is in memory several times until then.
    Raises ``StartRefused``: it did not become durable in time."""
    try:
        await run.committed(1)
    except StoreUnavailable:
        raise
    except JikkoError:
        pass  # told by the answer
    if (waiting := patience.get()) is not None:
        waiting.end()
        request.api.readiness.start_succeeded()
    if request.stay is not None:
        request.stay.leave()


async def _messages(request: Request, run: Started, *, greets: bool) -> AsyncIterator[bytes]:
    if greets:
        yield PING
    api, identity = request.api, run.record.identity
    stream = StreamEncoder(run.record)
    narration = await api.speech.narration(await authenticated(request), identity.workflow_id)
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


def _narrate(narration: Narration, event: Event) -> None:
    match event:
        case TextChunk(text=text):
            narration.add(text)
        case TextReplaced(text=text):
            narration.replace(text)
