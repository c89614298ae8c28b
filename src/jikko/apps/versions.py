"""Compiled workflows: DSL files parsed, checked and compiled once per version."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.apps.environment import EnvLayer, with_values
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dsl.document import DslDocument
from jikko.dsl.load import load
from jikko.dsl.start_variables import StartVariable
from jikko.dsl.text.positions import Position, Positions
from jikko.errors import InvalidDocument, NotFound
from jikko.graph.compile import compile_graph, environment_of
from jikko.graph.compiled import CompiledGraph
from jikko.graph.mocks import with_mocks
from jikko.ids import new_id
from jikko.nodes.contract import Node
from jikko.nodes.flow.start import Start
from jikko.record import RunIdentity
from jikko.repositories.app_store import App, AppStore, WorkflowVersion
from jikko.values import Json

_SMALL: Final = 65_536
"""Size in bytes of a file that is parsed in some 20 milliseconds."""


def published_at(at: float) -> str:
    """Format the time of publication (seconds since the Unix epoch) as versions have it: texts that sort by time."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


class Workflow(Struct, frozen=True):
    """One compiled version."""

    id: str
    version: str
    document: DslDocument
    graph: CompiledGraph
    inputs: tuple[StartVariable, ...]

    def new_run(self, app_id: str, end_user_id: str, user: str, *, retry_of: str | None = None) -> RunIdentity:
        return RunIdentity(
            run_id=new_id(),
            task_id=new_id(),
            app_id=app_id,
            workflow_id=self.id,
            version=self.version,
            end_user_id=end_user_id,
            user=user,
            retry_of=retry_of,
        )


class CheckedFile(Struct, frozen=True):
    """Static analysis of a DSL file."""

    source: str
    document: DslDocument | None
    graph: CompiledGraph | None
    """``None`` if the file has fatal problems."""
    problems: tuple[Diagnostic, ...]
    nodes: Mapping[str, Node] = field(default_factory=dict)
    """Nodes by id, even if the file has fatal problems: those without problems of their own. Not to be run."""
    places: Mapping[str, Position] = field(default_factory=dict)
    """Positions in the text of the paths of fatal problems."""

    def require(self) -> tuple[DslDocument, CompiledGraph]:
        """Return the workflow. Raises ``InvalidDocument``, with the fatal problems, if the file cannot be imported."""
        if self.document is None or self.graph is None:
            fatal = [problem for problem in self.problems if not problem.ok]
            raise InvalidDocument(self.source, fatal, self.places)
        return self.document, self.graph


def check(text: bytes, *, source: str, node_classes: Mapping[str, Any]) -> CheckedFile:
    """Parse and compile a DSL file, collecting every problem."""
    loaded = load(text, source=source, runnable=frozenset(node_classes))
    problems = list(loaded.problems)
    if loaded.document is None:
        return CheckedFile(source, None, None, tuple(problems))
    # Compiled even if it cannot run, so that the problems of its nodes are reported, too.
    graph = compile_graph(loaded.document, node_classes, problems) if loaded.document.nodes else None
    unique = tuple({(problem.where, problem.severity, problem.sentence()): problem for problem in problems}.values())
    wrong = tuple(problem.where for problem in unique if not problem.ok)
    nodes = {} if graph is None else {node.id: node.node for node in graph.nodes.values()}
    for entry in loaded.document.nodes if wrong else ():
        if any(where == entry.where or where.startswith(f"{entry.where}.") for where in wrong):
            nodes.pop(entry.id, None)
    places = _places(wrong, text) if wrong else {}
    return CheckedFile(source, loaded.document, None if wrong else graph, unique, nodes, places)


def _places(wrong: Sequence[str], text: bytes) -> dict[str, Position]:
    positions = Positions(text)
    return {where: place for where in wrong if (place := positions.at(where)) is not None}


async def check_aside(text: bytes, *, source: str, node_classes: Mapping[str, Any]) -> CheckedFile:
    """As ``check``, off the event loop unless the file is small: the largest takes seconds."""
    read = partial(check, source=source, node_classes=node_classes)
    return read(text) if len(text) <= _SMALL else await run_in_thread(read, text, queue="records")


def require_trigger(workflow: Workflow, node_id: str) -> None:
    """Raises ``NotFound`` if the version has no trigger node of that id at its top level."""
    if node_id not in workflow.graph.top or not workflow.graph.nodes[node_id].type.startswith("trigger-"):
        raise NotFound(f"The current version of the app has no trigger node {node_id!r}; publish one that has it.")


_Wanted: TypeAlias = tuple[str, str, str]
"""Ids of app and version, and the values set for the app's environment variables."""


StandIns: TypeAlias = Callable[[App, CompiledGraph], CompiledGraph]


def inputs_of(graph: CompiledGraph) -> tuple[StartVariable, ...]:
    start = graph.nodes[graph.root_id].node
    return start.variables if isinstance(start, Start) else ()


class Workflows(Struct, eq=False):
    """Cache of compiled versions, least recently used evicted first."""

    apps: AppStore
    node_classes: Mapping[str, Any]
    environment: Sequence[EnvLayer] = ()
    """Values for environment variables of all apps, in order of precedence."""
    mocks: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """Outputs by node, see ``graph.mocks``, for all workflows that have such nodes."""
    stand_ins: StandIns | None = None
    """Changes the graphs of apps: for tests."""
    keep: int = 256
    """Maximum number of compiled versions."""
    prepare: Callable[[bytes], Awaitable[None]] | None = None
    """Imports what a DSL file needs, as far as the event loop would have to wait for it."""
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)
    _compiled: OrderedDict[_Wanted, Workflow] = field(default_factory=OrderedDict)
    __repr__ = object.__repr__  # its environment holds secrets

    async def get(self, app: App, workflow_id: str | None = None) -> Workflow:
        """Return a version of an app, by default the current one, with current values of its environment variables.
        Raises ``NotFound``: no such version; ``InvalidEnvironment``: a value from outside does not fit the
        variable's type."""
        id_ = (workflow_id or app.workflow_id).lower()
        wanted = app.id, id_, app.environment
        known = self._compiled.get(wanted)
        if known is not None:
            self._compiled.move_to_end(wanted)
            return known
        version = await self.apps.version(app.id, id_)
        if version is None:
            raise NotFound(f"Workflow not found with id: {workflow_id or id_}")
        if self.prepare is not None:
            await self.prepare(version.source)
        if len(version.source) <= _SMALL:
            # Another task may have compiled it meanwhile.
            return self._compiled.get(wanted) or self._made(app, version, wanted, self._checked(app, version))
        # One waiter compiles a large version for all.
        async with self._making:
            known = self._compiled.get(wanted)
            if known is None:
                checked = await run_in_thread(partial(self._checked, app), version, queue="records")
                known = self._made(app, version, wanted, checked)
            return known

    async def as_of(self, app: App, at: float) -> Workflow:
        """Return the newest version of a moment, or the current one if that is older: the likely one if no record says
        which was in use. ``at``: Seconds since the Unix epoch. Raises ``NotFound``, ``InvalidEnvironment``: see
        ``get``."""
        current, then = await self.get(app), published_at(at)
        if current.version <= then:
            return current
        older = next((each for each in await self.apps.versions(app.id) if each.version <= then), None)
        return current if older is None else await self.get(app, older.id)

    def of_file(self, app: App, text: bytes, *, source: str) -> Workflow:
        """Compile an unpublished file with an app's current values of environment variables. Raises
        ``InvalidDocument``: it cannot be imported; ``InvalidEnvironment``: see ``get``."""
        return self._ready(app, check(text, source=source, node_classes=self.node_classes), "", "")

    def _checked(self, app: App, version: WorkflowVersion) -> CheckedFile:
        source = f"{app.name}, version {version.number}"
        return check(version.source, source=source, node_classes=self.node_classes)

    def _made(self, app: App, version: WorkflowVersion, wanted: _Wanted, checked: CheckedFile) -> Workflow:
        made = self._compiled[wanted] = self._ready(app, checked, version.id, version.version)
        if len(self._compiled) > self.keep:
            self._compiled.popitem(last=False)
        return made

    def _ready(self, app: App, checked: CheckedFile, id_: str, version: str) -> Workflow:
        document, graph = checked.require()
        variables = with_values(document.environment, app, self.environment)
        document = replace(document, environment=variables)
        graph = replace(graph, **environment_of(variables))
        inputs = inputs_of(graph)
        graph = with_mocks(graph, self.mocks)
        if self.stand_ins is not None:
            graph = self.stand_ins(app, graph)
        return Workflow(id_, version, document, graph, inputs)
