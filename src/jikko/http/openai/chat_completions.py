"""Apps as models of OpenAI's API: ``/v1/models`` and ``/v1/chat/completions``.

Source: OpenAI's API reference, “Chat”. See docs/openai.md for what an app decides itself.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from jikko.dify.dify_events import encode, frame
from jikko.errors import InvalidParam, JikkoError
from jikko.http.http_errors import Refusals
from jikko.http.operation import Route
from jikko.http.questions.answer_text import AnswerText, Delta, begun_answer, deltas, whole_answer
from jikko.http.questions.beginning import WITH_FORMS, Asker, anyone, begin, chosen_app, given_inputs
from jikko.http.questions.question import model_id, question
from jikko.http.request_fields import checked, user_named
from jikko.http.requests import Request, opened
from jikko.http.responses import STILL_THERE, EventStream, Response, SendableResponse, json_response
from jikko.http.starts import KEY, REPEATED, START_ERRORS
from jikko.ids import is_uuid
from jikko.ports.stores.messages import Message
from jikko.repositories.app_store import App
from jikko.runs.runs import StartOutcome
from jikko.values import Json


async def asking(request: Request) -> tuple[Asker, dict[str, Any]]:
    """Return the user and the app, by ``model``, ``user``, ``conversation_id`` and ``inputs``, and the body.

    Raises:
        InvalidParam: Invalid field.
        NotFound: The key does not open an app of that name.
    """
    apps = await opened(request)
    body = await request.json()
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidParam(f"model: is required: {' or '.join(repr(model_id(app)) for app in apps)}")
    app = chosen_app(request, apps, model, "model", "model_not_found")
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise InvalidParam("metadata: must be an object")
    inputs = given_inputs(body.get("inputs", (metadata or {}).get("inputs")))
    named = request.header(b"x-conversation-id")
    conversation = body.get("conversation_id") or (metadata or {}).get("conversation_id") or named or ""
    if conversation and not (isinstance(conversation, str) and is_uuid(conversation)):
        raise InvalidParam("conversation_id: must be a valid UUID")
    if conversation and app.mode in WITH_FORMS:
        raise InvalidParam("conversation_id: the app does not keep conversations")
    user = user_named(body.get("user")) or anyone(request, "openai")
    return Asker(app, user, conversation.lower(), inputs=inputs), body


_PARAM: Final = re.compile(r"([a-z_]+(?:\[\d+\]|\.[a-z_]+)*): ")
"""Prefix of an invalid parameter's message."""
_CODES: Final = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_TYPES: Final = {403: "permission_error", 429: "rate_limit_error"}


class OpenaiErrorDetail(Struct):
    message: str
    type: str
    """``invalid_request_error``, ``permission_error``, ``rate_limit_error`` or ``server_error``."""
    param: str | None = None
    """The invalid parameter, if any."""
    code: str | None = None


class OpenaiError(Struct):
    """Error body of these operations."""

    error: OpenaiErrorDetail


def error_detail(error: JikkoError) -> OpenaiErrorDetail:
    status, message = error.status, str(error)
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    param = _PARAM.match(message) if status == 400 else None
    return OpenaiErrorDetail(message, kind, None if param is None else param[1], _CODES.get(status, error.code))


def openai_error(error: JikkoError) -> Response:
    """Answer a refused request or a failed run."""
    return Response(encode(OpenaiError(error_detail(error))), error.status, error.headers)


REFUSALS: Final = Refusals(OpenaiError, openai_error)
OPENAI: Final = partial(Route, tag="OpenAI", key="apps", refused=REFUSALS)
CONVERSATION: Final = "X-Conversation-Id"
DONE: Final = b"data: [DONE]\n\n"
HEADERS: Final = (
    *KEY,
    (CONVERSATION, {"type": "string", "format": "uuid"}, "The conversation to continue; like conversation_id."),
)
ASKING: Final = partial(OPENAI, errors=START_ERRORS, headers=HEADERS, streams=True, hot=True, starts=True)
"""Routes of operations that ask an app."""


class Model(Struct):
    """App of the API key."""

    id: Annotated[str, Meta(description="Name of the app in lower case, joined by hyphens.")]
    created: int
    object: Literal["model"] = "model"
    owned_by: str = "jikko"


class Models(Struct):
    data: list[Model]
    object: Literal["list"] = "list"


class StreamOptions(Struct):
    """Additional content of a stream."""

    include_usage: bool = False


class OpenaiRequest(Struct, kw_only=True):
    """Common fields of questions. Other model settings (``temperature``, …) are the app's own."""

    model: Annotated[str, Meta(description="The app: see /v1/models.")]
    stream: bool | None = None
    user: Annotated[str | None, Meta(description="The end user; default: one for each key.")] = None
    tools: Annotated[list[dict[str, Json]] | None, Meta(description="Ignored unless forced.")] = None
    tool_choice: Any = None
    conversation_id: Annotated[
        str | None, Meta(description="The conversation to continue, as named by an answer. Not part of OpenAI.")
    ] = None
    inputs: Annotated[
        dict[str, Json] | str | None,
        Meta(description="Inputs of the app's form, by name; also as JSON in metadata.inputs. Not part of OpenAI."),
    ] = None
    metadata: dict[str, Json] | None = None

    def require_own_tools(self) -> None:
        """Raises ``InvalidParam``: the request forces tools."""
        if self.tool_choice not in (None, "auto", "none"):
            raise InvalidParam("tool_choice: an app calls its own tools; leave it out, or 'auto'")


class ChatCompletionRequest(OpenaiRequest, kw_only=True):
    """Question in OpenAI's chat format."""

    messages: Annotated[
        list[dict[str, Json]],
        Meta(
            description="The user's last message is the question. Earlier ones become the memory of a new "
            "conversation; an existing conversation has its own."
        ),
    ]
    stream_options: StreamOptions | None = None
    n: Annotated[int | None, Meta(description="1: an app gives one answer.")] = None
    response_format: dict[str, Json] | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None


class ChatCompletionMessage(Struct):
    content: str
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    files: list[Json] | UnsetType = UNSET


class Choice(Struct):
    """The only answer."""

    message: ChatCompletionMessage
    finish_reason: Literal["stop", "content_filter"]
    index: int = 0
    logprobs: None = None


class CompletionUsage(Struct):
    """Tokens of all model calls of the run."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(Struct):
    """Complete answer."""

    id: str
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage
    object: Literal["chat.completion"] = "chat.completion"
    conversation_id: str | UnsetType = UNSET
    workflow_run_id: str | UnsetType = UNSET


@OPENAI("GET", "/v1/models", {200: Models})
async def list_models(request: Request) -> Response:
    """List the apps of the API key, as models."""
    apps = await opened(request)
    ids = Counter(map(model_id, apps))
    models = [_model(app) for app in apps]
    # Apps with the same name are listed by their IDs.
    named = [
        model if ids[model.id] == 1 else replace(model, id=app.id) for app, model in zip(apps, models, strict=True)
    ]
    return json_response(Models(named))


@OPENAI("GET", "/v1/models/{model}", {200: Model}, (404,))
async def read_model(request: Request) -> Response:
    """Read an app of the API key, as a model."""
    name = request.path_params["model"]
    app = chosen_app(request, await opened(request), name, "model", "model_not_found")
    return json_response(_model(app))


@ASKING("POST", "/v1/chat/completions", {200: ChatCompletion}, body=ChatCompletionRequest)
async def complete_chat(request: Request) -> SendableResponse:
    """Ask an app in OpenAI's chat format."""
    asked, body = await asking(request)
    app = asked.app
    given = checked(body, ChatCompletionRequest)
    _require_possible(given)
    streamed = bool(given.stream)
    begun = await begin(request, asked, question(given.messages), body, streamed=streamed, operation="openai")
    if not streamed:
        answer = await whole_answer(request, begun)
        return Response(encode(_completion(request, app, answer)), headers=answer_headers(begun, answer))
    answer = await begun_answer(request, begun)
    usage_wanted = given.stream_options is not None and given.stream_options.include_usage
    return EventStream(_chunks(request, app, begun, answer, usage_wanted=usage_wanted), answer_headers(begun, answer))


def answer_headers(begun: StartOutcome | Message, answer: AnswerText) -> dict[str, str]:
    """Return an answer's headers: its conversation, and whether an earlier request started it."""
    headers = {CONVERSATION: answer.conversation_id} if answer.conversation_id else {}
    if isinstance(begun, StartOutcome) and begun.repeated:
        headers[REPEATED] = "true"
    return headers


def _model(app: App) -> Model:
    return Model(model_id(app), int(app.created_at))


def _require_possible(given: ChatCompletionRequest) -> None:
    """Raise ``InvalidParam`` for unsupported parameters that would change the answer."""
    if (given.n or 1) != 1:
        raise InvalidParam("n: an app gives one answer")
    if given.logprobs:
        raise InvalidParam("logprobs: not supported by apps")
    given.require_own_tools()
    if (given.response_format or {}).get("type", "text") != "text":
        raise InvalidParam("response_format: the app decides the form of its answer; leave it out")
    if "audio" in (given.modalities or ()):
        raise InvalidParam("modalities: an app answers with text here; /v1/text-to-audio speaks")


def _completion(request: Request, app: App, answer: AnswerText) -> ChatCompletion:
    files = answer.files and request.api.files.fresh(answer.files, base_url=request.base_url)
    message = ChatCompletionMessage(answer.text, reasoning_content=answer.reasoning or UNSET, files=files or UNSET)
    return ChatCompletion(
        _completion_id(answer),
        answer.created_at,
        model_id(app),
        [Choice(message, answer.finish_reason)],
        _usage(answer),
        conversation_id=answer.conversation_id or UNSET,
        workflow_run_id=answer.run_id or UNSET,
    )


def _completion_id(answer: AnswerText) -> str:
    return f"chatcmpl-{answer.message_id or answer.run_id}"


def _usage(answer: AnswerText) -> CompletionUsage:
    usage = answer.usage
    return CompletionUsage(usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"])


async def _chunks(
    request: Request, app: App, begun: StartOutcome | Message, answer: AnswerText, *, usage_wanted: bool
) -> AsyncIterator[bytes]:
    """Yield an answer in chunks. Errors after the first chunk are sent in the stream."""
    base = {
        "id": _completion_id(answer),
        "object": "chat.completion.chunk",
        "created": answer.created_at,
        "model": model_id(app),
    }
    own: dict[str, str] = {"conversation_id": answer.conversation_id} if answer.conversation_id else {}
    if answer.run_id:
        own["workflow_run_id"] = answer.run_id

    def chunk(delta: dict[str, Json], finish: str | None = None) -> dict[str, Json]:
        return {**base, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    yield frame(chunk({"role": "assistant", "content": ""}) | own)
    try:
        if isinstance(begun, Message):
            yield frame(chunk({"content": answer.text}))
        else:
            async for found in deltas(request, begun.run, answer):
                yield b"".join(frame(chunk(_delta(delta))) for delta in found) or STILL_THERE
    except JikkoError as error:
        yield frame(OpenaiError(error_detail(error)))
        return
    files = request.api.files.fresh(answer.files, base_url=request.base_url)
    yield frame(chunk({"files": files} if files else {}, answer.finish_reason) | own)
    if usage_wanted:
        yield frame({**base, "choices": [], "usage": _usage(answer)})
    yield DONE


def _delta(delta: Delta) -> dict[str, Json]:
    return {"reasoning_content": delta.reasoning} if delta.reasoning else {"content": delta.text}
