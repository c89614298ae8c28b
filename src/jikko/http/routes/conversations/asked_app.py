"""The asker and the chat app: shared by the operations of conversations.

A request is refused in Dify's order: an id in the address that is none, the key, the user, and then the mode of the
app; what else it holds is looked at behind that.
"""

from collections.abc import Mapping
from typing import Any, Final

from jikko.apps.end_users import ANONYMOUS, end_user
from jikko.dsl.document import CHAT_MODES
from jikko.errors import NotFound, WrongAppMode
from jikko.http.auth import authenticated
from jikko.http.body_fields import user_named, user_of
from jikko.http.requests import Request
from jikko.ports.stores.messages import Conversation
from jikko.repositories.app_store import App

NOT_CHAT: Final = "Please check if your app mode matches the right API route."


async def asked_in_body(request: Request, *, anonymous: bool = False) -> tuple[App, str, dict[str, Any]]:
    """The chat app of a request, who asks, and its body.

    Args:
        anonymous: Whether a request without a user is that of the anonymous one.

    Raises:
        Unauthorized, TooManyRequests: See ``authenticated``.
        BadRequest, PayloadTooLarge, UnsupportedMediaType: See ``Request.json``.
        InvalidParam: There is no user, or what names it is no text.
        WrongAppMode: The app is no chat.
    """
    app = await authenticated(request)
    body = await request.json()
    return app, _user(app, body, anonymous=anonymous), body


async def asked_in_query(request: Request, *, anonymous: bool = False) -> tuple[App, str]:
    """The chat app of a request without a body, and who asks. See ``asked_in_body``."""
    app = await authenticated(request)
    return app, _user(app, request.query, anonymous=anonymous)


def _user(app: App, given: Mapping[str, Any], *, anonymous: bool) -> str:
    user = user_named(given.get("user")) or ANONYMOUS if anonymous else user_of(given)
    if app.mode not in CHAT_MODES:
        raise WrongAppMode(NOT_CHAT, code="not_chat_app")
    return user


async def own_conversation(request: Request, app: App, user: str, conversation_id: str) -> Conversation:
    """A conversation of who asks. Raises ``NotFound``: there is no such one."""
    found = await request.api.conversations.conversation(app.id, end_user(app.id, user), conversation_id)
    if found is None:
        raise NotFound("Conversation Not Exists.")
    return found
