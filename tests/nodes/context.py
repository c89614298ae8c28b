"""Context of nodes without an engine, and stand-ins for the outside world."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dsl.fields import Fields
from jikko.engine.masked import MaskedVariables
from jikko.engine.state import AgentTotals
from jikko.events import FormClosed, StepRecorded, Turn, Usage
from jikko.lang.variables import TextBudget, follow
from jikko.nodes.contract import RunInfo, Variables
from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.node_ports import NodePorts, ValueLimits
from jikko.ports.stores.blob_store import FileMissing
from jikko.ports.tools import LogMessage
from jikko.values import FILE_IDENTITY, UNSET, Json, Selector, Unset


def fields(data: Mapping[str, Json]) -> Fields:
    """Return a node's ``data``; its problems are in ``fields(...).problems``."""
    problems: list[Diagnostic] = []
    return Fields("data", data, problems)


def file(name: str, **attributes: Json) -> dict[str, Json]:
    """Return a file mapping as of an upload, with the name as its id."""
    extension = f".{name.rpartition('.')[2]}"
    mapping = {
        "dify_model_identity": FILE_IDENTITY,
        "id": None,
        "type": "document",
        "transfer_method": "local_file",
        "remote_url": "",
        "reference": f"reference:{name}",
        "filename": name,
        "extension": extension,
        "mime_type": "text/plain",
        "size": 1,
        "related_id": name,
        "url": f"http://jikko.test/files/{name}",
    }
    return mapping | attributes


@dataclass
class ScriptedHttp:
    """``HttpClient`` that records requests and returns scripted answers."""

    answer: HttpResponse | HttpFailure = field(default_factory=lambda: HttpResponse(200, (), b""))
    requests: list[OutgoingRequest] = field(default_factory=list)

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        self.requests.append(request)
        if isinstance(self.answer, HttpFailure):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        """Nothing to close."""


@dataclass
class FilesOfOneUser:
    """Part of a ``FileStore`` used by nodes."""

    contents: dict[str, bytes] = field(default_factory=dict)
    made: list[dict[str, Any]] = field(default_factory=list)

    async def read(self, file_id: str, *, app_id: str, end_user_id: str) -> bytes:
        try:
            return self.contents[file_id]
        except KeyError:
            raise FileMissing(f"No file {file_id}.") from None

    async def make(self, content: bytes, *, name: str, mime_type: str, **about: Any) -> dict[str, Json]:
        self.made.append({"content": content, "name": name, "mime_type": mime_type, **about})
        return file(name, mime_type=mime_type, size=len(content), transfer_method="tool_file")


class _Absent:
    """Service that the tested node does not use."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the node asked for {name} of a service that this test does not have")


class NoDatasets:
    """``KnowledgeSearch`` of an installation without datasets."""

    async def usable(self, ids: Sequence[str]) -> list[Any]:
        return []

    def count_hits(self, hits: Sequence[Any]) -> None:
        assert not hits


def ports_of(**given: Any) -> NodePorts:
    """Return ports of which only the given ones may be used."""
    build: Callable[..., NodePorts] = NodePorts
    return build(**{entry.name: _Absent() for entry in msgspec.structs.fields(NodePorts)} | given)


@dataclass(frozen=True)
class Run:
    """Run of the node."""

    run_id: str = "run"
    app_id: str = "app"
    workflow_id: str = "workflow"
    end_user_id: str = "end-user"
    user: str = "user"


class FakeContext:
    """``Context``: ``FakeContext({"start": {"name": "Ada"}})``. It is its own ``Variables``."""

    node_id: str = "node"
    execution_id: str = "execution"
    idempotency_key: str = "run/node"
    depth: int = 0

    def __init__(
        self,
        values: Mapping[str, Mapping[str, Json]] | None = None,
        *,
        declared: Mapping[Selector, str] | None = None,
        http: ScriptedHttp | None = None,
        files: FilesOfOneUser | None = None,
        limits: ValueLimits | None = None,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        """Args:
        secrets: Names of secret environment variables, among the values of ``env``."""
        self._secrets = secrets
        self._values = values or {}
        self._declared = declared or {}
        self._budget = TextBudget((limits or ValueLimits()).max_expanded)
        self.run: RunInfo = Run()
        self.form: FormClosed | None = None
        self.turn: Turn | None = None
        self.at: float = 0.0
        self.text_chunks: list[tuple[str, str]] = []
        self.logged: list[LogMessage] = []
        given = {"http": http, "files": files, "limits": limits or ValueLimits()}
        self.ports = ports_of(**{name: it for name, it in given.items() if it is not None})

    @property
    def variables(self) -> Variables:
        return self

    @property
    def recorded(self) -> Variables:
        return MaskedVariables(self, self._secrets, TextBudget(1_000_000)) if self._secrets else self

    @property
    def secrets(self) -> list[str]:
        values = (self.get(("env", name)) for name in self._secrets)
        return [value for value in values if isinstance(value, str) and value]

    def get(self, selector: Selector) -> Json | Unset:
        if len(selector) < 2:
            return UNSET
        value = self._values.get(selector[0], {}).get(selector[1], UNSET)
        return value if value is UNSET else follow(value, selector[2:])

    def spend(self, characters: int) -> None:
        self._budget.spend(characters)

    def declared_type(self, selector: Selector) -> str | None:
        return self._declared.get(selector)

    def now(self) -> float:
        return self.at

    def say(self, name: str, text: str, *, soon: bool = False, by_model: bool = False) -> None:
        self.text_chunks.append((name, text))

    def think(self, text: str, *, final: bool = False) -> None:
        """Discard reasoning."""

    # Further methods for agents.

    steps: Sequence[StepRecorded] = ()
    agents: AgentTotals = AgentTotals()

    def log(self, entry: LogMessage) -> None:
        self.logged.append(entry)

    def record_step(
        self, kind: Literal["model", "tool"], request: str, answer: Json, *, usage: Usage | None = None
    ) -> None:
        """Discard the step."""

    async def durability_barrier(self) -> None:
        """Return at once: nothing waits to be written."""
