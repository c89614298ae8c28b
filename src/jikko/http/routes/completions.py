"""Completions: no app that is served has them.

Source: docs/dify-behaviour.md, “Conversations and messages”, “Users and errors”.
"""

from typing import Final

from jikko.errors import WrongAppMode
from jikko.http.auth import authenticated
from jikko.http.fields import user_of
from jikko.http.operation import Route
from jikko.http.requests import Request
from jikko.http.responses import Answer

UNAVAILABLE: Final = "App unavailable, please check your app configurations."


@Route("POST", "/v1/completion-messages", {}, (400, 413, 415), tag="Completion apps")
async def complete(request: Request) -> Answer:
    """Completion; refused with 400 ``app_unavailable``, whatever the app."""
    return await _refuse(request)


@Route("POST", "/v1/completion-messages/{task_id}/stop", {}, (400, 413, 415), tag="Completion apps")
async def stop_completion(request: Request) -> Answer:
    """Stop a completion; refused."""
    return await _refuse(request)


async def _refuse(request: Request) -> Answer:
    await authenticated(request)
    user_of(await request.json())
    raise WrongAppMode(UNAVAILABLE, code="app_unavailable")
