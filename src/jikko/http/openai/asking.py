"""The asker and the app of a request by OpenAI's wire."""

from collections.abc import Mapping
from typing import Any

from jikko.errors import InvalidParam, NotFound
from jikko.http.auth import authenticated
from jikko.http.body_fields import user_named
from jikko.http.questions.beginning import WITH_FORMS, Asker, anyone, given_inputs
from jikko.http.questions.question import is_named, model_id
from jikko.http.requests import Request
from jikko.ids import is_uuid


async def asking(request: Request, body: Mapping[str, Any]) -> Asker:
    """Who asks which app: by the key, ``model``, ``user``, ``conversation_id`` and ``inputs``.

    Raises:
        Unauthorized, TooManyRequests: See ``authenticated``.
        InvalidParam: A field is wrong.
        NotFound: The key opens no app of that name.
    """
    app = await authenticated(request)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidParam(f"model: is required: {model_id(app)!r}")
    if not is_named(app, model):
        raise NotFound(f"The API key opens no model {model[:200]!r}, but {model_id(app)!r}.", code="model_not_found")
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
