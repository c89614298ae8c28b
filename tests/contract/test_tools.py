"""Contract of ``Tools``: each kind separately, and their combination."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from jikko.ports.app_calls import InnerApp, InnerCall, InnerInput, InnerOutcome
from jikko.ports.tools import TextMessage, Tool, ToolCall, ToolMessage, ToolName, ToolNotFound, Tools
from jikko.tools.directory import ToolsDirectory
from jikko.tools.workflow_tools import WorkflowTools
from tests.effort import PATIENCE
from tests.outbound.server import answer, serving
from tests.tools.scene import api, scene
from tests.tools.test_mcp_tools import SAY, mcp, text

pytestmark = pytest.mark.anyio


@dataclass
class Kind:
    """One implementation, and a tool of it."""

    tools: Tools
    name: ToolName
    values: dict[str, Any]
    says: str


class Apps:
    """``InnerWorkflows`` with one app, which says what it is given."""

    async def find(self, name: str) -> InnerApp | None:
        return InnerApp("id", name, (InnerInput("q", "paragraph", False),), False) if name == "Inner" else None

    async def run(self, call: InnerCall) -> InnerOutcome:
        return InnerOutcome({"a": call.inputs["q"]}, None, 0)


def _name(kind: str, provider: str, tool: str) -> ToolName:
    return ToolName(provider_type=kind, provider=provider, tool=tool)


@pytest.fixture(params=["builtin", "api", "mcp", "workflow"])
async def kind(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kind]:
    async with AsyncExitStack() as stack:
        hello = answer(b"hello", Content_Type="text/plain")
        server = await stack.enter_async_context(serving({"/x": hello, "/mcp": mcp({"tools/call": text("hello")})}))
        entries = {
            "a": api(server.url(""), "x"),
            "m": {"type": "mcp", "url": server.url("/mcp"), "known_tools": [SAY]},
            "w": {"type": "workflow", "name": "inner", "app": "Inner"},
        }
        all_of_them = await stack.enter_async_context(scene(tmp_path, entries))
        nothing: Any = None
        match request.param:
            case "builtin":
                date = {"year": 2024, "month": 2, "day": 29}
                name = _name("builtin", "time", "weekday")
                yield Kind(all_of_them.tools, name, date, "February 29, 2024 is Thursday.")
            case "api":
                yield Kind(all_of_them.tools, _name("api", "a", "x"), {"q": "1"}, "hello")
            case "mcp":
                yield Kind(all_of_them.tools, _name("mcp", "m", "say"), {"text": "1"}, "hello")
            case _:
                directory = ToolsDirectory(all_of_them.file, {}, nothing)
                tools = WorkflowTools(directory, Apps())
                yield Kind(tools, _name("workflow", "w", "inner"), {"q": "hello"}, '{"a": "hello"}')


async def found(kind: Kind) -> Tool:
    return kind.tools.known(kind.name) or await kind.tools.find(kind.name)


async def test_a_tool_that_is_known_is_the_one_that_is_found(kind: Kind) -> None:
    known = kind.tools.known(kind.name)
    asked = await kind.tools.find(kind.name)

    assert known is None or known == asked
    assert asked.name == kind.name
    assert set(kind.values) <= {parameter.name for parameter in asked.parameters}


async def test_a_call_tells_what_the_tool_says(kind: Kind) -> None:
    messages: list[ToolMessage] = []
    await kind.tools.call(ToolCall(tool=await found(kind), parameters=kind.values), messages.append)

    assert "".join(one.text for one in messages if isinstance(one, TextMessage)) == kind.says


async def test_what_takes_the_messages_can_end_the_call(kind: Kind) -> None:
    class Enough(Exception):
        """Nothing more is wanted."""

    def emit(message: ToolMessage) -> None:
        raise Enough

    tool = await found(kind)
    with pytest.raises(Enough):
        await kind.tools.call(ToolCall(tool=tool, parameters=kind.values), emit)


async def test_calls_overlap(kind: Kind) -> None:
    tool = await found(kind)
    messages: list[ToolMessage] = []
    async with asyncio.timeout(PATIENCE):
        calls = (kind.tools.call(ToolCall(tool=tool, parameters=kind.values), messages.append) for _ in range(5))
        await asyncio.gather(*calls)

    assert sum(isinstance(one, TextMessage) for one in messages) == 5


async def test_what_is_not_there_is_not_found_and_has_no_icon(kind: Kind) -> None:
    nobody = replace(kind.name, provider="nobody")

    assert kind.tools.icon(kind.name) is not None
    assert kind.tools.icon(nobody) is None
    with pytest.raises(ToolNotFound) as missing:
        await kind.tools.find(nobody)
    assert missing.value.what
