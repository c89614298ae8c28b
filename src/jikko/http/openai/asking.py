"""The asker and the app of a request by OpenAI's wire."""

from collections.abc import Mapping, Sequence
from typing import Any

from jikko.errors import InvalidParam
from jikko.http.body_fields import user_named
from jikko.http.questions.beginning import WITH_FORMS, Asker, anyone, chosen_app, given_inputs
from jikko.http.questions.question import model_id
from jikko.http.requests import Request
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
