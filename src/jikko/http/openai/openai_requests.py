"""Requests by OpenAI's wire: the asker and the app, and errors as its clients read them, by which they try again."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from jikko.dify.dify_events import encode
from jikko.errors import InvalidParam, JikkoError
from jikko.http.questions.beginning import WITH_FORMS, Asker, anyone, chosen_app, given_inputs
from jikko.http.questions.question import model_id
from jikko.http.request_fields import user_named
from jikko.http.requests import Request
from jikko.http.responses import Response
from jikko.ids import is_uuid
from jikko.repositories.app_store import App


async def asking(request: Request, apps: Sequence[App], body: Mapping[str, Any]) -> Asker:
    """Who asks which app: by ``model``, ``user``, ``conversation_id`` and ``inputs``. ``apps``: those of the key.

    Raises:
        InvalidParam: A field is wrong.
        NotFound: The key opens no app of that name.
    """
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
        raise InvalidParam("conversation_id: the app keeps no conversations")
    user = user_named(body.get("user")) or anyone(request, "openai")
    return Asker(app, user, conversation.lower(), inputs=inputs)


_PARAM: Final = re.compile(r"([a-z_]+(?:\[\d+\]|\.[a-z_]+)*): ")
"""How the message of a wrong parameter begins."""
_CODES: Final = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_TYPES: Final = {403: "permission_error", 429: "rate_limit_error"}


class OpenaiErrorDetail(Struct):
    """What is wrong."""

    message: str
    type: str
    """``invalid_request_error``, ``permission_error``, ``rate_limit_error`` or ``server_error``."""
    param: str | None = None
    """The parameter that is wrong, if it is one."""
    code: str | None = None


class OpenaiError(Struct):
    """The body of an error of these operations."""

    error: OpenaiErrorDetail


def error_detail(error: JikkoError) -> OpenaiErrorDetail:
    """What a client is told of an error."""
    status, message = error.status, str(error)
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    param = _PARAM.match(message) if status == 400 else None
    return OpenaiErrorDetail(message, kind, None if param is None else param[1], _CODES.get(status, error.code))


def openai_error(error: JikkoError) -> Response:
    """The answer to a request that is refused, or whose run failed."""
    return Response(encode(OpenaiError(error_detail(error))), error.status, error.headers)
