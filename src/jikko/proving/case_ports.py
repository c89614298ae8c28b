"""Mocked ports of test cases: rules answer first, then the script's policy; and graphs whose nodes consult their case's
script."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from decimal import Decimal
from typing import Any, Final, Generic, TypeAlias, TypeVar, get_args

from msgspec.structs import replace

from jikko.events import Usage
from jikko.graph.compiled import CompiledGraph, CompiledNode
from jikko.graph.mocks import substituted
from jikko.lang.tokens import estimated
from jikko.nodes.contract import NodeFailure, Result, RunInfo
from jikko.nodes.substitutes import ContextWithPorts, Mocked, MockedBranch
from jikko.nodes.tools.tool import ToolNode
from jikko.ports.http import HttpClient, HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.knowledge import Hit, KnowledgeSearch, SearchedDataset, SearchFailure, SearchRequest, SearchResult
from jikko.ports.models import (
    Abilities,
    Chunk,
    Completion,
    FailureKind,
    FunctionCall,
    ModelFailure,
    ModelRequest,
    Models,
    ModelUsage,
)
from jikko.ports.node_ports import NodePorts
from jikko.ports.tools import (
    Emit,
    JsonMessage,
    TextMessage,
    Tool,
    ToolCall,
    ToolFailure,
    ToolName,
    ToolNotFound,
    ToolParameter,
    Tools,
    VariableMessage,
)
from jikko.proving.case_file import ModelRule, NodeMock, is_given
from jikko.proving.script import CaseScript
from jikko.values import Json

P = TypeVar("P")
RunNode: TypeAlias = Callable[[CompiledNode, Any], Awaitable[Result]]
"""Runs a node in its context."""
_TOKEN: Final = re.compile(r"\S+\s*|\s+")
_NO_ANSWER: Final = "no mock of the case answers this call"


def case_ports(ports: NodePorts, script: CaseScript, node: CompiledNode) -> NodePorts:
    return replace(
        ports,
        models=CaseModels(ports.models, script, node),
        http=CaseHttp(ports.http, script, node),
        tools=CaseTools(ports.tools, script, node),
        knowledge=CaseKnowledge(ports.knowledge, script, node),
    )


class _CasePort(Generic[P]):
    """Port of a case's node. ``real``: The process's own."""

    def __init__(self, real: P, script: CaseScript, node: CompiledNode) -> None:
        self._real, self._script, self._node = real, script, node

    async def close(self) -> None:
        """Do nothing: the real port stays open."""


class CaseModels(_CasePort[Models]):
    def abilities(self, provider: str, model: str) -> Abilities:
        return self._real.abilities(provider, model)

    async def context_size(self, provider: str, model: str) -> int | None:
        return await self._real.context_size(provider, model)

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        rule = self._script.model(self._node, request)
        if rule is None:
            if self._script.outside == "refuse":
                raise ModelFailure(_NO_ANSWER, kind="ModelNotExistError")
            return await self._real.complete(request, emit)
        await asyncio.sleep(rule.delay)
        if rule.error:
            kinds = [kind for kind in get_args(FailureKind) if kind == rule.error]
            raise ModelFailure(rule.error, kind=kinds[0] if kinds else "InvokeServerUnavailableError")
        text = rule.answer if isinstance(rule.answer, str) else json.dumps(rule.answer, ensure_ascii=False)
        if emit is not None and request.stream:
            for piece in _TOKEN.findall(text):
                emit(Chunk(piece, ""))
        return _completion(rule, text, request)


def _completion(rule: ModelRule, text: str, request: ModelRequest) -> Completion:
    calls = tuple(
        FunctionCall(f"call-{number}", call.name, json.dumps(call.arguments, ensure_ascii=False))
        for number, call in enumerate(rule.tool_calls, start=1)
    )
    prompt = sum(estimated(message.text) for message in request.messages)
    completion = estimated(text) + sum(estimated(call.arguments) for call in calls)
    if rule.tokens is not None:
        prompt = min(prompt, rule.tokens)
        completion = rule.tokens - prompt
    return Completion(
        text=text,
        tool_calls=calls,
        finish_reason="tool_calls" if calls else "stop",
        is_fake=True,
        usage=ModelUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
            completion_price=Decimal(str(rule.price)),
        ),
    )


class CaseHttp(_CasePort[HttpClient]):
    async def send(self, request: OutgoingRequest) -> HttpResponse:
        rule = self._script.http(self._node, request)
        if rule is None:
            if self._script.outside != "live":
                raise HttpFailure(_NO_ANSWER, kind="connect")
            return await self._real.send(request)
        await asyncio.sleep(rule.delay)
        if rule.error:
            raise HttpFailure(rule.error, kind="timeout" if rule.error == "timeout" else "connect")
        has_json = is_given(rule.json_)
        kind = "application/json" if has_json else "text/plain; charset=utf-8"
        text = json.dumps(rule.json_, ensure_ascii=False) if has_json else rule.text
        return HttpResponse(rule.status, tuple({"Content-Type": kind, **rule.headers}.items()), text.encode())


class NoHttp:
    """``HttpClient`` that refuses everything, for requests of no node, such as for files of inputs and moderation."""

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        raise HttpFailure("A test reaches nothing outside but with `outside: live`.", kind="connect")

    async def close(self) -> None: ...


class CaseTools(_CasePort[Tools]):
    """``Tools`` with answers from a test file. A tool with a rule exists, whatever is installed."""

    def icon(self, name: ToolName) -> Json | None:
        return self._real.icon(name)

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        try:
            return self._real.known(name, app_id=app_id) or self._stand_in(name)
        except ToolNotFound:
            if found := self._stand_in(name):
                return found
            raise

    def _stand_in(self, name: ToolName) -> Tool | None:
        if self._script.outside == "live" and not self._script.knows_tool(name):
            return None
        return made_up_tool(self._node, name)

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        return self.known(name, app_id=app_id) or await self._real.find(name, app_id=app_id)

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        rule = self._script.tool(self._node, call)
        if rule is None:
            if self._script.outside != "live":
                raise ToolFailure(_NO_ANSWER)
            return await self._real.call(call, emit)
        await asyncio.sleep(rule.delay)
        if rule.error:
            raise ToolFailure(rule.error)
        if rule.text:
            emit(TextMessage(rule.text))
        if is_given(rule.json_):
            emit(JsonMessage(rule.json_))
        for name, value in rule.variables.items():
            emit(VariableMessage(name, value))
        return None


def made_up_tool(node: CompiledNode, name: ToolName) -> Tool:
    """Return a tool that accepts any parameters of the node."""
    if not isinstance(node.node, ToolNode):
        return Tool(name=name)
    given = node.node.given
    parameters = [ToolParameter(name=each.name, type="any") for each in given.parameters]
    settings = [ToolParameter(name=setting, type="any", form="form") for setting in given.settings]
    return Tool(name=name, parameters=(*parameters, *settings))


class CaseKnowledge(_CasePort[KnowledgeSearch]):
    """``KnowledgeSearch`` with results from a test file. Every dataset exists."""

    async def usable(self, ids: Sequence[str]) -> list[SearchedDataset]:
        if self._script.outside == "live":
            return await self._real.usable(ids)
        return [SearchedDataset(id_, id_, "", "high_quality") for id_ in ids]

    async def missing(self, ids: Collection[str]) -> list[str]:
        return await self._real.missing(ids) if self._script.outside == "live" else []

    async def field_names(self, dataset_ids: Sequence[str]) -> list[str]:
        return await self._real.field_names(dataset_ids) if self._script.outside == "live" else []

    async def search(self, request: SearchRequest) -> SearchResult:
        rule = self._script.search(self._node, request)
        if rule is None:
            if self._script.outside != "live":
                raise SearchFailure(_NO_ANSWER, kind="SearchFailure")
            return await self._real.search(request)
        await asyncio.sleep(rule.delay)
        if rule.error:
            raise SearchFailure(rule.error, kind="SearchFailure")
        first = request.dataset_ids[0] if request.dataset_ids else ""
        return SearchResult(
            [
                Hit(
                    dataset_id=first,
                    dataset_name=passage.dataset or first,
                    document_id=f"document-{position}",
                    document_name=passage.title,
                    segment_id=f"segment-{position}",
                    content=passage.content,
                    score=passage.score,
                    words=len(passage.content.split()),
                    position=position,
                    metadata=dict(passage.metadata),
                )
                for position, passage in enumerate(rule.passages, start=1)
            ]
        )

    def count_hits(self, hits: Sequence[Hit]) -> None:
        """Do nothing: hits of tests do not count."""


def case_graph(
    graph: CompiledGraph, mocked: Collection[str], script_of: Callable[[RunInfo], CaseScript | None]
) -> CompiledGraph:
    """Return the graph for the cases of a test file. ``mocked``: Ids and titles of all nodes that any case mocks.
    ``script_of``: Returns a run's script; ``None`` if it is not a case's."""

    async def run(node: CompiledNode, ctx: Any) -> Result:
        script = script_of(ctx.run)
        mock = None if script is None else script.mock(node)
        if mock is not None:
            await asyncio.sleep(mock.delay)
            return await _mocked(mock, node, ctx)
        if script is None or node.body is not None:
            return await node.node.run(ctx)
        return await node.node.run(ContextWithPorts(ctx, case_ports(ctx.ports, script, node)))

    return with_stand_ins(graph, run, mocked)


async def _mocked(mock: NodeMock, node: CompiledNode, ctx: Any) -> Result:
    if mock.error:
        raise NodeFailure(mock.error, kind=mock.error_type, process_data={"mocked": True})
    if mock.branch:
        return Result(outputs=mock.outputs, process_data={"mocked": True}, handle=mock.branch)
    return await (MockedBranch if node.node.branching else Mocked)(mock.outputs).run(ctx)


def with_stand_ins(graph: CompiledGraph, run: RunNode, mocked: Collection[str] = ()) -> CompiledGraph:
    """Replace each node that may reach the outside, and those in ``mocked`` (ids and titles), by a stand-in. ``run``:
    Runs a stand-in."""

    def changed(node: CompiledNode) -> CompiledNode:
        waits = not (node.node.immediate or node.body)
        if not waits and node.id not in mocked and node.title not in mocked:
            return node
        return replace(node, node=_StandIn(node, run), has_icon=False, retry_wait=0.0)

    return substituted(graph, changed)


class _StandIn:
    immediate = False

    def __init__(self, node: CompiledNode, run: RunNode) -> None:
        self.type, self.branching = node.node.type, node.node.branching
        self._node, self._run = node, run

    async def run(self, ctx: Any) -> Result:
        return await self._run(self._node, ctx)
