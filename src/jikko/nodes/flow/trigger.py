"""Trigger nodes as entries of a run that was started over the API: nothing came to them."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Self

from msgspec import Struct

from jikko.nodes.context import Context
from jikko.nodes.contract import Result
from jikko.values import UNSET, Json

_WEBHOOK: Final = "trigger-webhook"
_SYSTEM: Final = ("files", "user_id", "app_id", "timestamp", "workflow_id", "workflow_run_id")


class Trigger(Struct, frozen=True):
    """Hand on that nothing came: the run was started over the API, and goes on behind the node.

    Outputs:
        What a webhook declares (headers, with ``_`` for ``-``, parameters of the query, fields of the body), each null,
        and ``_webhook_raw``, which is empty. Of every trigger the system variables, as ``sys.user_id``.

    Source: docs/dify-behaviour.md, “Trigger nodes” (a run that the service API starts), §2.4.
    """

    type: ClassVar[str] = "trigger"
    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = False

    absent: tuple[tuple[str, Json], ...] = ()
    """What the node would have had of a call, by name."""

    @classmethod
    def of(cls, kind: str, data: Mapping[str, Any]) -> Self:
        """That of a node of the type ``kind`` with this configuration; entries that are none are passed over."""
        if kind != _WEBHOOK:
            return cls()
        headers = (name.replace("-", "_") for name in _names(data.get("headers")))
        declared = dict.fromkeys([*headers, *_names(data.get("params")), *_names(data.get("body"))])
        return cls(absent=(*declared.items(), ("_webhook_raw", {})))

    async def run(self, ctx: Context) -> Result:
        outputs = dict(self.absent)
        for name in _SYSTEM:
            value = ctx.variables.get(("sys", name))
            if value is not UNSET:
                outputs[f"sys.{name}"] = value
        return Result(outputs=outputs)


def _names(entries: Any) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping) and isinstance(name := entry.get("name"), str) and name:
            yield name
