"""What only apps of another mode can do: chats, completions, and what belongs to them.

A request is refused in Dify's order: an id in the address that is none, the key, the user, and then the mode of the
app; what else the body holds is not looked at. Source: Dify 1.15, spec/chatflow.md §6, spec/service-api.md §3.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from jikko.errors import JikkoError, NotFound, WrongAppMode
from jikko.http.auth import authenticated
from jikko.http.fields import checked, must, user_named, user_of
from jikko.http.operation import Handler
from jikko.http.requests import Request
from jikko.http.responses import Answer, json_response
from jikko.http.whole_numbers import whole_numbers
from jikko.ports.stores.app_store import App

NOT_CHAT: Final = "Please check if your app mode matches the right API route."
UNAVAILABLE: Final = "App unavailable, please check your app configurations."
_NO_CHAT: Final = "Chat is not served by this version of Jikko."

Whose = Literal["body", "body, or nobody's", "query", "query, or nobody's"]
"""Where a request says whose it is, and whether it must."""


class FeedbackRequest(Struct):
    """What somebody thinks of an answer."""

    user: Annotated[Any, Meta(description="Whose message it is.")]
    rating: Annotated[Literal["like", "dislike"] | None, Meta(extra=must("must be 'like', 'dislike' or null"))] = None
    content: Annotated[str | None, Meta(extra=must("must be a string"))] = None


class Feedbacks(Struct):
    """What was thought of answers: nothing, as there are no messages."""

    data: list[dict[str, Any]] = []


def for_chat_apps(name: str, whose: Whose) -> Handler:
    """A handler that refuses apps of another mode with ``not_chat_app``.

    Args:
        name: Its own.
    """

    async def refuse(request: Request) -> Answer:
        app = await authenticated(request)
        await _check_user(request, whose)
        raise _no_chat(app)

    refuse.__name__ = name
    refuse.__doc__ = "For chat apps, which are not served: 400 ``not_chat_app``, or ``app_unavailable`` for one."
    return refuse


def for_completion_apps(name: str) -> Handler:
    """A handler that refuses apps, which are all of another mode. Its own name is given."""

    async def refuse(request: Request) -> Answer:
        await authenticated(request)
        await _check_user(request, "body")
        raise WrongAppMode(UNAVAILABLE, code="app_unavailable")

    refuse.__name__ = name
    refuse.__doc__ = "For completion apps, of which there are none: 400 ``app_unavailable``."
    return refuse


async def give_feedback(request: Request) -> Answer:
    """``POST /v1/messages/{message_id}/feedbacks``: of apps of every mode; there are no messages."""
    await authenticated(request)
    body = await request.json()
    user_of(body)
    checked(body, FeedbackRequest)
    raise NotFound("Message Not Exists.")


async def list_feedbacks(request: Request) -> Answer:
    """``GET /v1/app/feedbacks``: of apps of every mode."""
    await authenticated(request)
    whole_numbers(request.query, {"page": (1, 1, None), "limit": (20, 1, 101)})
    return json_response(Feedbacks())


async def _check_user(request: Request, whose: Whose) -> None:
    said: Mapping[str, Any] = await request.json() if whose.startswith("body") else request.query
    if whose in ("body", "query"):
        user_of(said)
    else:
        user_named(said.get("user"))


def _no_chat(app: App) -> JikkoError:
    if app.mode == "workflow":
        return WrongAppMode(NOT_CHAT, code="not_chat_app")
    return WrongAppMode(_NO_CHAT, code="app_unavailable")
