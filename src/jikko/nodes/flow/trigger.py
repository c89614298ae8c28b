"""Trigger nodes: the data of their call, or nothing if the API started the run; and the declarations of webhooks.
Source: docs/dify-behaviour.md, “Trigger nodes”."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Self

from msgspec import Struct

from jikko.nodes.contract import Context, NodeConfig, Result
from jikko.values import UNSET, Json

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
TEXT: Final = "text/plain"
BYTES: Final = "application/octet-stream"


class DeclaredParameter(Struct, frozen=True):
    """Header, query parameter or body field."""

    name: str
    type: str = "string"
    required: bool = False


class WebhookConfig(Struct, frozen=True):
    """Configuration of a webhook trigger. Invalid parts of a file count as missing."""

    method: str = "GET"
    """In upper case."""
    content_type: str = JSON
    """In lower case, without parameters."""
    headers: tuple[DeclaredParameter, ...] = ()
    params: tuple[DeclaredParameter, ...] = ()
    body: tuple[DeclaredParameter, ...] = ()
    status: int = 200
    """Status of the answer."""
    response: str = ""
    """Text of the answer; empty: the default one."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
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
    """Return the media type of a ``Content-Type``, in lower case; JSON if empty."""
    return header.partition(";")[0].strip().lower() or JSON


def _text(data: Mapping[str, Any], name: str, default: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) and value else default


def _declared(entries: Any) -> Iterator[DeclaredParameter]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping) and isinstance(name := entry.get("name"), str) and name:
            yield DeclaredParameter(name, _text(entry, "type", "string"), entry.get("required") is True)


_WEBHOOK: Final = "trigger-webhook"
_INPUTS: Final = ("webhook_data", "webhook_headers", "webhook_query_params", "webhook_body")
_SYSTEM: Final = ("files", "user_id", "app_id", "timestamp", "workflow_id", "workflow_run_id")


class Trigger(NodeConfig, frozen=True):
    """Return the data of the trigger's call. Source: docs/dify-behaviour.md, “Trigger nodes”."""

    type: ClassVar[str] = "trigger"
    immediate: ClassVar[bool] = True

    webhook: WebhookConfig | None = None

    @classmethod
    def of(cls, kind: str, data: Mapping[str, Any]) -> Self:
        return cls(WebhookConfig.of(data) if kind == _WEBHOOK else None)

    async def run(self, ctx: Context) -> Result:
        given = {name: ctx.variables.get((ctx.node_id, name)) for name in _INPUTS if self.webhook is not None}
        inputs = {name: value for name, value in given.items() if value is not UNSET}
        outputs: dict[str, Json] = {}
        if self.webhook is not None:
            data = inputs.get("webhook_data")
            outputs = dict(_outputs(self.webhook, data if isinstance(data, dict) else {}))
            outputs["_webhook_raw"] = data if isinstance(data, dict) else {}
        system = {}
        for name in _SYSTEM:
            value = ctx.variables.get(("sys", name))
            if value is not UNSET:
                system[f"sys.{name}"] = value
        return Result(outputs=outputs | system, inputs=inputs)


def _outputs(config: WebhookConfig, data: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    headers = {_plain(name): value for name, value in data.get("headers", {}).items()}
    for header in config.headers:
        yield header.name.replace("-", "_"), headers.get(_plain(header.name))
    query, body, files = (data.get(name) or {} for name in ("query_params", "body", "files"))
    for parameter in config.params:
        yield parameter.name, query.get(parameter.name)
    for field in config.body:
        if config.content_type in (TEXT, BYTES):
            yield field.name, body.get("raw")
        elif field.type == "file" and config.content_type == MULTIPART and data:
            # Dify: all files, if the declared one was not sent. [QUIRK]
            yield field.name, files.get(field.name, files)
        else:
            yield field.name, body.get(field.name)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
