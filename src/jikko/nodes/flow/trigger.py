"""Trigger nodes, at which a run begins: what came to them, or nothing if the API started the run."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Self

from jikko.dsl.webhook import BYTES, MULTIPART, TEXT, WebhookConfig
from jikko.nodes.contract import NodeConfig, Result
from jikko.nodes.node_context import Context
from jikko.values import UNSET, Json

_WEBHOOK: Final = "trigger-webhook"
_INPUTS: Final = ("webhook_data", "webhook_headers", "webhook_query_params", "webhook_body")
_SYSTEM: Final = ("files", "user_id", "app_id", "timestamp", "workflow_id", "workflow_run_id")


class Trigger(NodeConfig, frozen=True):
    """Hand on what came to the trigger. Source: docs/dify-behaviour.md, “Trigger nodes”."""

    type: ClassVar[str] = "trigger"
    immediate: ClassVar[bool] = True

    webhook: WebhookConfig | None = None

    @classmethod
    def of(cls, kind: str, data: Mapping[str, Any]) -> Self:
        """That of a node of the type ``kind`` with this configuration."""
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
            # Dify: all files, if the one that is meant was not sent. [QUIRK]
            yield field.name, files.get(field.name, files)
        else:
            yield field.name, body.get(field.name)


def _plain(name: str) -> str:
    """A name of a header as it is compared."""
    return name.lower().replace("-", "_")
