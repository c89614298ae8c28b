"""Webhook calls: matching against the node's declaration, and inputs of the run. No I/O. Source:
docs/dify-behaviour.md, “Trigger nodes”. The error texts are Dify's."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from jikko.errors import BadRequest
from jikko.masking import MASK
from jikko.nodes.flow.trigger import BYTES, FORM, JSON, MULTIPART, TEXT, DeclaredParameter, WebhookConfig, media_type
from jikko.values import Json

MAX_BODY: Final = 10_485_760
"""Maximum size of a call's body."""
_MAX_PARAMETERS: Final = 1000
"""Maximum number of parameters of a query or a form."""
_TRUE: Final = frozenset({"true", "1", "yes"})
_FALSE: Final = frozenset({"false", "0", "no"})
_KINDS: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = {
    "string": ("string", (str,)),
    "number": ("number", (int, float)),
    "boolean": ("boolean", (bool,)),
    "object": ("object", (dict,)),
}
"""Names of declared types in errors, and their classes in JSON."""


_SECRET: Final = frozenset({"authorization", "proxy-authorization", "cookie"})


class Unconvertible(BadRequest):
    """A text does not fit the declared type."""

    def __init__(self, parameter: DeclaredParameter, value: str) -> None:
        before = f"Parameter '{parameter.name}' validation failed: Cannot convert"
        super().__init__(f"{before} '{value:.60}' to {parameter.type}")
        self.reason = f"{before} the value to {parameter.type}"
        """The message without the text, which may be a token."""


class WebhookCall(Struct, frozen=True, kw_only=True):
    method: str
    """In upper case."""
    headers: Mapping[str, str]
    """By names like ``Content-Type``; repeated headers are joined by commas."""
    query: Mapping[str, str]
    """The first of repeated parameters."""
    body: Mapping[str, Json]
    files: Mapping[str, Json] = {}
    """File mappings of a form, by field."""

    @property
    def content_type(self) -> str:
        """Media type of the body, by default JSON."""
        return media_type(self.headers.get("Content-Type", ""))

    @property
    def inputs(self) -> dict[str, Json]:
        data: dict[str, Any] = {
            "method": self.method,
            "headers": dict(self.headers),
            "query_params": dict(self.query),
            "body": dict(self.body),
            "files": dict(self.files),
        }
        return {
            "webhook_data": data,
            "webhook_headers": data["headers"],
            "webhook_query_params": data["query_params"],
            "webhook_body": data["body"],
        }


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Convert raw headers to the form of ``WebhookCall.headers``."""
    found: dict[str, str] = {}
    for name, value in raw:
        shown = "-".join(part.capitalize() for part in str(name, "latin-1").split("-"))
        text = str(value, "latin-1")
        found[shown] = f"{found[shown]},{text}" if shown in found else text
    return found


def without_secrets(config: WebhookConfig, headers: Mapping[str, str], credential: str = "") -> dict[str, str]:
    """Remove authentication headers, unless the node declares them. ``credential``: The verified header, in
    lower case."""
    declared = {header.name.lower().replace("_", "-") for header in config.headers}
    hidden = (_SECRET | {credential}) - declared
    return {name: MASK if name.lower() in hidden else value for name, value in headers.items()}


def query_of(raw: str) -> dict[str, str]:
    """Parse a query or a form; of repeated fields the first. Raises ``BadRequest`` if there are too many."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="replace", max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise BadRequest(f"More than {_MAX_PARAMETERS} parameters") from None
    return dict(reversed(pairs))


def body_of(content_type: str, raw: bytes | bytearray, decoded: Json = None) -> dict[str, Json]:
    """Parse a body other than multipart or binary. ``decoded``: Value of a JSON body. Raises ``BadRequest`` if it is
    invalid."""
    match content_type:
        case _ if content_type == JSON and not raw.strip():
            return {}
        case _ if content_type == JSON:
            if not isinstance(decoded, dict):
                raise BadRequest("Invalid JSON body: must be an object")
            return decoded
        case _ if content_type == FORM:
            return dict(query_of(raw.decode("utf-8", "replace")))
        case _:
            return {"raw": raw.decode("utf-8", "replace")}


def require_kind(config: WebhookConfig, method: str, content_type: str) -> None:
    """Raises ``BadRequest`` if method or content type differ from the webhook's."""
    if method != config.method:
        raise BadRequest(f"HTTP method mismatch. Expected {config.method}, got {method}")
    if content_type != config.content_type:
        raise BadRequest(f"Content-type mismatch. Expected {config.content_type}, got {content_type:.60}")


def checked(config: WebhookConfig, call: WebhookCall) -> WebhookCall:
    """Return the call with values converted as declared. Raises ``BadRequest`` if it does not match."""
    require_kind(config, call.method, call.content_type)
    sent = {name.lower().replace("_", "-") for name in call.headers}
    for header in config.headers:
        if header.required and header.name.lower().replace("_", "-") not in sent:
            raise BadRequest(f"Required header missing: {header.name}")
    query = dict(call.query)
    for parameter in config.params:
        if parameter.name in query:
            query[parameter.name] = _from_text(parameter, query[parameter.name])
        elif parameter.required:
            raise BadRequest(f"Required parameter missing: {parameter.name}")
    return msgspec.structs.replace(call, query=query, body=_checked_body(config, call))


def _checked_body(config: WebhookConfig, call: WebhookCall) -> Mapping[str, Json]:
    body = dict(call.body)
    if config.content_type in (TEXT, BYTES):
        if not body.get("raw") and any(field.required for field in config.body):
            raise BadRequest(f"Required body content missing for {config.content_type} request")
        return body
    for field in config.body:
        if field.type == "file" and config.content_type == MULTIPART:
            continue
        if field.name in body:
            convert = _from_json if config.content_type == JSON else _from_text
            body[field.name] = convert(field, body[field.name])
        elif field.required:
            raise BadRequest(f"Required body parameter missing: {field.name}")
    return body


def _from_text(parameter: DeclaredParameter, value: Any) -> Any:
    match parameter.type:
        case "string":
            return value
        case "number":
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if not math.isfinite(number):
                raise Unconvertible(parameter, value)
            return int(number) if number.is_integer() else number
        case "boolean":
            if value.lower() not in _TRUE | _FALSE:
                raise Unconvertible(parameter, value)
            return value.lower() in _TRUE
    name = parameter.name
    raise _wrong(parameter, f"Unsupported type '{parameter.type}' for form data parameter '{name}'")


def _from_json(field: DeclaredParameter, value: Json) -> Json:
    element = field.type.removeprefix("array[").removesuffix("]")
    called, classes = _KINDS.get(element, ("", ()))
    if not classes:
        return value
    if element != field.type:
        if not isinstance(value, list) or not all(isinstance(each, classes) for each in value):
            raise _wrong(field, f"Expected array of {called}s, got {type(value).__name__}")
    elif not isinstance(value, classes):
        raise _wrong(field, f"Expected {called}, got {type(value).__name__}")
    return value


def _wrong(parameter: DeclaredParameter, why: str) -> BadRequest:
    return BadRequest(f"Parameter '{parameter.name}' validation failed: {why}")


def answer_of(config: WebhookConfig) -> bytes:
    """Return the body of the answer to an accepted call."""
    text = config.response
    if not text:
        return b'{"status":"success","message":"Webhook processed successfully"}'
    if text.lstrip()[:1] in ("{", "["):
        try:
            msgspec.json.decode(text.encode("utf-8", "replace"))
        except msgspec.DecodeError:
            pass
        else:
            return text.strip().encode("utf-8", "replace")
    return msgspec.json.encode({"message": text.encode("utf-8", "replace").decode()})
