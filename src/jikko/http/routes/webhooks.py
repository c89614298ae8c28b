"""Webhooks: calls that start runs. Source: docs/dify-behaviour.md, “Trigger nodes”."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace
from starlette.types import Message

from jikko.concurrency.json_in_pieces import LARGE_BYTES, decode_strictly
from jikko.dify import bodies
from jikko.errors import BadRequest, NotFound, PayloadTooLarge, RunLeft, Unauthorized
from jikko.events import RunFinished
from jikko.http.bodies.multipart_forms import files_of, parsed_form
from jikko.http.bodies.reading import read_body
from jikko.http.http_errors import no_page, too_large_page
from jikko.http.operation import Operation, Route
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, json_response
from jikko.http.starts import REPEATED, answer, promised
from jikko.nodes.flow.trigger import BYTES, JSON, MULTIPART, media_type
from jikko.runs.runs import StartOutcome
from jikko.triggers.receiving import Arrival, Webhook, known_by, sender_id_of
from jikko.triggers.verification import Verification, challenge_of, require_verified
from jikko.triggers.webhook_call import (
    MAX_BODY,
    Unconvertible,
    WebhookCall,
    answer_of,
    body_of,
    checked,
    headers_of,
    query_of,
    without_secrets,
)
from jikko.values import MAX_DEPTH, Json, is_too_deep

_NOT_LISTENING: Final = (
    "The webhook debug URL only works while the Variable Inspector is listening. Use the published webhook URL to "
    "execute the workflow in Celery."
)

_SENDER_ID: Final = (
    (
        "Idempotency-Key",
        {"type": "string"},
        "The sender's ID of the call. Within 24 hours, calls with the same ID start one run, whatever "
        "their contents; an answer about a run started by an earlier call has the header "
        "Idempotency-Replayed. Ignored for authenticated webhooks, whose signature has its own ID.",
    ),
)


class WebhookAnswer(Struct):
    """Default answer; nodes may define their own."""

    status: str
    message: str


class WebhookRefusal(Struct):
    """Refusal of a call."""

    error: Annotated[str, Meta(description="Bad Request")]
    message: str
    execution_url: str | msgspec.UnsetType = msgspec.UNSET


@Route(
    "POST",
    "/triggers/webhook/{address}",
    {
        200: WebhookAnswer,
        202: bodies.RunAnswer,
        400: WebhookRefusal,
        401: WebhookRefusal,
        404: "text/html",
        413: "text/html",
    },
    (429, 503),
    tag="Triggers",
    headers=_SENDER_ID,
    open=True,
    starts=True,
    hot=True,
)
async def call_webhook(request: Request) -> SendableResponse:
    """Call a webhook, which starts a run.

    With the method, headers, parameters and body that its node declares. The answer is immediate, with the status of
    the node. `jikko apps import` prints the address. If the operator has set `wait: result`, the answer is that of a
    blocking run, or 202 like an asynchronous one if the run takes longer. `Prefer: respond-async` requests the default
    answer.
    """
    api = request.api
    try:
        webhook = await api.webhooks.at(request.path_params["address"])
    except NotFound:
        return no_page()
    try:
        body = await read_body(request, MAX_BODY)
    except PayloadTooLarge as error:
        return too_large_page(error)
    options = api.webhooks.options(webhook.trigger, webhook.app.name)
    how = options.verification
    arrival = Arrival(method=request.scope["method"], size=len(body))
    if how is None:
        arrival = replace(arrival, sender_id=sender_id_of(request.header(b"idempotency-key")))
    else:
        try:
            challenge, call_id = _verified(request, how, body, options.by_body)
        except (Unauthorized, BadRequest) as error:
            return await _refused(request, webhook, arrival, error)
        if challenge is not None:
            return challenge
        arrival = replace(arrival, sender_id=sender_id_of(call_id), remembered=how.remembered)
    try:
        call = await _read(request, webhook, body)
    except BadRequest as error:
        return await _refused(request, webhook, arrival, error)
    except PayloadTooLarge as error:
        return too_large_page(error)
    arrival = replace(arrival, sender_id=known_by(how, arrival.sender_id, call.body))
    call = replace(call, headers=without_secrets(webhook.config, call.headers, "" if how is None else how.header))
    outcome = await api.webhooks.start(webhook, call, arrival, base_url=request.base_url)
    await promised(request, outcome.run)
    if options.wait_within and not _hurries(request):
        return await _result(request, outcome, options.wait_within)
    response = _answer(request, webhook)
    if outcome.repeated:
        response.headers.append((REPEATED.lower().encode(), b"true"))
    return response


async def _refused(
    request: Request, webhook: Webhook, arrival: Arrival, error: Unauthorized | BadRequest
) -> SendableResponse:
    """Answer and record a refused call."""
    reason = error.reason if isinstance(error, Unconvertible) else str(error)
    await request.api.webhooks.refused(webhook, arrival, reason)
    what = "Unauthorized" if isinstance(error, Unauthorized) else "Bad Request"
    return json_response(WebhookRefusal(what, str(error)), error.status)


def _verified(
    request: Request, how: Verification, body: bytes | bytearray, by_body: bool
) -> tuple[SendableResponse | None, str]:
    """Verify the sender. Returns the answer to an address challenge, and the sender's ID of the call.

    ``None``: not a challenge, and authenticated.
    Raises ``Unauthorized``; ``BadRequest``: too many query parameters.
    """
    query = query_of(str(request.scope["query_string"], "latin-1"))
    answer, call_id = challenge_of(how, query, b"") if how.challenge == "meta" else None, ""
    if answer is None:
        call_id = require_verified(how, partial(_header, request), body, request.api.clock(), by_body=by_body)
        answer = challenge_of(how, {}, body)
    if answer is None:
        return None, call_id
    return Response(answer.encode("utf-8", "replace"), media_type=b"text/plain"), call_id


def _header(request: Request, name: str) -> str | None:
    return request.header(name.encode("latin-1", "replace"))


def _of(operation: Operation, method: str) -> Operation:
    return replace(operation, method=method, described=False)


# One per method, since a node may declare any.
_get, _put, _patch, _delete, _head, _options = (
    _of(call_webhook, method) for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
)


@Route("POST", "/triggers/webhook-debug/{address}", {409: WebhookRefusal}, tag="Triggers", open=True)
async def call_debugged_webhook(request: Request) -> SendableResponse:
    """Call a webhook being edited.

    There is no editor, so there is never a listener.
    """
    url = f"{request.base_url}/triggers/webhook/{request.path_params['address']}"
    return json_response(WebhookRefusal("No active debug listener", _NOT_LISTENING, url), 409)


_debug_get, _debug_put, _debug_patch, _debug_delete = (
    _of(call_debugged_webhook, method) for method in ("GET", "PUT", "PATCH", "DELETE")
)


async def _read(request: Request, webhook: Webhook, raw: bytes | bytearray) -> WebhookCall:
    """Check the call, and store its files. Raises ``BadRequest``: malformed or not matching;
    ``PayloadTooLarge``, ``StoreUnavailable``: see ``Request.json`` and ``FileStore.save``."""
    method, headers = request.scope["method"], headers_of(request.scope["headers"])
    kind = media_type(headers.get("Content-Type", ""))
    query = query_of(str(request.scope["query_string"], "latin-1"))
    call = WebhookCall(method=method, headers=headers, query=query, body={})
    if kind == MULTIPART and raw:
        return await _read_form(request, webhook, call, raw)
    if kind == BYTES:
        call = checked(webhook.config, replace(call, body={"raw": bytes(raw) or None}))
        return replace(call, body={"raw": await request.api.webhooks.file(webhook, bytes(raw)) if raw else None})
    decoded = await _decoded(request, raw) if kind == JSON and raw.strip() else None
    return checked(webhook.config, replace(call, body={} if kind == MULTIPART else body_of(kind, raw, decoded)))


async def _decoded(request: Request, raw: bytes | bytearray) -> Json:
    try:
        value = decode_strictly(raw) if len(raw) <= LARGE_BYTES else await request.decoded(raw)
        if is_too_deep(value):
            raise BadRequest(f"Invalid JSON body: nested deeper than {MAX_DEPTH} levels")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"Invalid JSON body: {error}") from None
    except RecursionError:
        raise BadRequest(f"Invalid JSON body: nested deeper than {MAX_DEPTH} levels") from None
    return value


async def _read_form(request: Request, webhook: Webhook, call: WebhookCall, raw: bytes | bytearray) -> WebhookCall:
    async def received() -> Message:
        return {"type": "http.request", "body": bytes(raw), "more_body": False}

    async with parsed_form(request, received, MAX_BODY) as form:
        fields: dict[str, Json] = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields.setdefault(name, value.encode("utf-8", "replace").decode())
        call = checked(webhook.config, replace(call, body=fields))
        files: dict[str, Json] = {}
        for name, part in files_of(form):
            if name not in files:
                given: dict[str, Any] = {"name": part.filename or "", "mime_type": part.content_type or ""}
                files[name] = await request.api.webhooks.file(webhook, await part.read(), **given)
        return replace(call, files=files)


def _hurries(request: Request) -> bool:
    """Return whether the caller prefers an immediate answer (RFC 7240)."""
    wishes = (request.header(b"prefer") or "").split(",")
    return any(wish.strip().lower() == "respond-async" for wish in wishes)


async def _result(request: Request, outcome: StartOutcome, seconds: float) -> SendableResponse:
    """Answer with the run's outcome if it ends in time, else that it has started: callers cannot fill in forms."""
    end = None
    with suppress(TimeoutError, RunLeft):
        async with asyncio.timeout(seconds):
            end = await outcome.run.ended()
    return await answer(request, outcome, "blocking" if isinstance(end, RunFinished) else "async")


def _answer(request: Request, webhook: Webhook) -> SendableResponse:
    status = webhook.config.status
    if request.scope["method"] == "HEAD" or status in (204, 304):
        response = Response(b"", status)
        response.headers = [(b"content-type", b"application/json")]
        return response
    return Response(answer_of(webhook.config), status)
