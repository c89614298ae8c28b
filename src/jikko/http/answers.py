"""How a run that was started is answered: at its end, as a stream, or at once."""

from collections.abc import AsyncIterator

from starlette.responses import Response
from starlette.types import ASGIApp

from jikko.events import RunFinished
from jikko.http import run_bodies
from jikko.http.acceptance import REPEATED
from jikko.http.errors import JsonResponse
from jikko.http.messages import Messages
from jikko.http.sse import PING, EventStream
from jikko.http.state import Api
from jikko.service.forms import forms_of
from jikko.service.idempotency import Start, Started


async def answer(api: Api, start: Start, mode: str) -> Response | ASGIApp:
    """The answer to the client that started a run.

    Args:
        mode: ``blocking``, ``streaming`` or ``async``.
    """
    run = start.run
    headers = {REPEATED: "true"} if start.repeated else {}
    if mode == "streaming":
        return EventStream(_messages(api, run), headers)
    if mode == "async":
        await run.committed(1)
        headers["Location"] = f"/v1/workflows/run/{run.record.owner.run_id}"
        return JsonResponse(run_bodies.running_body(run.record), 202, headers)
    end = await run.ended()
    if isinstance(end, RunFinished):
        return JsonResponse(run_bodies.blocking_body(run.record, end.outputs), headers=headers)
    forms = forms_of(run.record, await api.runs.records.events(run.record))
    waiting = [form.requested for form in forms if form.closed is None]
    return JsonResponse(run_bodies.paused_body(run.record, waiting), headers=headers)


async def _messages(api: Api, run: Started) -> AsyncIterator[bytes]:
    yield PING
    messages = Messages(run.record)
    async for batch in run.follow(idle=api.ping_seconds):
        if piece := messages.frames(event for _, event in batch):
            yield piece
        elif not batch:
            yield PING
