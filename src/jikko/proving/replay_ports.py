"""Recording ports of a replayed node: nothing is reached, but requests are noted.

The node runs once to make its request, which is compared with the recorded one. What it makes of the placeholder
answers is discarded.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar, get_args

from msgspec import Struct
from msgspec.structs import replace

from jikko.errors import JikkoError
from jikko.events import Usage
from jikko.graph.compiled import CompiledNode
from jikko.nodes.contract import NodeFailure
from jikko.nodes.substitutes import ContextWithPorts
from jikko.nodes.tools.tool import ToolNode
from jikko.ports.agents import AgentHost, Strategies, Strategy, StrategyCall, StrategyName
from jikko.ports.http import HttpClient, HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.knowledge import Hit, KnowledgeSearch, SearchedDataset, SearchFailure, SearchRequest, SearchResult
from jikko.ports.models import Abilities, Chunk, Completion, FailureKind, ModelFailure, ModelRequest, Models, ModelUsage
from jikko.ports.node_ports import NodePorts
from jikko.ports.sandbox import Sandbox, SandboxFailure, SendForProgram
from jikko.ports.stores.blob_store import FileMissing
from jikko.ports.tools import Emit, Tool, ToolCall, ToolFailure, ToolMessage, ToolName, ToolNotFound, Tools
from jikko.proving.case_ports import made_up_tool
from jikko.proving.recording import Try
from jikko.values import Json

P = TypeVar("P")
_NOT_AVAILABLE: Final = "a replay asks nothing"


class Asking(Struct):
    """Requests of a node while it runs."""

    node: CompiledNode
    recorded: Try | None
    """Result in the recorded run."""
    asked: bool = False
    """Whether the outside was called."""

    @property
    def failed_early(self) -> bool:
        """Whether the recorded node failed before it could call anything."""
        return self.recorded is not None and self.recorded.error is not None and not self.recorded.inputs


class AskingContext(ContextWithPorts):
    """Context of a node that only makes its request: nothing is shown."""

    steps: Sequence[Any] = ()

    def say(self, name: str, text: str, *, soon: bool = False, by_model: bool = False) -> None: ...

    def think(self, text: str, *, final: bool = False) -> None: ...

    def log(self, entry: Any) -> None: ...

    def record_step(self, kind: str, request: str, answer: Json, *, usage: Usage | None = None) -> None: ...


def asking_ports(ports: NodePorts, asking: Asking) -> NodePorts:
    """Return the ports of a node that only makes its request."""
    return replace(
        ports,
        models=_Models(ports.models, asking),
        http=_Http(ports.http, asking),
        tools=_Tools(ports.tools, asking),
        knowledge=_Knowledge(ports.knowledge, asking),
        strategies=_Strategies(ports.strategies, asking),
        sandbox=_Sandbox(ports.sandbox, asking),
        files=_Files(ports.files, asking),
    )


class _Port(Generic[P]):
    def __init__(self, real: P, asking: Asking) -> None:
        self._real, self._asking = real, asking

    async def close(self) -> None: ...


class _Models(_Port[Models]):
    def abilities(self, provider: str, model: str) -> Abilities:
        try:
            return self._real.abilities(provider, model)
        except ModelFailure:  # provider not configured here
            return Abilities(media=frozenset({"image", "document", "audio", "video"}))

    async def context_size(self, provider: str, model: str) -> int | None:
        try:
            return await self._real.context_size(provider, model)
        except ModelFailure:  # provider not configured here
            return None

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        self._asking.asked = True
        recorded = self._asking.recorded
        if recorded is None or recorded.error is not None:
            kind = recorded.error_type if recorded is not None else ""
            kinds = [each for each in get_args(FailureKind) if each == kind]
            raise ModelFailure(_NOT_AVAILABLE, kind=kinds[0] if kinds else "InvokeServerUnavailableError")
        return Completion(text=_answer(recorded.outputs), usage=ModelUsage())


def _answer(outputs: Mapping[str, Json]) -> str:
    """Return a text from which the node makes a result, so that it records its whole request."""
    if "class_id" in outputs:
        return json.dumps({"category_id": outputs["class_id"], "category_name": outputs.get("class_name")})
    structured = outputs.get("structured_output")
    return str(outputs.get("text") or "") if structured is None else json.dumps(structured)


class _Http(_Port[HttpClient]):
    async def send(self, request: OutgoingRequest) -> HttpResponse:
        self._asking.asked = True
        raise HttpFailure(_NOT_AVAILABLE, kind="connect")


class _Tools(_Port[Tools]):
    def icon(self, name: ToolName) -> Json | None:
        return self._real.icon(name)

    def known(self, name: ToolName, *, app_id: str = "") -> Tool:
        try:
            known = self._real.known(name, app_id=app_id)
        except ToolNotFound:
            if self._asking.failed_early:
                raise  # missing in the recorded run, too
            known = None
        return known or self._recorded_tool(name)

    def _recorded_tool(self, name: ToolName) -> Tool:
        """Return a tool with the recorded parameters: a text recorded as null was for a missing parameter."""
        node, recorded = self._asking.node, self._asking.recorded
        tool = made_up_tool(node, name)
        if recorded is None or not isinstance(node.node, ToolNode):
            return tool
        texts = {given.name for given in node.node.given.parameters if given.selector is None}
        null = {each for each, value in recorded.inputs.items() if value is None}
        return replace(tool, parameters=tuple(each for each in tool.parameters if each.name not in texts & null))

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        return self.known(name, app_id=app_id)

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        self._asking.asked = True
        raise ToolFailure(_NOT_AVAILABLE)


class _Knowledge(_Port[KnowledgeSearch]):
    async def usable(self, ids: Sequence[str]) -> list[SearchedDataset]:
        self._asking.asked = True
        return [SearchedDataset(id_, id_, "", "high_quality") for id_ in ids]

    async def missing(self, ids: Collection[str]) -> list[str]:
        return []

    async def field_names(self, dataset_ids: Sequence[str]) -> list[str]:
        return []

    async def search(self, request: SearchRequest) -> SearchResult:
        raise SearchFailure(_NOT_AVAILABLE, kind="SearchFailure")

    def count_hits(self, hits: Sequence[Hit]) -> None: ...


class _Strategies(_Port[Strategies]):
    def find(self, name: StrategyName) -> Strategy:
        try:
            return self._real.find(name)
        except ToolNotFound:
            if self._asking.failed_early:
                raise  # missing in the recorded run, too
            return Strategy(name=name)

    async def invoke(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        self._asking.asked = True
        raise ToolFailure(_NOT_AVAILABLE)


class _Sandbox(_Port[Sandbox]):
    """Runs programs, except those that may make requests, which are unpredictable."""

    async def run_code(
        self,
        language: str,
        code: str,
        arguments: Mapping[str, Json],
        *,
        app_id: str = "",
        send: SendForProgram | None = None,
        files: Collection[str] = (),
    ) -> dict[str, Json]:
        if send is not None or files:
            self._asking.asked = True
            raise SandboxFailure(_NOT_AVAILABLE)
        return await self._real.run_code(language, code, arguments, app_id=app_id)

    async def render(self, template: str, variables: Mapping[str, Json], *, app_id: str = "") -> str:
        return await self._real.render(template, variables, app_id=app_id)


class _Files(_Port[Any]):
    """Reads files that still exist, and creates none."""

    async def read(self, file_id: str, *, app_id: str, end_user_id: str) -> bytes:
        try:
            content: bytes = await self._real.read(file_id, app_id=app_id, end_user_id=end_user_id)
        except (FileMissing, JikkoError):
            self._asking.asked = True
            raise NodeFailure(_NOT_AVAILABLE) from None
        return content

    async def make(self, content: bytes, **about: Any) -> dict[str, Json]:
        self._asking.asked = True
        raise NodeFailure(_NOT_AVAILABLE)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
