"""Verification of webhook callers: signatures over the raw bytes, bearer tokens, passwords, and challenges. No I/O."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from jikko.errors import Unauthorized
from jikko.values import json_value

Encoding: TypeAlias = Literal["hex", "base64"]
Scheme: TypeAlias = Literal["signature", "bearer", "basic"]

ALGORITHMS: Final = ("sha256", "sha1", "sha512")
ENCODINGS: Final = ("hex", "base64")
_WRONG: Final = "The signature of the call is missing or wrong."
_LATE: Final = "The timestamp of the call is missing, or too far from the time of this server."
_MAX_SIGNATURES: Final = 16
"""Maximum number of signatures checked per header."""


class Verification(Struct, frozen=True, kw_only=True):
    """Verification settings of a sender."""

    scheme: Scheme = "signature"
    secrets: tuple[str, ...] = ()
    """Accepted secrets: two during a rotation. For ``basic``, ``USER:PASSWORD``."""
    header: str = ""
    """Signature header, in lower case."""
    signed: str = "{body}"
    """Signed content: ``{body}`` stands for the raw bytes, ``{timestamp}`` and ``{id}`` for headers."""
    algorithm: str = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    """Prefix of a signature."""
    separator: str = ""
    """Separator of several signatures; empty: only one."""
    timestamp_header: str = ""
    timestamp_prefix: str = ""
    """Prefix of the timestamp, if it is among the signatures."""
    tolerance: float = 300.0
    """Allowed clock skew in seconds; ignored if no timestamp is signed."""
    id_header: str = ""
    """Header with the sender's id of the call, in lower case; empty: none."""
    id_field: str = ""
    """Field of a JSON body with that id; empty: none."""
    key_prefix: str = ""
    """Prefix of Base64 secrets."""
    challenge: Literal["", "slack", "meta"] = ""
    """Supported challenge protocol."""
    remembered: float = 86_400.0
    """Seconds for which an id is remembered."""


PRESETS: Final[Mapping[str, Verification]] = {
    "standard-webhooks": Verification(
        header="webhook-signature",
        signed="{id}.{timestamp}.{body}",
        encoding="base64",
        prefix="v1,",
        separator=" ",
        timestamp_header="webhook-timestamp",
        id_header="webhook-id",
        key_prefix="whsec_",
    ),
    "github": Verification(header="x-hub-signature-256", prefix="sha256=", id_header="x-github-delivery"),
    "stripe": Verification(
        header="stripe-signature",
        signed="{timestamp}.{body}",
        prefix="v1=",
        separator=",",
        timestamp_prefix="t=",
        id_field="id",
    ),
    "slack": Verification(
        header="x-slack-signature",
        signed="v0:{timestamp}:{body}",
        prefix="v0=",
        timestamp_header="x-slack-request-timestamp",
        id_field="event_id",
        challenge="slack",
    ),
    "shopify": Verification(header="x-shopify-hmac-sha256", encoding="base64", id_header="x-shopify-webhook-id"),
    "meta": Verification(header="x-hub-signature-256", prefix="sha256=", challenge="meta"),
    "bearer": Verification(scheme="bearer", header="authorization"),
    "basic": Verification(scheme="basic", header="authorization"),
}
"""By the names under which a triggers file asks for them."""

Header: TypeAlias = Callable[[str], str | None]
"""Reads a header by its name in lower case."""


def require_verified(
    how: Verification, header: Header, body: bytes | bytearray, now: float, *, by_body: bool = False
) -> str:
    """Check who sent a call, and return the sender's id of it; empty: there is none.

    Only what is signed tells two calls apart where a timestamp is signed: timestamp and body stand for an id that is
    not, so that a captured call does not run again with another one.
    ``by_body``: whether the digest of the body stands for an id of the sender that there is not. Raises
    ``Unauthorized``: the call is not of who has one of the secrets, or is too old."""
    given = header(how.header) or ""
    call_id = header(how.id_header) or "" if how.id_header else ""
    if how.scheme != "signature":
        if not _has_credential(how, given):
            raise Unauthorized("The credentials of the call are missing or wrong.")
        return call_id or (hashlib.sha256(body).hexdigest() if by_body else "")
    parts = given.split(how.separator)[:_MAX_SIGNATURES] if how.separator else [given]
    parts = [part.strip() for part in parts]
    timestamp = header(how.timestamp_header) or "" if how.timestamp_header else ""
    if how.timestamp_prefix:
        timestamp = next(
            (part[len(how.timestamp_prefix) :] for part in parts if part.startswith(how.timestamp_prefix)), ""
        )
    found = [part[len(how.prefix) :] for part in parts if part.startswith(how.prefix) and part != how.prefix]
    # Before a digest of a large body is computed.
    if not found or not how.secrets:
        raise Unauthorized(_WRONG)
    if "{timestamp}" in how.signed and not _is_near(timestamp, now, how.tolerance):
        raise Unauthorized(_LATE)
    expected = [_signature(how, secret, body, timestamp, header) for secret in how.secrets]
    # Every pair is compared, however early one fits: the time says nothing of where it did.
    wanted = [_encoded(how, digest).encode() for digest in expected]
    matches = [
        hmac.compare_digest(each, signature.encode("utf-8", "replace")) for signature in found for each in wanted
    ]
    if not any(matches):
        raise Unauthorized(_WRONG)
    if call_id and ("{id}" in how.signed or "{timestamp}" not in how.signed):
        return call_id
    if by_body:
        return hashlib.sha256(body).hexdigest()
    if "{timestamp}" not in how.signed:
        return ""
    # That of the first secret, whichever fits: a sender may sign with two, and either can be left out.
    return f"{timestamp}.{hashlib.sha256(expected[0]).hexdigest()}"


def signed_headers(how: Verification, body: bytes, *, call_id: str, now: float) -> dict[str, str]:
    """The headers by which a sender that has the first secret proves who it is."""
    secret = how.secrets[0] if how.secrets else ""
    if how.scheme == "bearer":
        return {"Authorization": f"Bearer {secret}"}
    if how.scheme == "basic":
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    timestamp = str(int(now))
    made = {how.id_header: call_id} if how.id_header else {}
    if how.timestamp_header:
        made[how.timestamp_header] = timestamp
    value = how.prefix + _encoded(how, _signature(how, secret, body, timestamp, made.get))
    if how.timestamp_prefix:
        value = f"{how.timestamp_prefix}{timestamp}{how.separator}{value}"
    return {**made, how.header: value}


def challenge_of(how: Verification, query: Mapping[str, str], body: bytes | bytearray) -> str | None:
    """What the question of a sender for a proof of the address is answered with; ``None``: the call asks none.

    Slack's is signed as all its calls are; Meta's has one of the secrets.
    Raises ``Unauthorized``: it is Meta's, with another secret."""
    if how.challenge == "meta" and query.get("hub.mode") == "subscribe":
        token = query.get("hub.verify_token", "").encode("utf-8", "replace")
        matches = [hmac.compare_digest(secret.encode(), token) for secret in how.secrets]
        if not any(matches):
            raise Unauthorized("The verify token is wrong.")
        return query.get("hub.challenge", "")
    if how.challenge == "slack" and b"url_verification" in body:
        asked = json_value(body)
        if isinstance(asked, dict) and asked.get("type") == "url_verification":
            return str(asked.get("challenge", ""))
    return None


def with_secrets(how: Verification, secrets: Sequence[str]) -> Verification:
    return replace(how, secrets=tuple(secrets))


def _has_credential(how: Verification, given: str) -> bool:
    kind, _, token = given.partition(" ")
    if kind.lower() != how.scheme:
        return False
    wanted = [secret.encode() for secret in how.secrets]
    if how.scheme == "basic":
        wanted = [base64.b64encode(secret) for secret in wanted]
    matches = [hmac.compare_digest(secret, token.strip().encode("utf-8", "replace")) for secret in wanted]
    return any(matches)


def _signature(how: Verification, secret: str, body: bytes | bytearray, timestamp: str, header: Header) -> bytes:
    before, _, after = how.signed.partition("{body}")
    call_id = header(how.id_header) or "" if "{id}" in how.signed else ""
    first, last = (
        text.replace("{timestamp}", timestamp).replace("{id}", call_id).encode("utf-8", "replace")
        for text in (before, after)
    )
    key = secret.encode()
    if how.key_prefix:
        with suppress(ValueError):  # no Base64: the text itself
            key = base64.b64decode(secret.removeprefix(how.key_prefix), validate=True)
    made = hmac.new(key, first, getattr(hashlib, how.algorithm))
    made.update(body)
    made.update(last)
    return made.digest()


def _encoded(how: Verification, digest: bytes) -> str:
    return digest.hex() if how.encoding == "hex" else base64.b64encode(digest).decode()


def _is_near(timestamp: str, now: float, tolerance: float) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    return abs(int(timestamp) - now) <= tolerance
