"""Completions: no app that is served has them. Source: Dify 1.15, spec/chatflow.md §6, spec/service-api.md §3."""

from typing import Final

from jikko.errors import WrongAppMode
from jikko.http.auth import authenticated
from jikko.http.fields import user_of
from jikko.http.requests import Request
from jikko.http.responses import Answer

UNAVAILABLE: Final = "App unavailable, please check your app configurations."


async def complete(request: Request) -> Answer:
    """``POST /v1/completion-messages``: 400 ``app_unavailable``, whatever the app."""
    return await _refuse(request)


async def stop_completion(request: Request) -> Answer:
    """``POST /v1/completion-messages/{task_id}/stop``: likewise."""
    return await _refuse(request)


async def _refuse(request: Request) -> Answer:
    await authenticated(request)
    user_of(await request.json())
    raise WrongAppMode(UNAVAILABLE, code="app_unavailable")
