"""How a run that was started is answered: at its end, as a stream, or at once."""

from collections.abc import AsyncIterator

from jikko.apps.narration import Narration
from jikko.concurrency.patience import patience
from jikko.dify import bodies
from jikko.dify import events as dify_events
from jikko.dify.stream import Messages
from jikko.errors import JikkoError, RunLeft, StoreUnavailable
from jikko.events import Event, RunFinished, TextChunk, TextReplaced
from jikko.http.auth import authenticated
from jikko.http.errors import Error, refusal
from jikko.http.fields import Mode
from jikko.http.requests import Request
from jikko.http.responses import Answer, Response
from jikko.http.sse import PING, EventStream
from jikko.http.start_options import REPEATED
from jikko.runs.forms import forms_of
from jikko.runs.idempotency import Start, Started


async def answer(request: Request, start: Start, mode: Mode) -> Answer:
    """The answer to the client that started a run."""
    api, run = request.api, start.run
    await promised(request, run)
    headers = {REPEATED: "true"} if start.repeated else {}
    if mode == "streaming":
        return streamed(request, run, headers)
    if mode == "async":
        return Response(bodies.running_body(run.record), 202, {**headers, "Location": location_of(request, run)})
    try:
        end = await run.ended()
    except RunLeft as parked:
        # Not as other errors: the run was accepted, and a client that starts it again has it done twice.
        identity = run.record.identity
        error = Error(parked.code, str(parked), parked.status, identity.task_id, identity.run_id)
        return refusal(error, {**headers, "Location": location_of(request, run)})
    if isinstance(end, RunFinished):
        return Response(bodies.blocking_body(run.record, end.outputs), headers=headers)
    forms = forms_of(run.record, await api.runs.control.events(run.record))
    waiting = [form.requested for form in forms if form.closed is None]
    return Response(bodies.paused_body(run.record, waiting), headers=headers)


async def promised(request: Request, run: Started) -> None:
    """Wait until the beginning of a run is durable: nothing is answered before, and from then on the run is promised.

    The room of the body is given back, which is in memory several times until then.

    Raises:
        StartRefused: It did not become durable in time.
    """
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


def streamed(request: Request, run: Started, headers: dict[str, str]) -> Answer:
    """The events of a run, as they come."""
    return EventStream(_messages(request, run), headers)


def location_of(request: Request, run: Started) -> str:
    """Where a run is read."""
    return f"{request.root_path}/v1/workflows/run/{run.record.identity.run_id}"


async def _messages(request: Request, run: Started) -> AsyncIterator[bytes]:
    yield PING
    api, identity = request.api, run.record.identity
    messages = Messages(run.record)
    narration = await api.speech.narration(await authenticated(request), identity.workflow_id)
    try:
        async for batch in run.follow(idle=api.ping_seconds):
            if piece := messages.frames(event for _, event in batch):
                yield piece
            elif not batch:
                yield PING
            if narration is not None:
                for _, event in batch:
                    _narrate(narration, event)
                for audio in narration.ready():
                    yield messages.spoken(audio)
        if narration is not None:
            async for audio in narration.rest():
                yield messages.spoken(audio)
            yield messages.spoken(b"")
    except JikkoError as error:
        yield dify_events.error_frame(identity, error)
    finally:
        if narration is not None:
            narration.close()


def _narrate(narration: Narration, event: Event) -> None:
    match event:
        case TextChunk(text=text):
            narration.add(text)
        case TextReplaced(text=text):
            narration.replace(text)
