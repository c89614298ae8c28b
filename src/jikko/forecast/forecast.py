"""Forecast of a DSL file on this installation, from the compiled document, without running anything."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from jikko.apps.environment import Outside, empty_secrets, how_to_fill
from jikko.apps.versions import CheckedFile
from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.diagnostics.translations import Language
from jikko.dsl.common import read_common
from jikko.dsl.document import BASIC_MODES, DslDocument, handles_of
from jikko.dsl.fields import Fields
from jikko.dsl.start_variables import StartVariable
from jikko.errors import InvalidEnvironment
from jikko.forecast.certainty import Handles, order, places, sure
from jikko.forecast.known_installation import Installation
from jikko.forecast.known_variables import KnownVariables
from jikko.forecast.model_checks import default_model
from jikko.forecast.node_checks import diagnose_node, fails_with
from jikko.forecast.outcome import outcome_sentence, will_fail
from jikko.graph.compile import environment_of
from jikko.graph.compiled import CompiledGraph, CompiledNode, Subgraph
from jikko.graph.mocks import with_mocks
from jikko.nodes.contract import Node
from jikko.nodes.flow.start import Start
from jikko.nodes.substitutes import Mocked, MockedBranch
from jikko.ports.models import ModelPurpose

Verdict: TypeAlias = Literal["runs", "may_fail", "will_fail", "cannot_be_imported"]

_VERDICTS: Final[dict[Severity, Verdict]] = {
    "error": "cannot_be_imported",
    "will_fail": "will_fail",
    "may_fail": "may_fail",
}
_UNKNOWN_KEY: Final = "document.unknown_key"
"""For newer files, whose node may do something else with the key."""
_ERROR_STRATEGY: Final = "note.error_strategy"
_SOME_RUNS: Final = "note.some_runs"
_ROUND_CONTINUES: Final = "note.round"


class Forecast(Struct, frozen=True):
    verdict: Verdict
    findings: tuple[Diagnostic, ...]
    """Import errors first, then failures in the order of a run."""
    inputs: tuple[StartVariable, ...] = ()
    """Inputs of the start node."""

    @property
    def decisive(self) -> Diagnostic | None:
        """The finding behind the verdict: the first failure. ``None`` if the file runs."""
        return next((finding for finding in self.findings if _VERDICTS.get(finding.severity) == self.verdict), None)

    def outcome(self, line: int, language: Language = "en") -> str:
        """Return the decisive sentence; ``""`` if the file runs. ``line``: Its line in the file, or 0."""
        return "" if self.decisive is None else outcome_sentence(replace(self.decisive, line=line), language)


def forecast(checked: CheckedFile, installation: Installation, outside: Outside | None = None) -> Forecast:
    """Predict the outcome. ``outside``: Values for environment variables that override the file's.

    Assumes that iterations have items, and that external data (inputs, answers of models and servers) is as the
    workflow expects.
    """
    document, graph = checked.document, checked.graph
    refused: InvalidEnvironment | None = None
    name = "" if document is None else app_name(document, checked.source)
    start = None if graph is None else graph.nodes[graph.root_id].node
    if document is not None and outside is not None:
        try:
            variables = tuple(variable for variable, _ in outside.values_of(document.environment, name))
            document = replace(document, environment=variables)
            graph = None if graph is None else replace(graph, **environment_of(variables))
        except InvalidEnvironment as error:
            refused = error
    graph = None if graph is None else with_mocks(graph, installation.mocks)
    found: list[Diagnostic] = []
    if document is not None and graph is not None:
        found += _of_nodes(document, graph, installation)
    elif document is not None:
        found += _of_loose_nodes(document, checked.nodes, installation)
    explained = {finding.where for finding in found}
    idle = [] if document is None or graph is None else list(_idle(document, graph))
    findings = [
        replace(problem, severity="may_fail") if problem.code == _UNKNOWN_KEY else problem
        for problem in checked.problems
        # For a node that cannot run there is a more specific finding.
        if not problem.ok or not (problem.where in explained or problem.where.startswith(tuple(idle)))
    ]
    if document is not None:
        findings += _of_models(installation)
        if refused is not None:
            findings.append(Diagnostic(refused.what.code, refused.what.params, severity="will_fail"))
        findings += _of_secrets(document, name)
        findings += of_features(document, installation)
    findings += found
    rank: dict[Severity, int] = {"error": 0, "will_fail": 1, "may_fail": 2, "warning": 3}
    findings.sort(key=lambda finding: rank[finding.severity])
    verdict = _VERDICTS.get(findings[0].severity, "runs") if findings else "runs"
    return Forecast(verdict, tuple(findings), start.variables if isinstance(start, Start) else ())


def _idle(document: DslDocument, graph: CompiledGraph) -> Iterator[str]:
    """Yield the path prefixes of nodes that do not run, mocked or inside a mocked one: their problems do not matter."""
    containers = {entry.id: entry.container for entry in document.nodes}
    for entry in document.nodes:
        around: str | None = entry.id
        while around is not None and not isinstance(graph.nodes[around].node, Mocked):
            around = containers[around]
        if around is not None:
            yield f"{entry.where}."


def app_name(document: DslDocument, source: str) -> str:
    """Return the name of the app that a file becomes. ``source``: Path of the file."""
    return document.name or PurePath(source).stem


def _of_models(installation: Installation) -> Iterator[Diagnostic]:
    if installation.no_start:
        yield will_fail("model.verbatim", "", text=installation.no_start.removesuffix("."))


def _of_secrets(document: DslDocument, app_name: str) -> Iterator[Diagnostic]:
    empty = empty_secrets(document.environment)
    for index, variable in enumerate(document.environment):
        if variable.name in empty:
            where = f"workflow.environment_variables[{index}]"
            remedy = Phrase("remedy.fill_secret", {"how": how_to_fill(app_name, variable.name)})
            params = {"name": repr(variable.name)}
            yield Diagnostic("secret.empty", params, where=where, severity="warning", remedy=remedy)


def _of_nodes(document: DslDocument, graph: CompiledGraph, installation: Installation) -> Iterator[Diagnostic]:
    entries = {entry.id: entry for entry in document.nodes}
    diagnostics: dict[str, list[Diagnostic]] = {}

    def decided(node_id: str) -> Collection[str] | None:
        node = graph.nodes[node_id].node
        return (node.handle(),) if isinstance(node, MockedBranch) and fails_with(node) is None else None

    known = KnownVariables(document, {node_id: node.node for node_id, node in graph.nodes.items()})
    for node in _in_order(graph.body, decided):
        found = list(diagnose_node(node.node, entries[node.id], document, known, installation))
        if found:
            diagnostics[node.id] = found
    doomed = {node_id for node_id, found in diagnostics.items() if any(one.severity == "will_fail" for one in found)}

    def handles(node_id: str) -> Collection[str] | None:
        strategy = graph.nodes[node_id].strategy
        if (handle := decided(node_id)) is not None:
            return handle
        return ("fail-branch",) if node_id in doomed and strategy == "fail-branch" else handles_of(entries[node_id])

    paths = _Paths(graph, doomed, handles)
    for node_id, found in diagnostics.items():
        node = graph.nodes[node_id]
        goes_on = paths.goes_on(node_id)
        for diagnostic in found:
            severity, note = _judged(diagnostic, goes_on, is_sure=paths.is_sure(node_id))
            yield _placed(diagnostic, severity, note, node_id, node.title)


def _of_loose_nodes(
    document: DslDocument, nodes: Mapping[str, Node], installation: Installation
) -> Iterator[Diagnostic]:
    """Yield problems of nodes in a file that cannot be imported yet, so that it is unknown which nodes runs reach."""
    known = KnownVariables(document, nodes)
    for entry in document.nodes:
        node = nodes.get(entry.id)
        common = read_common(Fields(entry.where, entry.data, []))
        title = common.title or entry.id
        if node is None or not installation.mocks.keys().isdisjoint((entry.id, title)):
            continue
        for diagnostic in diagnose_node(node, entry, document, known, installation):
            severity, note = _judged(diagnostic, _ERROR_STRATEGY if common.error_strategy else "", is_sure=False)
            yield _placed(diagnostic, severity, "" if note == _SOME_RUNS else note, entry.id, title)


def _judged(diagnostic: Diagnostic, goes_on: str, *, is_sure: bool) -> tuple[Severity, str]:
    """Return how much a node's diagnostic matters to runs, and the code of the reason."""
    if diagnostic.severity == "warning":
        return "warning", ""
    if goes_on:
        return "warning", goes_on
    if diagnostic.severity == "may_fail":
        return "may_fail", ""
    return ("will_fail", "") if is_sure else ("may_fail", _SOME_RUNS)


def _placed(diagnostic: Diagnostic, severity: Severity, note: str, node_id: str, title: str) -> Diagnostic:
    # If runs continue anyway, nothing needs to be done.
    remedy = None if note in (_ERROR_STRATEGY, _ROUND_CONTINUES) else diagnostic.remedy
    return replace(diagnostic, severity=severity, note=note, remedy=remedy, node=node_id, title=title or node_id)


def _in_order(body: Subgraph, handles: Handles) -> Iterator[CompiledNode]:
    """Yield the nodes that runs may reach, in that order; nodes inside a container follow it."""
    pending = [iter([body.nodes[number] for number in order(body, handles)])]
    while pending:
        node = next(pending[-1], None)
        if node is None:
            pending.pop()
            continue
        yield node
        if node.body is not None:
            pending.append(iter([node.body.nodes[number] for number in order(node.body, handles)]))


class _Paths:
    """Consequences of failing nodes."""

    def __init__(self, graph: CompiledGraph, doomed: Collection[str], handles: Handles) -> None:
        self._graph = graph
        self._places = places(graph)
        targets: dict[int, tuple[Subgraph, set[int]]] = {}
        for node_id in doomed:
            for inner in (node_id, *self._around(node_id)):
                body, _ = self._places[inner]
                targets.setdefault(id(body), (body, set()))[1].add(graph.nodes[inner].position)
        self._sure = {key: sure(body, sorted(wanted), handles) for key, (body, wanted) in targets.items()}

    def is_sure(self, node_id: str) -> bool:
        for inner in (node_id, *self._around(node_id)):
            body, container = self._places[inner]
            if self._graph.nodes[inner].position not in self._sure.get(id(body), ()):
                return False
            around: Any = None if container is None else self._graph.nodes[container].node
            if around is not None and around.type == "loop" and around.count == 0:
                return False
        return True

    def goes_on(self, node_id: str) -> str:
        """Return why a run continues after the node fails; ``""`` if it does not."""
        for inner in (node_id, *self._around(node_id)):
            compiled = self._graph.nodes[inner]
            if compiled.strategy is not None:
                return _ERROR_STRATEGY
            node: Any = compiled.node
            if inner != node_id and node.type == "iteration" and node.error_mode != "terminated":
                return _ROUND_CONTINUES
        return ""

    def _around(self, node_id: str) -> Iterator[str]:
        _, container = self._places[node_id]
        while container is not None:
            yield container
            _, container = self._places[container]


_MODERATION: Final = "sensitive_word_avoidance"
_NEEDS: Final[dict[str, tuple[ModelPurpose, str]]] = {
    "suggested_questions_after_answer": ("llm", "so.no_questions"),
    "speech_to_text": ("speech_to_text", "so.no_recordings"),
    "text_to_speech": ("text_to_speech", "so.no_speech"),
}
"""Features that need a default model: its purpose, and the code of the effect without one."""


def of_features(document: DslDocument, installation: Installation) -> Iterator[Diagnostic]:
    """Yield the app's features that this installation cannot provide in full."""
    features = document.features
    at = "model_config" if document.mode in BASIC_MODES else "workflow.features"
    if document.mode != "workflow" and (moderation := _on(features, _MODERATION)):
        yield from _of_moderation(moderation, installation, f"{at}.{_MODERATION}")
    if document.mode in BASIC_MODES:
        yield from _of_external_data(features, installation)
    if installation.fake_models:
        return
    for name, (purpose, so) in _NEEDS.items():
        feature = _on(features, name)
        if (
            feature
            and purpose not in installation.providers.defaults
            and not (purpose == "llm" and feature.get("model"))
        ):
            where, remedy = f"{at}.{name}", default_model(purpose)
            yield Diagnostic("model.default", {"so": Phrase(so)}, where=where, severity="warning", remedy=remedy)


def _of_external_data(features: Mapping[str, Any], installation: Installation) -> Iterator[Diagnostic]:
    extensions = installation.providers.extensions
    for tool in features.get("external_data_tools") or ():
        config = tool.get("config")
        id_ = str(config.get("api_based_extension_id") or "") if isinstance(config, Mapping) else ""
        if id_ not in extensions and "*" not in extensions:
            remedy = Phrase("remedy.add_extension", {"extension": id_})
            at, needs = "model_config.external_data_tools", repr(str(tool.get("variable")))
            yield will_fail("address.external_data", at, remedy, extension=repr(id_), variable=needs)


def _of_moderation(feature: Mapping[str, Any], installation: Installation, where: str) -> Iterator[Diagnostic]:
    config = feature.get("config")
    config = config if isinstance(config, Mapping) else {}
    looks = [name for name in ("inputs_config", "outputs_config") if _on(config, name)]
    kind = feature.get("type") or "keywords"
    if not looks or kind == "keywords":
        return
    refused = "inputs_config" in looks
    so = Phrase("so.refused" if refused else "so.not_moderated")
    severity: Severity = "will_fail" if refused else "warning"
    if kind == "openai_moderation":
        if not installation.fake_models and "moderation" not in installation.providers.defaults:
            remedy = default_model("moderation")
            yield Diagnostic("model.moderation", {"so": so}, where=where, severity=severity, remedy=remedy)
        return
    if kind != "api":
        yield will_fail("model.moderation_kind", where, "remedy.moderation_kind", kind=repr(kind))
        return
    id_ = str(config.get("api_based_extension_id") or "")
    extensions = installation.providers.extensions
    if id_ not in extensions and "*" not in extensions:
        remedy = Phrase("remedy.add_extension", {"extension": id_})
        needed = {"extension": repr(id_), "so": so}
        yield Diagnostic("address.extension", needed, where=where, severity=severity, remedy=remedy)


def _on(features: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    feature = features.get(name)
    return feature if isinstance(feature, Mapping) and feature.get("enabled") is True else {}
