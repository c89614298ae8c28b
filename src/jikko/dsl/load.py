"""Loader of DSL files: text in, document and problems out."""

import codecs
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast, get_args

from msgspec import Struct

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.declared_variables import read_conversation, read_environment, with_shared_models
from jikko.dsl.document import BASIC_MODES, AppMode, DslDocument, NodeEntry, check_handles, check_references
from jikko.dsl.fields import MISSING, Fields, problem_at, shown
from jikko.dsl.repair import read_features
from jikko.dsl.structure import check_paths, find_root, read_graph
from jikko.dsl.text.yaml_text import LoadLimits, YamlProblem, parse
from jikko.errors import InvalidDocument
from jikko.lang.variables import START
from jikko.values import Json

__all__ = ["SUPPORTED_VERSION", "LoadLimits", "Loaded", "decoded", "load"]

SUPPORTED_VERSION: Final = "0.7.0"
"""Newest known version of the DSL."""

_MODES: Final = get_args(AppMode)
_OTHER_MODES: Final = {"rag-pipeline": "a knowledge pipeline", "agent": "an agent of Dify's agent service"}
_MODES_BY_LABEL: Final = {
    "chatflow": "advanced-chat",
    "chatbot": "chat",
    **dict.fromkeys(("text-generator", "text_generator", "text generator"), "completion"),
}
"""Modes by the names that Dify shows for them, for hints."""
_VERSION: Final = re.compile(r"v?(\d{1,9}(?:\.\d{1,9}){0,5})(?:[-+._]?[a-z0-9.+-]*)?", re.ASCII | re.IGNORECASE)
_ZIP: Final = b"PK\x03\x04"
_OTHER_FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "n8n": frozenset({"nodes", "connections"}),
    "Langflow": frozenset({"data", "last_tested_version"}),
    "Flowise": frozenset({"nodes", "edges"}),
    "Docker Compose": frozenset({"services"}),
}
"""Keys by which files of other products are recognised."""
_ICON_TYPES: Final = ("emoji", "image", "link")


class Loaded(Struct, frozen=True):
    source: str
    document: DslDocument | None
    """The document without invalid parts; ``None`` without a graph. Run it only if no problem is fatal."""
    problems: list[Diagnostic]
    """Roughly in file order. Compiling may add to them."""

    @property
    def ok(self) -> bool:
        return self.document is not None and not any(not problem.ok for problem in self.problems)

    def require(self) -> DslDocument:
        """Return the document. Raises ``InvalidDocument``, with the fatal problems, if there are any."""
        if self.document is None or not self.ok:
            raise InvalidDocument(self.source, [problem for problem in self.problems if not problem.ok])
        return self.document


def load(text: bytes | str, *, source: str, runnable: frozenset[str], limits: LoadLimits | None = None) -> Loaded:
    """Load a DSL file of version 0.1 to 0.7. Never raises because of its content. Nodes' data are repaired, not
    validated.

    ``source``: Its name in messages. ``runnable``: Supported node types; other types of Dify are warnings. Source:
    docs/dify-behaviour.md, “File format and import”.
    """
    problems: list[Diagnostic] = []
    doubts: list[YamlProblem] = []
    if isinstance(text, bytes) and text.startswith(_ZIP):
        problems.append(problem_at("", Phrase("document.package"), Phrase("remedy.unpack")))
        return Loaded(source, None, problems)
    try:
        root = _parse(text, limits or LoadLimits(), doubts)
    except YamlProblem as error:
        where = f"line {error.line}, column {error.column}" if error.line else ""
        what = error.what if where else Phrase("document.file_reason", {"reason": error.what})
        problems.append(problem_at(where, what, error.hint, line=error.line, column=error.column))
        return Loaded(source, None, problems)
    problems += [
        problem_at(
            f"line {doubt.line}, column {doubt.column}",
            doubt.what,
            doubt.hint,
            fatal=False,
            line=doubt.line,
            column=doubt.column,
        )
        for doubt in doubts
    ]
    return Loaded(source, _read_app(root, problems, runnable), problems)


def _parse(text: bytes | str, limits: LoadLimits, doubts: list[YamlProblem]) -> Json:
    if len(text) > limits.max_bytes:
        raise YamlProblem(Phrase("document.too_large", {"limit": f"{limits.max_bytes >> 20} MiB"}))
    return parse(decoded(text), limits, doubts)


def decoded(text: bytes | str) -> str:
    """Decode UTF-8, or UTF-16 with a byte order mark, which is removed. Raises ``YamlProblem``."""
    return (_decode(text) if isinstance(text, bytes) else text).removeprefix("\ufeff")


def _decode(text: bytes) -> str:
    encoding = "utf-16" if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:
        return text.decode(encoding)
    except UnicodeDecodeError as error:
        if b"\0" in text:
            raise YamlProblem("is not a text file") from None
        line = text.count(b"\n", 0, error.start) + 1
        column = error.start - text.rfind(b"\n", 0, error.start)
        what = f"is not {encoding.upper()}: byte {text[error.start]:#04x} is not allowed here"
        raise YamlProblem(what, "save the file as UTF-8", line=line, column=column) from None


def _read_app(root: Json, problems: list[Diagnostic], runnable: frozenset[str]) -> DslDocument | None:
    if not isinstance(root, Mapping):
        empty = Phrase("document.empty_file")
        problem = empty if root is None else Phrase("document.file", {"value": shown(root)})
        problems.append(problem_at("", problem, Phrase("remedy.app_keys")))
        return None
    file = Fields("", root, problems)
    if file.get("kind") in ("rag_pipeline", "snippet"):
        # As in Dify, other kinds count as apps. These are exports of Dify for other editors.
        file.problem("kind", Phrase(f"document.{file.get('kind')}"), Phrase("remedy.only_apps"))
        return None
    app = _block(file, "app", _why_not_an_app(root))
    version = _read_version(file)
    mode = _read_mode(app)
    if mode is None:
        if app.get("mode") in [*_OTHER_MODES] or not isinstance(file.get("workflow"), Mapping):
            return None
        # Continue, so that problems of the graph are reported, too.
        mode = "workflow"
    if mode in BASIC_MODES:
        return _read_basic_app(file, app, version, mode)
    workflow = _block(file, "workflow", Phrase("remedy.workflow_needed", {"mode": repr(mode)}))
    nodes_above = "nodes" in workflow.raw and "graph" not in workflow.raw
    needed = Phrase("remedy.nodes_in_graph" if nodes_above else "remedy.graph_needed")
    graph = _block(workflow, "graph", needed) if workflow.raw else workflow
    if not graph.raw:
        return None
    nodes, edges = read_graph(graph, runnable)
    root_id = find_root(nodes, graph)
    check_paths(nodes, edges, graph)
    check_handles(nodes, edges, problems)
    newer = is_newer(version)
    environment = read_environment(workflow, is_newer=newer)
    conversation = read_conversation(workflow, is_newer=newer)
    nodes = with_shared_models(nodes, environment, problems)
    check_references(nodes, environment, conversation, problems)
    if newer:
        check_keys(root, nodes, problems)
    return DslDocument(
        version=version,
        mode=cast(AppMode, mode),
        **read_face(app),
        nodes=tuple(nodes),
        edges=tuple(edges),
        root=root_id,
        features=read_features(workflow.mapping("features")),
        environment=environment,
        conversation=conversation,
    )


def _why_not_an_app(root: Mapping[str, Json]) -> Phrase:
    if "cases" in root:
        return Phrase("remedy.test_file")
    product = next((name for name, keys in _OTHER_FORMATS.items() if keys <= root.keys()), "")
    return Phrase("remedy.other_format", {"product": product}) if product else Phrase("remedy.not_an_app")


def read_face(app: Fields) -> dict[str, Any]:
    """Read the app's appearance."""
    icon_type = app.text("icon_type", "emoji")
    return {
        "name": app.text("name"),
        "description": app.text("description"),
        "icon_type": icon_type if icon_type in _ICON_TYPES else "emoji",
        "icon": app.text("icon"),
        "icon_background": app.text("icon_background", "#FFFFFF"),
        "use_icon_as_answer_icon": app.boolean("use_icon_as_answer_icon"),
    }


def _read_basic_app(file: Fields, app: Fields, version: str, mode: str) -> DslDocument | None:
    config = _block(file, "model_config", Phrase("remedy.model_config_needed", {"mode": repr(mode)}))
    if not config.raw:
        return None
    # Most files have a workflow.
    from jikko.dsl.app_config import AppGraph

    graph = AppGraph(config, mode)
    if is_newer(version):
        check_keys(file.raw, (), file.problems)
    return DslDocument(
        version=version,
        mode=cast(AppMode, mode),
        **read_face(app),
        nodes=tuple(graph.nodes),
        edges=tuple(graph.edges),
        root=START,
        features=graph.features,
    )


def _block(fields: Fields, name: str, why: Phrase) -> Fields:
    """Return a required, non-empty mapping."""
    value = fields.get(name)
    if not isinstance(value, Mapping) or not value:
        what = (
            MISSING
            if value is None
            else Phrase("document.empty")
            if value == {}
            else Phrase("document.not_mapping", {"value": shown(value)})
        )
        fields.problem(name, what, why)
        value = {}
    return Fields(fields.at(name), value, fields.problems)


def _read_version(file: Fields) -> str:
    value = file.get("version")
    if value is None or value == "":
        return "0.1.0"
    if not isinstance(value, str):
        file.problem("version", Phrase("document.case_id", {"value": shown(value)}), Phrase("remedy.quote"))
        return "0.1.0"
    match = _VERSION.fullmatch(value)
    if match is None:
        file.problem("version", Phrase("document.no_version", {"value": shown(value)}), Phrase("remedy.version"))
    elif _numbers(match[1]) > _numbers(SUPPORTED_VERSION):
        what = Phrase("document.newer_version", {"value": value, "supported": SUPPORTED_VERSION})
        file.problem("version", what, fatal=False)
    return value


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (6 - len(numbers)))


def _read_mode(app: Fields) -> str | None:
    if not app.raw:
        return None
    mode = app.text("mode", required=True)
    if mode in _MODES:
        return mode
    if mode in _OTHER_MODES:
        what = Phrase("document.no_workflow", {"value": repr(mode), "kind": _OTHER_MODES[mode]})
        app.problem("mode", what, Phrase("remedy.modes"))
    elif mode:
        alias = _MODES_BY_LABEL.get(mode.lower())
        hint = Phrase("remedy.did_you_mean", {"name": repr(alias)}) if alias else app.meant(mode, _MODES)
        app.problem("mode", Phrase("document.no_mode", {"value": shown(mode)}), hint or Phrase("remedy.modes"))
    return None


# Texts, since lists would take a line per key.
_OF_FILE: Final = frozenset(
    "version kind app workflow model_config agent agent_packages dependencies site bundle_id".split()
)
_OF_APP: Final = frozenset(
    "name mode icon icon_type icon_background description use_icon_as_answer_icon max_active_requests".split()
)
_OF_WORKFLOW: Final = frozenset(
    "graph features environment_variables conversation_variables rag_pipeline_variables kind version".split()
)
_OF_NODES: Final = frozenset(
    """
    type title desc version selected variables outputs inputs error_strategy default_value retry_config
    iteration_id loop_id container_id isInIteration isInLoop isIterationStart isLoopStart startNodeType start_node_id
    author showAuthor text theme width height
    model model_selector prompt_template prompt_config context memory vision query instruction instructions
    structured_output structured_output_enabled structured_output_switch_on reasoning_format reasoning_mode
    parameters classes topics query_variable_selector
    agent_parameters agent_strategy_label agent_strategy_name agent_strategy_provider_name agent_node_kind agent_binding
    agent_job agent_task agent_output_routes
    code code_language dependencies template
    authorization body headers method params timeout url ssl_verify
    provider_id provider_name provider_type provider_show_name provider_icon provider_icon_dark provider_status
    plugin_id plugin_unique_identifier credential_id tool_configurations tool_description tool_label tool_name
    tool_node_version tool_parameters is_team_authorization hasCredentials paramSchemas output_schema meta
    cases conditions logical_operator advanced_settings output_type answer
    dataset_ids metadata_filtering_conditions metadata_filtering_mode metadata_model_config multiple_retrieval_config
    query_attachment_selector retrieval_mode single_retrieval_config
    is_array_file variable_selector extract_by filter_by item_var_type limit order_by var_type variable items
    error_handle_mode flatten_output is_parallel iterator_input_type iterator_selector iterator_iterator_type
    output_selector output_var_type parallel_nums break_conditions loop_count loop_variables
    delivery_methods form_content timeout_unit user_actions
    async_mode config content_type cron_expression event_label event_name event_node_version event_parameters frequency
    mode response_body status_code subscription_id timezone trigger_id trigger_label visual_config webhook_debug_url
    webhook_url
    """.split()
)
_OF_CONFIG: Final = frozenset(
    """
    model pre_prompt prompt_type chat_prompt_config completion_prompt_config user_input_form external_data_tools
    dataset_query_variable dataset_configs agent_mode opening_statement suggested_questions
    suggested_questions_after_answer speech_to_text text_to_speech retriever_resource annotation_reply more_like_this
    sensitive_word_avoidance file_upload
    """.split()
)
_NEWER: Final = re.compile(r"v?0*(?:0\.0*(?:[7-9]|[1-9]\d+)|[1-9]\d*)(?:\D.*)?", re.ASCII | re.DOTALL)


def is_newer(version: str) -> bool:
    """Return whether a file may use features that Dify added without a new version: 0.7 and later."""
    return _NEWER.fullmatch(version) is not None


def check_keys(root: Mapping[str, Any], nodes: Sequence[NodeEntry], problems: list[Diagnostic]) -> None:
    """Report unread keys of a newer file. ``root``: The whole file."""
    places = [
        ("", root, _OF_FILE),
        ("app.", root.get("app"), _OF_APP),
        ("workflow.", root.get("workflow"), _OF_WORKFLOW),
        ("model_config.", root.get("model_config"), _OF_CONFIG),
        *((f"{node.where}.", node.data, _OF_NODES) for node in nodes),
    ]
    for where, mapping, known in places:
        for key in mapping if isinstance(mapping, Mapping) else ():
            # Keys with an underscore are the editor's own.
            if key not in known and not str(key).startswith("_"):
                what = Phrase("document.unknown_key", {"key": repr(key)})
                problems.append(problem_at(f"{where}{key}", what, fatal=False))
