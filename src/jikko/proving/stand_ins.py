"""Graphs for tests: nodes that a mock may stand for, or that reach the outside, ask the script of their case first."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from msgspec.structs import replace

from jikko.graph.compiled import CompiledGraph, CompiledNode, Subgraph
from jikko.nodes.contract import NodeFailure, Result, RunInfo
from jikko.nodes.substitutes import Mocked, MockedBranch
from jikko.proving.case_file import NodeMock
from jikko.proving.case_ports import CaseContext, case_ports
from jikko.proving.script import CaseScript


def with_stand_ins(
    graph: CompiledGraph, mocked: Collection[str], script_of: Callable[[RunInfo], CaseScript | None]
) -> CompiledGraph:
    """The graph for the cases of a test file. ``mocked``: ids and titles of all nodes that any case mocks.
    ``script_of``: the script of a run; ``None``: it is no case's."""

    def stand_in(node: CompiledNode) -> StandIn | None:
        is_mocked = node.id in mocked or node.title in mocked
        return StandIn(node, script_of) if is_mocked or waits(node) else None

    return substituted(graph, stand_in)


def waits(node: CompiledNode) -> bool:
    """Whether the node itself may wait, and so reach something: others never do."""
    return not (node.node.immediate or node.body)


def substituted(graph: CompiledGraph, stand_in: Callable[[CompiledNode], Any]) -> CompiledGraph:
    """The graph with other nodes in the place of some. ``stand_in``: what takes the place of a node; ``None``: it
    stays."""

    def changed(node: CompiledNode) -> CompiledNode:
        body = None if node.body is None else inside(node.body)
        made = stand_in(node)
        if made is None:
            return replace(node, body=body)
        return replace(node, node=made, body=body, has_icon=False, retry_wait=0.0)

    def inside(body: Subgraph) -> Subgraph:
        return replace(body, nodes=tuple(map(changed, body.nodes)))

    return replace(
        graph, body=inside(graph.body), nodes={node_id: changed(node) for node_id, node in graph.nodes.items()}
    )


class StandIn:
    """The node itself, unless the script of the run mocks it."""

    def __init__(self, node: CompiledNode, script_of: Callable[[RunInfo], CaseScript | None]) -> None:
        self.type = node.node.type
        self.branching = node.node.branching
        self.immediate = False
        self._node = node
        self._script_of = script_of

    async def run(self, ctx: Any) -> Result:
        script = self._script_of(ctx.run)
        if script is None:
            return await self._node.node.run(ctx)
        mock = script.mock(self._node)
        if mock is None:
            reached = (
                ctx if self._node.body is not None else CaseContext(ctx, case_ports(ctx.ports, script, self._node))
            )
            return await self._node.node.run(reached)
        await asyncio.sleep(mock.delay)
        return await self._mocked(mock, ctx)

    async def _mocked(self, mock: NodeMock, ctx: Any) -> Result:
        if mock.error:
            raise NodeFailure(mock.error, kind=mock.error_type, process_data={"mocked": True})
        if mock.branch:
            return Result(outputs=mock.outputs, process_data={"mocked": True}, handle=mock.branch)
        return await (MockedBranch if self.branching else Mocked)(mock.outputs).run(ctx)
