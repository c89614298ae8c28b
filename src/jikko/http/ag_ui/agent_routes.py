"""Apps as AG-UI agents: ``POST /ag-ui/{app}``, and its requests as questions. See docs/ag-ui.md.

Source: AG-UI's specification 1.0, “RunAgentInput”.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Set
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid5

from msgspec import Meta, Struct

from jikko.apps.end_users import end_user
from jikko.dify.dify_events import frame
from jikko.errors import InvalidParam, JikkoError, NotFound
from jikko.events import FormClosed, RunFinished, RunPaused
from jikko.http.ag_ui.agent_events import AgentEvent, AgentEvents
from jikko.http.operation import Route
from jikko.http.questions.answer_text import AnswerText, begun_answer, shows_its_answer
from jikko.http.questions.beginning import WITH_FORMS, Asker, anyone, begin, chosen_app, given_inputs
from jikko.http.questions.question import Question, question
from jikko.http.request_fields import checked, user_named
from jikko.http.requests import Request, opened
from jikko.http.responses import STILL_THERE, EventStream, SendableResponse
from jikko.http.starts import KEY, REPEATED, START_ERRORS, whole_stream
from jikko.ids import is_uuid
from jikko.nodes.flow.human_input import run_of_token
from jikko.ports.stores.messages import Message
from jikko.record import RunForms
from jikko.runs.following.log_pieces import Batch
from jikko.values import Json

_ROLES: Final = ("user", "assistant", "system", "developer")
"""Roles of messages that are read; tool answers and reasoning are known to the app itself."""
_FILES: Final = ("image", "audio", "video", "document")


class ResumeEntry(Struct, rename="camel"):
    """Answer to an interrupt."""

    interrupt_id: str
    status: Literal["resolved", "cancelled"]
    payload: Json = None


class RunAgentInput(Struct, rename="camel"):
    """Request of AG-UI. Other fields are ignored: an app has its own tools and state."""

    thread_id: Annotated[
        str, Meta(min_length=1, max_length=255, description="The conversation: its ID, or any text of the user's.")
    ]
    run_id: Annotated[str, Meta(min_length=1, max_length=255, description="This request's ID in its answer.")]
    messages: Annotated[
        list[dict[str, Json]],
        Meta(description="The last one is the question. Earlier ones become the memory of a new conversation."),
    ]
    resume: Annotated[
        list[ResumeEntry] | None,
        Meta(description="Answers to interrupts, instead of a question: {action, inputs} of the form."),
    ] = None
    forwarded_props: Annotated[
        dict[str, Json] | None, Meta(description="`user`: the end user; `inputs`: values of the app's form, by name.")
    ] = None


def question_of(messages: list[dict[str, Json]]) -> Question:
    """Read the question from a list of messages.
    Raises ``InvalidParam``: invalid message or file, or the last message with content is not the user's."""
    said = [
        {"role": message["role"], "content": _content(message.get("content"), f"messages[{position}].content")}
        for position, message in enumerate(messages)
        if message.get("role") in _ROLES
    ]
    return question(said)


def _content(content: Json, where: str) -> Json:
    if not isinstance(content, list):
        return content
    return [_part(part, f"{where}[{position}]") for position, part in enumerate(content)]


def _part(part: Json, where: str) -> Json:
    """Convert a message part to the format of ``question``."""
    if not isinstance(part, dict) or part.get("type") not in _FILES:
        return part
    source: Any = part.get("source")
    value = source.get("value") if isinstance(source, dict) else None
    if not isinstance(value, str) or not value:
        raise InvalidParam(f"{where}.source: must have a type (data, url or file) and a value")
    if source.get("type") == "data":
        value = f"data:{source.get('mimeType') or ''};base64,{value}"
    if part["type"] == "image":
        return {"type": "image_url", "image_url": {"url": value}}
    return {"type": "file", "file": {"file_data": value}}


def answers_of(entries: list[ResumeEntry]) -> Iterator[tuple[str, str | None, Mapping[str, Json]]]:
    """Yield form tokens, each with the chosen action (``None``: stop the run) and the inputs.
    Raises ``InvalidParam``: missing action, or invalid inputs."""
    for position, entry in enumerate(entries):
        if entry.status == "cancelled":
            yield entry.interrupt_id, None, {}
            continue
        payload: Any = entry.payload
        inputs = payload.get("inputs") or {} if isinstance(payload, dict) else None
        if not isinstance(inputs, dict) or not isinstance(payload.get("action"), str):
            raise InvalidParam(f"resume[{position}].payload: must be an object with action, a string, and inputs")
        yield entry.interrupt_id, payload["action"], inputs


_THREADS: Final = UUID("5b0d1c7e-6d0f-5a53-9a36-1f6f2a9c3d42")
"""Conversation IDs derive from app, end user and thread, so threads of different users never collide."""


@Route(
    "POST",
    "/ag-ui/{app}",
    {200: "text/event-stream"},
    (*START_ERRORS, 412),
    tag="AG-UI",
    body=RunAgentInput,
    headers=KEY,
    key="apps",
    hot=True,
    starts=True,
)
async def run_agent(request: Request) -> SendableResponse:
    """Ask an app by AG-UI, the protocol between agents and user interfaces.

    The answer is a stream of its events. ``resume`` continues a run that was interrupted by a form for a human.
    """
    apps = await opened(request)
    body = await request.json()
    app = chosen_app(request, apps, request.path_params["app"], "agent")
    given = checked(body, RunAgentInput)
    props = given.forwarded_props or {}
    user = user_named(props.get("user")) or anyone(request, "ag-ui")
    if given.resume:
        return await _resumed(request, Asker(app, user), given, given.resume)
    known, made = await _conversation(request, Asker(app, user), given.thread_id)
    asked = Asker(app, user, known, made, given_inputs(props.get("inputs")))
    begun = await begin(request, asked, question_of(given.messages), body, streamed=True, operation="ag-ui")
    answer = await begun_answer(request, begun)
    events = AgentEvents(answer, app.mode, given.thread_id, given.run_id, given.messages)
    if isinstance(begun, Message):
        return whole_stream(_frames(events.replied()), greets=False)
    headers = {REPEATED: "true"} if begun.repeated else {}
    return EventStream(_stream(begun.run.follow(idle=request.front.ping_seconds), events), headers)


async def _conversation(request: Request, asked: Asker, thread_id: str) -> tuple[str, str]:
    """Return the ID of the thread's conversation if it exists, and the ID for a new one if not."""
    if asked.app.mode in WITH_FORMS:
        return "", ""
    owner = end_user(asked.app.id, asked.user)
    made = str(uuid5(_THREADS, f"{asked.app.id}/{owner}/{thread_id}"))
    for found in (thread_id.lower(), made) if is_uuid(thread_id) else (made,):
        latest = await request.api.conversations.messages(found, limit=1)
        if latest and (latest[0].app_id, latest[0].end_user_id) == (asked.app.id, owner):
            return found, ""
    return "", made


async def _resumed(
    request: Request, asked: Asker, given: RunAgentInput, entries: list[ResumeEntry]
) -> SendableResponse:
    """Answer the forms of a run, and stream what follows. Repeated answers get the same events again.

    Raises:
        InvalidParam: Invalid answer.
        NotFound: The user has no such forms.
        TooLate: Already answered otherwise, or expired.
    """
    api, app = request.api, asked.app
    answers = {token: (action, inputs) for token, action, inputs in answers_of(entries)}
    runs = {run_of_token(token) for token in answers}
    if len(runs) != 1:
        raise InvalidParam("resume: all entries must answer interrupts of one run")
    run_id = runs.pop()
    if run_id is None:
        raise NotFound("The user has no such interrupt.")
    record = await api.runs.records.record(app.id, run_id)
    log = await api.runs.control.events(record)
    forms = RunForms.of(log)
    executions = {str(form.form.get("form_token")): found for found, form in forms.requested.items()}
    if record.identity.user != asked.user or not answers.keys() <= executions.keys():
        raise NotFound("The user has no such interrupt.")
    wanted = {executions[token] for token in answers}
    closings = {at for at, event in enumerate(log) if isinstance(event, FormClosed) and event.execution_id in wanted}
    # Events sent to an earlier request are sent again. The client has not seen the run's end.
    seen = min(closings or {len(log) - isinstance(log[-1], RunFinished)})
    if any(action is None for action, _ in answers.values()):
        await api.runs.control.stop(app.id, run_id, asked.user)
    else:
        for token, (action, inputs) in answers.items():
            closed = forms.closed.get(executions[token])
            if closed is None or closed.action_id != action:
                await api.runs.forms.submit(app.id, token, action or "", inputs, request.base_url)
    answer = AnswerText.of_run(record, request.base_url)
    if app.mode == "workflow":
        answer.is_shown = shows_its_answer(await api.workflows.get(app, record.identity.workflow_id))
    events = AgentEvents(answer, app.mode, given.thread_id, given.run_id, given.messages)
    _ = [told for event in log[:seen] for told in events.of(event)]  # already seen by the client
    follow = api.runs.control.reader(record).follow(seen - 1, idle=request.front.ping_seconds, through_pauses=True)
    return EventStream(_stream(follow, events, wanted))


async def _stream(
    follow: AsyncIterator[Batch], events: AgentEvents, wanted: Set[str] = frozenset()
) -> AsyncIterator[bytes]:
    """Stream a run until it ends, or pauses for forms of executions not in ``wanted``."""
    yield _frames(events.begin())
    try:
        async for batch in follow:
            told: list[AgentEvent] = []
            for _, event in batch:
                if not (isinstance(event, RunPaused) and events.waits_for(wanted)):
                    told += events.of(event)
            yield _frames(told) or STILL_THERE
            if events.is_over:
                return
        raise NotFound("Workflow run not found.")  # the run was deleted
    except JikkoError as error:
        yield _frames(events.broken(error))


def _frames(events: Iterable[AgentEvent]) -> bytes:
    return b"".join(map(frame, events))
