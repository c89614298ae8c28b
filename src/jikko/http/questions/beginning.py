"""Start of a run for a request by another protocol: its user, its app, and its question."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.datastructures import Headers, UploadFile

from jikko.apps.end_users import end_user
from jikko.conversations.turns import TurnRequest
from jikko.errors import Conflict, InvalidParam, NotFound
from jikko.http.questions.question import FilePart, Question, inputs_of, model_id
from jikko.http.requests import MAX_LISTED_APPS, Request, api_key, chosen
from jikko.http.starts import start_options_of
from jikko.inputs.file_inputs import upload_settings
from jikko.ports.stores.messages import Message
from jikko.ports.stores.run_store import StartOptions
from jikko.repositories.app_store import App
from jikko.runs.run_log import RunLog
from jikko.runs.runs import StartOutcome, StartRequest
from jikko.values import Json

WITH_FORMS: Final = ("workflow", "completion")
"""Modes of apps whose inputs are the question."""


class Asker(Struct, frozen=True):
    """User and app of a request."""

    app: App
    user: str
    conversation_id: str = ""
    new_id: str = ""
    """ID for a new conversation; default: a random one."""
    inputs: Mapping[str, Json] | None = None


def anyone(request: Request, protocol: str) -> str:
    """Return the default end user: one for each key and protocol."""
    return f"{protocol}-{api_key(request).hex()[:16]}"


def chosen_app(request: Request, apps: Sequence[App], name: str, what: str, code: str = "not_found") -> App:
    """Return the app of the key that a request names, by ID, name or model name.

    Raises:
        NotFound: The key does not open an app of that name.
        InvalidParam: It opens several.
    """
    found = [app for app in apps if name in (app.id, app.name)] or [app for app in apps if model_id(app) == name]
    if not found:
        known = ", ".join(repr(model_id(app)) for app in apps[:MAX_LISTED_APPS])
        raise NotFound(f"The API key does not open {what} {name[:200]!r}; it opens {known}.", code=code)
    if len(found) > 1:
        ids = ", ".join(app.id for app in found[:MAX_LISTED_APPS])
        raise InvalidParam(f"{what}: {len(found)} apps are named {name[:200]!r}; name one by its id: {ids}")
    return chosen(request, found[0])


def given_inputs(given: Any) -> Mapping[str, Json] | None:
    """Return inputs given as an object or as JSON text, the only form in OpenAI's ``metadata``."""
    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except msgspec.DecodeError:
            given = ()
    if given is not None and not isinstance(given, dict):
        raise InvalidParam("inputs: must be an object")
    return given


async def begin(
    request: Request, asked: Asker, question: Question, body: dict[str, Any], *, streamed: bool, operation: str
) -> StartOutcome | Message:
    """Have the app answer a question. ``operation``: See ``start_options_of``.

    Raises:
        InvalidParam: Invalid question, inputs or files.
        NotFound: The end user has no such conversation.
        Conflict: The conversation waits for a form; or see ``IdempotentStarts.start``.
        JikkoError: See ``Turns.begin`` and ``Runs.start``.
    """
    api, app = request.api, asked.app
    options = start_options_of(request, operation, body)
    inputs: Mapping[str, Json] = asked.inputs or {}
    if not question.query and app.mode not in WITH_FORMS:
        raise InvalidParam(f"{question.field}: the last one is empty")
    if app.mode in WITH_FORMS or question.files:
        workflow = await api.workflows.get(app)
        if app.mode in WITH_FORMS:
            inputs = inputs_of(workflow.inputs, asked.inputs, question.query)
        if question.files and upload_settings(workflow.document.features) is None:
            raise InvalidParam(f"{question.field}: the app takes no files")

    async def files() -> list[Json] | None:
        return [await _file(request, asked, part) for part in question.files] or None

    async def start(options: StartOptions | None) -> RunLog:
        asks = StartRequest(inputs=dict(inputs), user=asked.user, files=await files(), base_url=request.base_url)
        return await api.runs.start(app, asks, options)

    async def turn() -> TurnRequest:
        if asked.conversation_id:
            await _require_free(request, asked)
        return TurnRequest(
            query=question.query,
            inputs=inputs,
            user=asked.user,
            conversation_id=asked.conversation_id,
            new_id=asked.new_id,
            files=await files(),
            streamed=streamed or app.mode == "agent-chat",
            base_url=request.base_url,
            earlier=question.earlier,
            name_wanted=False,  # for clients that keep no IDs, naming would cost a model call per question
        )

    if app.mode == "workflow":
        return await api.runs.starts.start(app, options, start)
    return await api.chat.turns.begin_made(app, turn, options)


async def _require_free(request: Request, asked: Asker) -> None:
    latest = await request.api.conversations.messages(asked.conversation_id, limit=1)
    owner = end_user(asked.app.id, asked.user)
    if not latest or latest[0].app_id != asked.app.id or latest[0].end_user_id != owner:
        raise NotFound("The user has no such conversation.", code="conversation_not_found")
    if any(form.closed is None for form in latest[0].answer.forms):
        raise Conflict(f"The conversation waits for a form (run {latest[0].run_id}). Answer it, then ask again.")


async def _file(request: Request, asked: Asker, part: FilePart) -> dict[str, Json]:
    """Convert a file to the format of requests, uploading inline bytes."""
    api = request.api
    if part.url:
        return {"type": part.kind or "document", "transfer_method": "remote_url", "url": part.url}
    upload_id, kind = part.upload_id, part.kind
    if not upload_id:
        owner = await api.end_users.known(asked.app.id, asked.user)
        upload = UploadFile(
            io.BytesIO(part.data), filename=part.name, headers=Headers({"content-type": part.media_type})
        )
        stored = await api.files.upload([("file", upload)], app_id=asked.app.id, end_user_id=owner)
        upload_id = stored.id
        family = part.media_type.partition("/")[0]
        kind = kind or (family if family in ("image", "audio", "video") else "document")
    return {"type": kind or "document", "transfer_method": "local_file", "upload_file_id": upload_id}
