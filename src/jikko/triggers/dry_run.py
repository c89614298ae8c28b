"""The dry run of a call of a webhook: nothing is written, and nothing starts."""

from collections.abc import Mapping
from typing import Literal

from msgspec import DecodeError, Struct

from jikko.concurrency.json_in_pieces import decode_strictly
from jikko.dsl.webhook import JSON, MULTIPART, media_type
from jikko.errors import BadRequest, Unauthorized
from jikko.ports.clock import Clock
from jikko.triggers.receiving import Arrival, Webhook, Webhooks, known_by
from jikko.triggers.verification import require_verified
from jikko.triggers.webhook_call import MAX_BODY, WebhookCall, body_of, checked, headers_of, query_of


class Foreseen(Struct, frozen=True, kw_only=True):
    """What the server would do with a call."""

    verdict: Literal["accepted", "duplicate", "refused"]
    status: int
    """Of the answer."""
    reason: str = ""
    """Why it would be refused."""
    run_id: str = ""
    """Of a duplicate: the run that an earlier call started."""
    inputs: Mapping[str, object] = {}
    """What the run would be given; of a form with files without the form, which is not read."""


async def foresee(
    webhooks: Webhooks,
    webhook: Webhook,
    headers: Mapping[str, str],
    query: str,
    body: bytes,
    clock: Clock,
) -> Foreseen:
    """Return what the server would do with a call of the method that the node declares.
    ``headers``: by names in lower case."""
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
    """Raises ``BadRequest``: the call cannot be read, or does not fit."""
    kind = media_type(headers.get("content-type", ""))
    try:
        decoded = decode_strictly(body) if kind == JSON and body.strip() else None
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"Invalid JSON body: {error}") from None
    shown = headers_of((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())
    content = {} if kind == MULTIPART else body_of(kind, body, decoded)
    call = WebhookCall(method=webhook.config.method, headers=shown, query=query_of(query), body=content)
    return checked(webhook.config, call)
