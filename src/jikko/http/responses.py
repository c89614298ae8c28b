"""How a run that was started is answered: at its end, as a stream, or at once."""

from collections.abc import AsyncIterator

from starlette.responses import Response
from starlette.types import ASGIApp

from jikko.dify import bodies as run_bodies
from jikko.dify import events as wire
from jikko.dify.stream import Messages
from jikko.errors import JikkoError, RunLeft
from jikko.events import RunFinished
from jikko.http.api import Api
from jikko.http.errors import JsonResponse, error_response
from jikko.http.sse import PING, EventStream
from jikko.http.start_options import REPEATED
from jikko.runs.forms import forms_of
from jikko.runs.idempotency import Start, Started


async def answer(api: Api, start: Start, mode: str) -> Response | ASGIApp:
    """The answer to the client that started a run.

    Args:
        mode: ``blocking``, ``streaming`` or ``async``.
    """
    run = start.run
    headers = {REPEATED: "true"} if start.repeated else {}
    if mode == "streaming":
        return EventStream(_messages(api, run), headers)
    owner = run.record.owner
    location = f"/v1/workflows/run/{owner.run_id}"
    if mode == "async":
        await run.committed(1)
        return JsonResponse(run_bodies.running_body(run.record), 202, {**headers, "Location": location})
    try:
        end = await run.ended()
    except RunLeft as parked:
        # Not as other errors: the run was accepted, and a client that starts it again has it done twice.
        ids = {"task_id": owner.task_id, "workflow_run_id": owner.run_id}
        return error_response(parked.code, str(parked), parked.status, {**headers, "Location": location}, **ids)
    if isinstance(end, RunFinished):
        return JsonResponse(run_bodies.blocking_body(run.record, end.outputs), headers=headers)
    forms = forms_of(run.record, await api.runs.log(run.record))
    waiting = [form.requested for form in forms if form.closed is None]
    return JsonResponse(run_bodies.paused_body(run.record, waiting), headers=headers)


async def _messages(api: Api, run: Started) -> AsyncIterator[bytes]:
    yield PING
    messages = Messages(run.record)
    try:
        async for batch in run.follow(idle=api.ping_seconds):
            if piece := messages.frames(event for _, event in batch):
                yield piece
            elif not batch:
                yield PING
    except JikkoError as error:
        yield wire.error_frame(run.record.owner, error)
