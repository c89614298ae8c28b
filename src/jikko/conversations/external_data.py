"""External data tools: inputs from the operator's servers, for apps without a workflow. Source: docs/dify-behaviour.md,
“Apps without a workflow”."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jikko.conversations.extension_calls import ExtensionCalls
from jikko.conversations.hooks import UserQuery
from jikko.dsl.document import BASIC_MODES
from jikko.errors import InvalidParam


class _ToolAnswer(msgspec.Struct):
    result: str


_decode: Final = msgspec.json.Decoder(_ToolAnswer).decode


class ExternalData(Struct, eq=False):
    """``TurnPolicy`` that sets each variable to its server's answer for the question."""

    calls: ExtensionCalls

    async def consider(self, asked: UserQuery) -> UserQuery:
        """See ``TurnPolicy.consider``. Raises ``InvalidParam``: a server cannot be called, or its kind is unknown."""
        tools = asked.workflow.document.features.get("external_data_tools")
        if not tools or asked.app.mode not in BASIC_MODES:
            return asked
        names = {str(tool.get("variable")) for tool in tools}
        given = {name: value for name, value in asked.inputs.items() if name not in names}
        async with asyncio.TaskGroup() as group:
            answers = {
                str(tool["variable"]): group.create_task(_settled(self._value_of(asked, tool, given))) for tool in tools
            }
        told = {name: task.result() for name, task in answers.items()}
        for answer in told.values():
            if isinstance(answer, InvalidParam):
                raise answer
        return replace(asked, inputs={**asked.inputs, **told})

    async def _value_of(self, asked: UserQuery, tool: Mapping[str, Any], given: Mapping[str, Any]) -> str:
        variable, kind = str(tool["variable"]), str(tool.get("type") or "api")
        if kind != "api":
            raise InvalidParam(
                f"The variable {variable!r} gets its value from {kind!r}, which this version of Jikko cannot ask; it "
                "can ask servers of the type 'api'."
            )
        config = tool.get("config")
        id_ = str(config.get("api_based_extension_id") or "") if isinstance(config, Mapping) else ""
        params = {"app_id": asked.app.id, "tool_variable": variable, "inputs": dict(given), "query": asked.query}
        role = f"gives this app its variable {variable!r}"
        answer = await self.calls.ask(id_, asked.app.id, "app.external_data_tool.query", params, _decode, role=role)
        return answer.result


async def _settled(answer: Any) -> str | InvalidParam:
    """Return an answer or its error, so that the others are awaited and none is cancelled."""
    try:
        return str(await answer)
    except InvalidParam as failure:
        return failure
