"""Apps by OpenAI's Responses API. A response has the ID of its run.

Source: OpenAI's API reference, “Responses”. See docs/openai.md for what an app decides itself.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace

from jikko.apps.end_users import end_user
from jikko.dify.dify_events import encode, frame
from jikko.errors import InvalidParam, JikkoError, NotFound
from jikko.http.openai.chat_completions import (
    ASKING,
    OPENAI,
    OpenaiErrorDetail,
    OpenaiRequest,
    answer_headers,
    asking,
    error_detail,
)
from jikko.http.questions.answer_text import AnswerText, RunFailed, answer_so_far, begun_answer, deltas, whole_answer
from jikko.http.questions.beginning import WITH_FORMS, Asker, begin
from jikko.http.questions.question import model_id, question
from jikko.http.request_fields import checked
from jikko.http.requests import Request, chosen, opened
from jikko.http.responses import STILL_THERE, EventStream, Response, SendableResponse, json_response
from jikko.ids import is_uuid
from jikko.ports.stores.messages import Message
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.runs.runs import StartOutcome
from jikko.values import Json

_PREFIX = "resp_"


class ResponseRequest(OpenaiRequest, kw_only=True):
    """Question by OpenAI's Responses API."""

    input: Annotated[str | list[dict[str, Json]], Meta(description="The question, or messages ending with it.")]
    instructions: Annotated[str | None, Meta(description="Instructions at the start of a new conversation.")] = None
    previous_response_id: Annotated[
        str | None, Meta(description="Earlier answer of the same user, whose conversation is continued.")
    ] = None
    background: Annotated[bool | None, Meta(description="Answer at once; poll GET /v1/responses/{id}.")] = None
    text: dict[str, Json] | None = None


class OutputText(Struct):
    text: str
    type: Literal["output_text"] = "output_text"
    annotations: list[Json] = []


class OutputMessage(Struct):
    id: str
    status: Literal["in_progress", "completed", "incomplete"]
    content: list[OutputText]
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"


class ResponseUsage(Struct):
    """Tokens of all model calls of the run."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: dict[str, int] = field(default_factory=lambda: {"cached_tokens": 0})
    output_tokens_details: dict[str, int] = field(default_factory=lambda: {"reasoning_tokens": 0})


class AppResponse(Struct, kw_only=True):
    """Answer, complete or in progress."""

    id: str
    created_at: int
    status: Literal["queued", "in_progress", "completed", "failed", "incomplete", "cancelled"]
    model: str
    output: list[OutputMessage]
    usage: ResponseUsage | None = None
    error: OpenaiErrorDetail | None = None
    incomplete_details: dict[str, str] | None = None
    previous_response_id: str | None = None
    instructions: str | None = None
    metadata: dict[str, Json] = {}
    background: bool = False
    object: Literal["response"] = "response"
    parallel_tool_calls: bool = False
    temperature: float | None = None
    top_p: float | None = None
    tool_choice: str = "none"
    tools: list[Json] = []
    conversation_id: str | UnsetType = UNSET
    workflow_run_id: str | UnsetType = UNSET


@ASKING("POST", "/v1/responses", {200: AppResponse}, body=ResponseRequest)
async def respond(request: Request) -> SendableResponse:
    """Ask an app by OpenAI's Responses API."""
    asked, body = await asking(request)
    given = checked(body, ResponseRequest)
    _require_possible(given)
    if given.previous_response_id:
        asked = replace(asked, conversation_id=await _conversation(request, asked, given.previous_response_id))
    messages = [{"role": "user", "content": given.input}] if isinstance(given.input, str) else _messages(given.input)
    asks = question(messages, given.instructions or "", "input")
    streamed = bool(given.stream) and not given.background
    begun = await begin(request, asked, asks, body, streamed=streamed, operation="openai")
    told = _ResponseEncoder(request, asked.app, given)
    if streamed:
        answer = await begun_answer(request, begun)
        return EventStream(told.events(begun, answer), answer_headers(begun, answer))
    answer = await (begun_answer if given.background else whole_answer)(request, begun)
    return Response(encode(told.response(answer)), headers=answer_headers(begun, answer))


@OPENAI("GET", "/v1/responses/{response_id}", {200: AppResponse}, (404,))
async def read_response(request: Request) -> SendableResponse:
    """Read an answer, complete or in progress."""
    app, record = await _answered(request)
    answer = await answer_so_far(request, request.api.runs.control.reader(record))
    told = _ResponseEncoder(request, app, None).response(answer)
    return json_response(replace(told, status="cancelled") if record.status == "stopped" else told)


@OPENAI("POST", "/v1/responses/{response_id}/cancel", {200: AppResponse}, (404, 503))
async def cancel_response(request: Request) -> SendableResponse:
    """Stop an answer. Its text so far is kept."""
    app, record = await _answered(request)
    await request.api.runs.control.stop(app.id, record.identity.run_id, record.identity.user)
    return await read_response.handler(request)


async def _answered(request: Request) -> tuple[App, RunRecord]:
    """Return a response's app and run. Raises ``NotFound``: no app of the key has it."""
    apps, run_id = await opened(request), _run_id(request)
    for app in apps[:-1]:
        with suppress(NotFound):
            record = await request.api.runs.records.record(app.id, run_id)
            return chosen(request, app), record
    return chosen(request, apps[-1]), await request.api.runs.records.record(apps[-1].id, run_id)


def _run_id(request: Request) -> str:
    """Raises ``NotFound``: not a response ID."""
    given = request.path_params["response_id"]
    run_id = given.removeprefix(_PREFIX)
    if not is_uuid(run_id):
        raise NotFound(f"No response {given[:100]!r}.")
    return run_id


async def _conversation(request: Request, asked: Asker, response_id: str) -> str:
    """Return the conversation of an earlier answer.

    Raises:
        NotFound: The user has no such answer.
        InvalidParam: The app does not keep conversations.
    """
    if asked.app.mode in WITH_FORMS:
        raise InvalidParam("previous_response_id: the app does not keep conversations")
    message_of, own = response_id.removeprefix(_PREFIX), end_user(asked.app.id, asked.user)
    found: Message | None = None
    if is_uuid(message_of):
        conversations = request.api.conversations
        found = await conversations.message_of_run(message_of) or await conversations.message(
            asked.app.id, own, message_of
        )
    if found is None or found.app_id != asked.app.id or found.end_user_id != own:
        raise NotFound(f"No response {response_id[:100]!r} of this user.")
    return found.conversation_id


def _messages(items: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """Return the messages among items; reasoning of earlier answers is ignored.
    Raises ``InvalidParam``: an item is not a message."""
    found = []
    for position, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "reasoning":
            continue
        if kind != "message":
            raise InvalidParam(f"input[{position}].type: must be message; an app calls its own tools")
        found.append(item)
    return found


def _require_possible(given: ResponseRequest) -> None:
    """Raise ``InvalidParam`` for unsupported parameters that would change the answer."""
    given.require_own_tools()
    form = (given.text or {}).get("format")
    if isinstance(form, dict) and form.get("type", "text") != "text":
        raise InvalidParam("text.format: the app decides the form of its answer; leave it out")
    if given.background and given.stream:
        raise InvalidParam("background: an answer in the background is read by GET, not streamed")


class _ResponseEncoder(Struct):
    request: Request
    app: App
    given: ResponseRequest | None
    """``None``: for a later read."""

    def response(self, answer: AnswerText, *, error: JikkoError | None = None) -> AppResponse:
        """Encode an answer, complete or in progress."""
        given = self.given
        if error is None and answer.error is not None:
            error = RunFailed(answer.error)
        status: Any = "in_progress"
        if error is not None:
            status = "failed"
        elif answer.is_over:
            status = "completed" if answer.finish_reason == "stop" else "incomplete"
        usage = answer.usage
        return AppResponse(
            id=f"{_PREFIX}{answer.run_id or answer.message_id}",
            created_at=answer.created_at,
            status=status,
            model=model_id(self.app),
            output=[self.message(answer)] if answer.text else [],
            usage=ResponseUsage(usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"])
            if answer.is_over
            else None,
            error=None if error is None else error_detail(error),
            incomplete_details={"reason": "content_filter"} if status == "incomplete" else None,
            previous_response_id=None if given is None else given.previous_response_id,
            instructions=None if given is None else given.instructions,
            metadata={} if given is None else given.metadata or {},
            background=bool(given is not None and given.background),
            conversation_id=answer.conversation_id or UNSET,
            workflow_run_id=answer.run_id or UNSET,
        )

    def message(self, answer: AnswerText) -> OutputMessage:
        return OutputMessage(
            self._item_id(answer), "completed" if answer.is_over else "in_progress", [OutputText(answer.text)]
        )

    def _item_id(self, answer: AnswerText) -> str:
        return f"msg_{answer.message_id or answer.run_id}"

    async def events(self, begun: StartOutcome | Message, answer: AnswerText) -> AsyncIterator[bytes]:
        number = 0

        def event(kind: str, **fields: Any) -> bytes:
            nonlocal number
            number += 1
            data = {"type": f"response.{kind}", "sequence_number": number - 1, **fields}
            return b"event: response." + kind.encode() + b"\n" + frame(data)

        item = self._item_id(answer)
        place: dict[str, Any] = {"item_id": item, "output_index": 0, "content_index": 0}
        begin = replace(self.response(answer), status="in_progress", output=[], usage=None)
        yield event("created", response=begin) + event("in_progress", response=begin)
        opened = OutputMessage(item, "in_progress", [])
        yield event("output_item.added", output_index=0, item=opened) + event(
            "content_part.added", **place, part=OutputText("")
        )
        try:
            if isinstance(begun, Message):
                yield event("output_text.delta", **place, delta=answer.text, logprobs=[])
            else:
                async for found in deltas(self.request, begun.run, answer):
                    texts = [
                        event("output_text.delta", **place, delta=delta.text, logprobs=[])
                        for delta in found
                        if delta.text
                    ]
                    yield b"".join(texts) or STILL_THERE
        except JikkoError as error:
            yield event("failed", response=self.response(answer, error=error))
            return
        part = OutputText(answer.text)
        yield event("output_text.done", **place, text=answer.text, logprobs=[])
        yield event("content_part.done", **place, part=part)
        yield event("output_item.done", output_index=0, item=self.message(answer))
        whole = self.response(answer)
        yield event("completed" if whole.status == "completed" else "incomplete", response=whole)
