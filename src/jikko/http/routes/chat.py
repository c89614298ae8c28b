"""What only apps of another mode can do: chats, completions, and what belongs to them.

A request is refused in Dify's order: an id in the address that is none, the key, the user, and then the mode of the
app; what else the body holds is not looked at. Source: Dify 1.15, spec/chatflow.md §6, spec/service-api.md §3.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from jikko.errors import InvalidParam, JikkoError, NotFound, WrongAppMode
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

Whose = Literal["body", "body, optional", "query", "query, optional"]
"""Where a request says whose it is, and whether it must."""


class AnnotationRequest(Struct):
    """A question, and the answer that is to be given to it."""

    question: Annotated[str, Meta(extra=must("must be a string"))]
    answer: Annotated[str, Meta(extra=must("must be a string"))]


class Annotations(Struct):
    """A page of the annotations: there are none."""

    page: int
    limit: int
    total: int = 0
    has_more: bool = False
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


async def list_annotations(request: Request) -> Answer:
    """``GET /v1/apps/annotations``: of apps of every mode."""
    await authenticated(request)
    numbers = whole_numbers(request.query, {"page": (1, 1, None), "limit": (20, 1, None)})
    return json_response(Annotations(numbers["page"], numbers["limit"]))


async def create_annotation(request: Request) -> Answer:
    """``POST /v1/apps/annotations``: only chats have answers to annotate, so nothing is kept."""
    await authenticated(request)
    checked(await request.json(), AnnotationRequest)
    raise _no_annotations()


async def change_annotation(request: Request) -> Answer:
    """``PUT /v1/apps/annotations/{annotation_id}``: there are none."""
    await authenticated(request)
    checked(await request.json(), AnnotationRequest)
    raise NotFound("Annotation not found")


async def delete_annotation(request: Request) -> Answer:
    """``DELETE /v1/apps/annotations/{annotation_id}``: there are none."""
    await authenticated(request)
    raise NotFound("Annotation not found")


async def annotation_reply(request: Request) -> Answer:
    """``POST /v1/apps/annotation-reply/{action}``: only chats have answers to annotate."""
    await authenticated(request)
    raise _no_annotations()


async def annotation_reply_status(request: Request) -> Answer:
    """``GET /v1/apps/annotation-reply/{action}/status/{job_id}``: there are no such jobs."""
    await authenticated(request)
    raise InvalidParam("The job does not exist.")


async def _check_user(request: Request, whose: Whose) -> None:
    fields: Mapping[str, Any] = await request.json() if whose.startswith("body") else request.query
    if whose in ("body", "query"):
        user_of(fields)
    else:
        user_named(fields.get("user"))


def _no_chat(app: App) -> JikkoError:
    if app.mode == "workflow":
        return WrongAppMode(NOT_CHAT, code="not_chat_app")
    return WrongAppMode(_NO_CHAT, code="app_unavailable")


def _no_annotations() -> JikkoError:
    message = "Annotations belong to chats, which this version of Jikko does not serve."
    return WrongAppMode(message, code="app_unavailable")
