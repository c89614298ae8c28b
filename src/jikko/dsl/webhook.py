"""Declarations of a webhook trigger node about the calls that it takes. Source: docs/dify-behaviour.md, “Trigger
nodes”."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

from msgspec import Struct

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
TEXT: Final = "text/plain"
BYTES: Final = "application/octet-stream"


class DeclaredParameter(Struct, frozen=True):
    """A header, a parameter of the query or a field of the body."""

    name: str
    type: str = "string"
    required: bool = False


class WebhookConfig(Struct, frozen=True):
    """The configuration of a webhook trigger node. What is wrong in a file counts as not there."""

    method: str = "GET"
    """In upper case."""
    content_type: str = JSON
    """In lower case, without parameters."""
    headers: tuple[DeclaredParameter, ...] = ()
    params: tuple[DeclaredParameter, ...] = ()
    body: tuple[DeclaredParameter, ...] = ()
    status: int = 200
    """Of the answer."""
    response: str = ""
    """The text of the answer; empty: the usual one."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """That of a node with this ``data``."""
        status = data.get("status_code")
        known = isinstance(status, int) and not isinstance(status, bool) and 200 <= status <= 599
        return cls(
            method=_text(data, "method", "get").upper(),
            content_type=media_type(_text(data, "content_type", JSON)),
            headers=tuple(_declared(data.get("headers"))),
            params=tuple(_declared(data.get("params"))),
            body=tuple(_declared(data.get("body"))),
            status=int(status) if known and status is not None else 200,
            response=_text(data, "response_body", ""),
        )


def media_type(header: str) -> str:
    """The media type of a ``Content-Type``, in lower case; JSON if it is empty."""
    return header.partition(";")[0].strip().lower() or JSON


def _text(data: Mapping[str, Any], name: str, default: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) and value else default


def _declared(entries: Any) -> Iterator[DeclaredParameter]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping) and isinstance(name := entry.get("name"), str) and name:
            yield DeclaredParameter(name, _text(entry, "type", "string"), entry.get("required") is True)
