"""Webhooks: from a parsed call to a durable run."""

import codecs
import hashlib
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Final, Literal

from msgspec import DecodeError, Struct
from msgspec.structs import replace

from jikko.apps.end_users import trigger_user
from jikko.apps.versions import Workflows
from jikko.concurrency.json_in_pieces import decode_strictly
from jikko.errors import BadRequest, NotFound, Unauthorized
from jikko.ids import new_id
from jikko.nodes.flow.trigger import JSON, MULTIPART, WebhookConfig, media_type
from jikko.nodes.flow.trigger import Trigger as TriggerNode
from jikko.ports.clock import Clock
from jikko.ports.files.file_store import FileStore
from jikko.ports.files.file_types import best_type, extension_for
from jikko.ports.stores.run_store import KeyClaim, StartOptions
from jikko.ports.stores.trigger_store import Delivery, Trigger
from jikko.repositories.app_store import App, AppStore
from jikko.repositories.delivery_store import DeliveryStore
from jikko.runs.runs import IdempotentStarts, StartOutcome
from jikko.triggers.triggers import Triggers, webhook_options_of
from jikko.triggers.verification import Verification, require_verified
from jikko.triggers.webhook_call import MAX_BODY, WebhookCall, body_of, checked, headers_of, query_of
from jikko.triggers.webhook_options import WebhookOptions
from jikko.values import Json

_MAX_ID: Final = 200
"""Maximum characters of a sender's id."""
_REFUSED_SECONDS: Final = 3_600.0
_DUPLICATE_SECONDS: Final = 86_400.0
"""Retention of duplicates."""
_MAX_KEPT: Final = 500
"""Maximum number of kept refused calls per webhook, and of duplicates."""
_MAX_REASON: Final = 500
_FIRST_POLL_SECONDS: Final = 1.0
"""Delay before a delivery's run is first checked for failure."""

_BEGINNINGS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_MARKUP: Final = ((b"<!doctype html", "text/html"), (b"<html", "text/html"), (b"<svg", "image/svg+xml"))
_XML: Final = b"<?xml"
_MAX_SCANNED: Final = 65_536
"""Bytes of a text that are examined."""


class Webhook(Struct, frozen=True):
    """Webhook of an address, in the app's current version."""

    trigger: Trigger
    app: App
    config: WebhookConfig


class Arrival(Struct, frozen=True, kw_only=True):
    """A call before parsing."""

    method: str
    size: int
    """Bytes of its body."""
    sender_id: str = ""
    """Deduplication id of the sender; empty if there is none."""
    remembered: float = 86_400.0
    """Seconds for which an id is remembered."""


def sender_id_of(given: str | None) -> str:
    """Return the id in a header, or the digest of a long one."""
    given = (given or "").strip()
    return given if len(given) <= _MAX_ID else hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()


def known_by(how: Verification | None, call_id: str | None, body: Mapping[str, object]) -> str:
    """Return the sender's id of a call: from its body if configured, otherwise ``call_id``."""
    known = body.get(how.id_field) if how is not None and how.id_field else None
    return sender_id_of(known if isinstance(known, str) and known else call_id)


class Webhooks(Struct, eq=False):
    triggers: Triggers
    by_trigger: Mapping[str, WebhookOptions]
    starts: IdempotentStarts
    deliveries: DeliveryStore
    apps: AppStore
    workflows: Workflows
    files: FileStore
    clock: Clock

    async def at(self, address: str) -> Webhook:
        """Return the webhook of an address. Raises ``NotFound``: there is none, it is disabled, or not in the app's
        current version."""
        trigger = await self.triggers.at(address)
        app = await self.apps.app(trigger.app_id) if trigger is not None and trigger.enabled else None
        if trigger is None or app is None:
            raise NotFound("No webhook at this address.")
        workflow = await self.workflows.get(app)
        node = workflow.graph.nodes.get(trigger.node_id)
        if node is None or not isinstance(node.node, TriggerNode) or node.node.webhook is None:
            raise NotFound("No webhook at this address.")
        return Webhook(trigger, app, node.node.webhook)

    def options(self, trigger: Trigger, app_name: str) -> WebhookOptions:
        return webhook_options_of(self.by_trigger, trigger, app_name)

    def verification(self, trigger: Trigger, app_name: str) -> Verification | None:
        """Return how callers of a webhook are verified; ``None``: by the address alone."""
        return self.options(trigger, app_name).verification

    async def file(self, webhook: Webhook, content: bytes, *, name: str = "", mime_type: str = "") -> Json:
        """Store a file of a call. Like Dify, without its name. [QUIRK] ``mime_type``: As sent; by default derived from
        the name or the content. Raises ``StoreUnavailable`` if it cannot be written."""
        mime_type = best_type(mime_type, name) if mime_type or name else detected_type(content)
        return await self.files.make(
            content,
            app_id=webhook.app.id,
            end_user_id=trigger_user(webhook.app.id, "webhook"),
            name=secrets.token_hex(16) + extension_for(mime_type, name),
            mime_type=mime_type,
        )

    async def start(self, webhook: Webhook, call: WebhookCall, arrival: Arrival, *, base_url: str = "") -> StartOutcome:
        """Start the run of a valid call, or find the run of an earlier call with the same sender's id.

        Delivery and first event of the run are written atomically. Raises ``NotFound``, ``StartRefused``,
        ``TooManyRequests``, ``ServerStopping``: see ``Triggers.start``.
        """
        delivery = self._delivery(webhook, arrival)
        if retries := self.options(webhook.trigger, webhook.app.name).retries:
            delivery = replace(delivery, retries=retries, look_at=delivery.received_at + _FIRST_POLL_SECONDS)
        options = StartOptions(claim=_claim(delivery, arrival), delivery=delivery)
        begin = partial(self.triggers.start, webhook.trigger, call.inputs, base_url=base_url, app=webhook.app)
        outcome = await self.starts.start(webhook.app, options, begin)
        if outcome.repeated:
            run_id = outcome.run.record.identity.run_id
            await self._note(replace(delivery, verdict="duplicate", run_id=run_id), _DUPLICATE_SECONDS)
        return outcome

    async def known(self, webhook: Webhook, arrival: Arrival) -> str:
        """Return the run of an earlier call with the sender's id; empty if there is none."""
        claim = _claim(self._delivery(webhook, arrival), arrival)
        return "" if claim is None else await self.starts.known(webhook.app, claim)

    async def refused(self, webhook: Webhook, arrival: Arrival, reason: str) -> None:
        """Record a refused call for an hour, up to a limit. Raises ``StoreUnavailable`` if it cannot be written."""
        delivery = self._delivery(webhook, arrival)
        await self._note(replace(delivery, verdict="refused", reason=reason[:_MAX_REASON]), _REFUSED_SECONDS)

    async def refused_lately(self, trigger: Trigger) -> int:
        """Return the number of recorded calls refused within the last hour."""
        return await self.deliveries.refused(trigger.id, since=self.clock() - _REFUSED_SECONDS)

    async def _note(self, delivery: Delivery, seconds: float) -> None:
        await self.deliveries.add(delivery, since=self.clock() - seconds, most=_MAX_KEPT)

    def _delivery(self, webhook: Webhook, arrival: Arrival) -> Delivery:
        return Delivery(
            id=new_id(),
            app_id=webhook.app.id,
            trigger_id=webhook.trigger.id,
            received_at=self.clock(),
            sender_id=arrival.sender_id,
            method=arrival.method,
            size=arrival.size,
        )


def _claim(delivery: Delivery, arrival: Arrival) -> KeyClaim | None:
    """Return the claim of the sender's id for this trigger. Its line break keeps headers from naming it."""
    if not arrival.sender_id:
        return None
    key = f"{delivery.trigger_id}\n{arrival.sender_id}"
    return KeyClaim(key=key, fingerprint=b"", at=delivery.received_at, lifetime=arrival.remembered)


def detected_type(content: bytes) -> str:
    """Detect the MIME type by the first bytes; ``application/octet-stream`` if unknown."""
    for beginning, mime_type in _BEGINNINGS:
        if content.startswith(beginning):
            return mime_type
    if content[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/x-wav"}.get(content[8:12], "application/octet-stream")
    if content[4:8] == b"ftyp":
        return "video/mp4"
    start = content[:_MAX_SCANNED]
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginning, mime_type in _MARKUP:
        if text[: len(beginning)].lower() == beginning:
            return mime_type
    if text.startswith(_XML):
        return "text/xml"
    return "text/plain" if _is_text(start) else "application/octet-stream"


def _is_text(start: bytes) -> bool:
    if b"\0" in start:
        return False
    try:
        # The last examined character may be cut off.
        codecs.getincrementaldecoder("utf-8")().decode(start, final=len(start) < _MAX_SCANNED)
    except UnicodeDecodeError:
        return False
    return True


class Foreseen(Struct, frozen=True, kw_only=True):
    """Predicted handling of a call."""

    verdict: Literal["accepted", "duplicate", "refused"]
    status: int
    """Status of the answer."""
    reason: str = ""
    run_id: str = ""
    """For a duplicate: the run of the earlier call."""
    inputs: Mapping[str, object] = {}
    """Inputs of the run; without the form of a multipart body, which is not parsed."""


async def foresee(
    webhooks: Webhooks, webhook: Webhook, headers: Mapping[str, str], query: str, body: bytes, clock: Clock
) -> Foreseen:
    """Predict the handling of a call with the node's method. ``headers``: By lower-case name."""
    options = webhooks.options(webhook.trigger, webhook.app.name)
    how = options.verification
    if len(body) > MAX_BODY:
        return Foreseen(verdict="refused", status=413, reason=f"The body has more than {MAX_BODY} bytes.")
    try:
        if how is None:
            call_id = headers.get("idempotency-key")
        else:
            call_id = require_verified(how, headers.get, body, clock(), by_body=options.by_body)
        call = _read(webhook, headers, query, body)
    except Unauthorized as error:
        return Foreseen(verdict="refused", status=401, reason=str(error))
    except BadRequest as error:
        return Foreseen(verdict="refused", status=400, reason=str(error))
    remembered = 0.0 if how is None else how.remembered
    arrival = Arrival(
        method=call.method, size=len(body), sender_id=known_by(how, call_id, call.body), remembered=remembered
    )
    run_id = await webhooks.known(webhook, arrival)
    verdict: Literal["accepted", "duplicate"] = "duplicate" if run_id else "accepted"
    return Foreseen(verdict=verdict, status=webhook.config.status, run_id=run_id, inputs=call.inputs["webhook_data"])


def _read(webhook: Webhook, headers: Mapping[str, str], query: str, body: bytes) -> WebhookCall:
    """Raises ``BadRequest``: the call cannot be parsed, or does not match."""
    kind = media_type(headers.get("content-type", ""))
    try:
        decoded = decode_strictly(body) if kind == JSON and body.strip() else None
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"Invalid JSON body: {error}") from None
    shown = headers_of((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())
    content = {} if kind == MULTIPART else body_of(kind, body, decoded)
    call = WebhookCall(method=webhook.config.method, headers=shown, query=query_of(query), body=content)
    return checked(webhook.config, call)
