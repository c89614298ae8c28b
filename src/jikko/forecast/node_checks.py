"""Checks of single nodes: certain and possible failures."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from jikko.apps.model_needs import needs_of, needs_of_agent
from jikko.apps.plugin_needs import tools_of_agent
from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.dsl.document import DslDocument, NodeEntry, Variable
from jikko.dsl.types import APP_STRATEGIES, SILENT_TRIGGERS
from jikko.engine.masked import mask
from jikko.forecast.known_installation import Installation, diagnose_url, known_start, known_text
from jikko.forecast.known_variables import KnownVariables
from jikko.forecast.model_checks import diagnose_model, diagnose_retrieval, diagnose_speech
from jikko.forecast.outcome import will_fail
from jikko.forecast.python_code import diagnose_python
from jikko.forecast.variable_checks import diagnose_arguments, diagnose_variables, no_variable
from jikko.lang.json_examples import json_example
from jikko.nodes.contract import Node, NodeFailure
from jikko.nodes.flow.trigger import Trigger
from jikko.nodes.model.llm_prompt import AppPrompt
from jikko.nodes.substitutes import FakeModelNode, Mocked, Unsupported
from jikko.ports.http import HEADER_NAME
from jikko.ports.tools import ToolNotFound, tool_name
from jikko.sandbox.languages.refusals import JAVASCRIPT_MODULES
from jikko.values import Json

if TYPE_CHECKING:
    from jikko.nodes.agents.agent import AgentNode
    from jikko.nodes.data.code import Code
    from jikko.nodes.data.template_transform import TemplateTransform
    from jikko.nodes.flow.human_input import HumanInput
    from jikko.nodes.flow.start import Start
    from jikko.nodes.http.http_request import HttpRequest
    from jikko.nodes.model.llm import Llm
    from jikko.nodes.model.llm_prompt import PromptText
    from jikko.nodes.model.parameter_extractor import ParameterExtractor
    from jikko.nodes.model.question_classifier import QuestionClassifier
    from jikko.nodes.tools.tool import ToolNode

_PARSES: Final = re.compile(
    r"\b(?:loads?|(?:safe|full)_load|raw_decode|JSONDecoder|literal_eval|repair_json|JSON\.parse)\b"
)
"""Calls that parse structured data, in Python and JavaScript."""


def diagnose_node(
    node: Node, entry: NodeEntry, document: DslDocument, known: KnownVariables, installation: Installation
) -> Iterator[Diagnostic]:
    """Yield every problem known before a run. ``node``: Compiled from ``entry``. ``known``: Variables of
    ``document``."""
    match node:
        case Mocked():
            if (failure := fails_with(node)) is not None:
                yield will_fail("mock.fails", f"{entry.where}.type", reason=failure.removesuffix("."))
        case FakeModelNode():
            return
        case Unsupported():
            yield will_fail("node_type.unsupported", f"{entry.where}.type", node.instead, subject=node.subject)
        case Trigger():
            if entry.type not in SILENT_TRIGGERS:
                return
            plugin, event = (str(entry.data.get(name) or "?") for name in ("plugin_id", "event_name"))
            params, where = {"type": repr(entry.type), "plugin": plugin, "event": event}, f"{entry.where}.type"
            remedy = Phrase("remedy.plugin_trigger")
            yield Diagnostic("node_type.trigger", params, where=where, severity="warning", remedy=remedy)
        case _:
            yield from _of_type(node, entry, document, known, installation)


def _of_type(
    node: Any, entry: NodeEntry, document: DslDocument, known: KnownVariables, installation: Installation
) -> Iterator[Diagnostic]:
    """Dispatch by type name: a file has few types, and the classes of others are not imported."""
    match node.type:
        case "code":
            yield from _of_code(node, f"{entry.where}.code", known, installation)
            yield from _of_fake_text(node, entry, document, installation)
            yield from diagnose_arguments(node, entry, known)
        case "template-transform":
            yield from _of_template(node, f"{entry.where}.template", installation)
            yield from diagnose_variables(node, entry, known)
            yield from diagnose_arguments(node, entry, known)
        case "llm":
            yield from diagnose_prompt(node, entry, known)
            yield from _of_model(node, entry, installation)
            yield from diagnose_whole_prompt(node, entry, document)
        case "parameter-extractor" | "question-classifier":
            yield from _of_model(node, entry, installation)
        case "http-request":
            yield from _of_request(node, entry, document.environment, installation)
        case "human-input":
            yield from _of_form(node, entry)
        case "agent":
            yield from diagnose_agent(node, entry, installation)
        case "tool":
            yield from diagnose_tool(node, entry, installation)
        case "knowledge-retrieval":
            yield from diagnose_retrieval(node, entry, known, installation)
        case "start":
            yield from _of_inputs(node, entry)
        case _:
            yield from diagnose_variables(node, entry, known)


def fails_with(node: Mocked) -> str | None:
    """Return the error of a mocked node that fails."""
    try:
        if node.failure is None:
            node.handle()
    except NodeFailure as error:
        return str(error)
    return node.failure


def _of_code(node: "Code", where: str, known: KnownVariables, installation: Installation) -> Iterator[Diagnostic]:
    if installation.no_sandbox is not None:
        yield will_fail(installation.no_sandbox.code, where, **installation.no_sandbox.params)
    elif node.language == "javascript":
        yield from diagnose_javascript(node.code, where)
    else:
        names = [name for name, _ in node.variables]
        optional = [name for name, selector in node.variables if known.may_be_left_out(selector)]
        yield from diagnose_python(node.code, where, installation.has_module, names, optional, list(node.outputs))


def _of_fake_text(
    node: "Code", entry: NodeEntry, document: DslDocument, installation: Installation
) -> Iterator[Diagnostic]:
    """Yield a warning for code that parses the text of a fake model, which fits only if the prompt has an example."""
    if not installation.fake_models or not _PARSES.search(node.code):
        return
    models = {
        one.id: str(one.data.get("title") or one.id)
        for one in document.nodes
        if one.type == "llm" and not json_example(_prompt_of(one))
    }
    for name, selector in node.variables:
        title = models.get(selector[0]) if selector[1:] == ("text",) else None
        if title is None or installation.mocks.keys() & {selector[0], title}:
            continue
        params, remedy = {"name": name, "title": title}, Phrase("remedy.mock_text", {"title": title})
        yield Diagnostic("model.fake_text", params, where=f"{entry.where}.code", severity="may_fail", remedy=remedy)


def _prompt_of(model: NodeEntry) -> str:
    written = model.data.get("prompt_template")
    messages = written if isinstance(written, list) else [written]
    return "\n".join(str(message.get("text", "")) for message in messages if isinstance(message, dict))


def _of_template(node: "TemplateTransform", where: str, installation: Installation) -> Iterator[Diagnostic]:
    # Imported only for files with a template.
    from jinja2 import TemplateSyntaxError
    from jinja2.sandbox import SandboxedEnvironment

    if installation.no_sandbox is not None:
        yield will_fail(installation.no_sandbox.code, where, **installation.no_sandbox.params)
    try:
        SandboxedEnvironment(cache_size=0).parse(node.template)
    except TemplateSyntaxError as error:
        yield will_fail("code.template", where, reason=(error.message or "").removesuffix("."), line=error.lineno)
    except (RecursionError, MemoryError, ValueError):
        yield will_fail("code.template_nested", where)


def _of_model(
    node: "Llm | ParameterExtractor | QuestionClassifier", entry: NodeEntry, installation: Installation
) -> Iterator[Diagnostic]:
    where = f"{entry.where}.model"
    if not node.model.provider or not node.model.name:
        yield will_fail("model.not_chosen", where, "remedy.choose_model")
        return
    for need in () if installation.fake_models else needs_of([(entry.id, entry.data)]):
        found = diagnose_model(need, installation, where)
        if found is not None:
            yield found


def _of_request(
    node: "HttpRequest", entry: NodeEntry, variables: Sequence[Variable], installation: Installation
) -> Iterator[Diagnostic]:
    environment = {variable.name: variable.value for variable in variables}
    if node.api_key is not None:
        key, is_whole = known_start(node.api_key.key, environment)
        if is_whole and not key.strip():
            names = [selector[1] for selector in node.api_key.key.selectors]
            remedy = Phrase("remedy.give_value", {"name": names[0]}) if names else Phrase("remedy.enter_in_node")
            yield will_fail("secret.api_key", f"{entry.where}.authorization.config.api_key", remedy)
    if unsendable := _unsendable(node, environment):
        code, header, advice = unsendable
        yield will_fail(code, entry.where, advice, header=repr(header))
    if len(node.body.items) != 1 and node.body.type in ("raw-text", "json", "binary"):
        yield will_fail("request.one_item", f"{entry.where}.body.data", "remedy.one_item", type=node.body.type)
    secrets = {variable.name: mask(str(variable.value)) for variable in variables if variable.value_type == "secret"}
    found = diagnose_url(node.url, environment, environment | secrets, f"{entry.where}.url", installation)
    if found is not None:
        yield found


def _unsendable(node: "HttpRequest", environment: Mapping[str, Json]) -> tuple[str, str, str] | None:
    """Return why the first header that can never be sent fails: code, name, code of the remedy."""
    listed = [(line.name.source, (line.name, line.value)) for line in node.headers]
    if node.api_key is not None and node.api_key.type != "basic":
        listed.append((node.api_key.header, (node.api_key.key, None)))
    for name, templates in listed:
        parts = [part for template in templates if template is not None for part in template.parts]
        if not name.isascii() or not all((known_text(part, environment) or "").isascii() for part in parts):
            return "header.not_ascii", name, "remedy.ascii_header"
    for line in node.headers:
        if not line.name.selectors and HEADER_NAME.fullmatch(line.name.source) is None:
            return "header.no_name", line.name.source[:60], "remedy.header_lines"
    return None


def _of_form(node: "HumanInput", entry: NodeEntry) -> Iterator[Diagnostic]:
    if not node.on_web:
        remedy = Phrase("remedy.webapp")
        yield Diagnostic("form.not_on_web", where=entry.where, severity="warning", remedy=remedy)


def _of_inputs(node: "Start", entry: NodeEntry) -> Iterator[Diagnostic]:
    for index, variable in enumerate(node.variables):
        if variable.type == "select" and variable.required and not variable.options:
            where = f"{entry.where}.variables[{index}]"
            yield will_fail("inputs.no_options", where, "remedy.give_options", name=variable.name)


_TOKEN: Final = re.compile(
    r"""//[^\n]*|/\*.*?(?:\*/|\Z)"""
    r"""|(?P<require>(?<![\w$.])require\s*\(\s*(?P<quote>['"`])(?P<required>[^'"`\n]*)(?P=quote)\s*\))"""
    r"""|(?P<import>^[ \t]*import\b(?!\s*[(.])(?:[^'";]{0,2000}?)(?P<mark>['"])(?P<imported>[^'"\n]*)(?P=mark))"""
    r"""|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`""",
    re.DOTALL | re.MULTILINE,
)
"""Skipped tokens (comments and strings), and the ones searched for."""
_CATCH: Final = re.compile(r"\bcatch\b")
_OWN_REQUIRE: Final = re.compile(r"\b(?:function|const|let|var)\s+require\b")
_MAX_LISTED_MODULES: Final = 10


def diagnose_javascript(code: str, where: str) -> Iterator[Diagnostic]:
    """Yield required and imported modules, by line; uncertain if the program catches errors or defines ``require``."""
    certain = _CATCH.search(code) is None and _OWN_REQUIRE.search(code) is None
    listed: set[str] = set()
    for match in _TOKEN.finditer(code):
        name = match["required"] if match["require"] else match["imported"]
        if name is None or name in listed or len(listed) >= _MAX_LISTED_MODULES:
            continue
        listed.add(name)
        line = code.count("\n", 0, match.start()) + 1
        # An import is part of the syntax: nothing of the program runs.
        sure = certain or bool(match["import"])
        severity: Severity = "will_fail" if sure else "may_fail"
        params, remedy = {"module": repr(name), "line": line}, Phrase(JAVASCRIPT_MODULES)
        yield Diagnostic("import.missing", params, where=where, severity=severity, remedy=remedy)


def diagnose_prompt(node: "Llm", entry: NodeEntry, known: KnownVariables) -> Iterator[Diagnostic]:
    """Yield missing variables, in the order in which the node reads them."""
    prompt = node.prompt
    if isinstance(prompt, AppPrompt):
        return
    for number, text in enumerate(prompt.texts):
        where = f"{entry.where}.prompt_template" + (f"[{number}].text" if prompt.is_chat else ".text")
        yield from (no_variable(".".join(each), where) for each in text.selectors if known.is_missing(each))
    query = f"{entry.where}.memory.query_prompt_template"
    yield from (no_variable(".".join(each), query) for each in prompt.query.selectors if known.is_missing(each))
    for number, (name, selector) in enumerate(prompt.jinja_variables):
        if known.is_missing(selector):
            yield no_variable(name, f"{entry.where}.prompt_config.jinja2_variables[{number}].value_selector")


def diagnose_whole_prompt(node: "Llm", entry: NodeEntry, document: DslDocument) -> Iterator[Diagnostic]:
    """Yield a prompt without any text, or with a memory that it cannot hold: no model is called."""
    prompt = node.prompt
    if isinstance(prompt, AppPrompt):
        return
    is_empty = prompt.is_chat and not any(map(_may_have_text, prompt.texts))
    if is_empty and not prompt.memory.window and not node.vision.enabled:
        yield will_fail("model.empty_prompt", f"{entry.where}.prompt_template")
    if prompt.lacks_prefixes and document.mode == "advanced-chat":
        yield will_fail("model.no_prefixes", f"{entry.where}.memory")


def _may_have_text(text: "PromptText") -> bool:
    """Return whether a message may have a text. The parts of a basic one are the texts between contexts."""
    return bool(text.jinja) or len(text.segments) > 1 or any(segment.source for segment in text.segments)


def diagnose_agent(node: "AgentNode", entry: NodeEntry, installation: Installation) -> Iterator[Diagnostic]:
    """Yield why the agent will fail: its strategy, tools, or model."""
    # Apps without a workflow declare tools elsewhere, and skip missing ones.
    is_app = node.name.provider == APP_STRATEGIES
    where = entry.where if is_app else f"{entry.where}.agent_parameters"
    at_tools = f"{where}.agent_mode.tools" if is_app else f"{where}.tools"
    if node.is_server_side:
        yield will_fail("node_type.agent", f"{entry.where}.type", "remedy.agent_version")
        return
    try:
        strategy = installation.strategies.find(node.name)
    except ToolNotFound as failure:
        yield no_tool(failure, f"{where}.agent_mode" if is_app else f"{entry.where}.agent_strategy_name")
        strategy = None
    for tool in tools_of_agent(entry.data):
        try:
            installation.tools.known(tool_name(tool))
        except ToolNotFound as failure:
            missing = no_tool(failure, at_tools)
            yield replace(missing, severity="warning") if is_app else missing
    yield from diagnose_speech(entry.data, installation, at_tools)
    for name, need in () if installation.fake_models else needs_of_agent(entry.id, entry.data):
        found = diagnose_model(need, installation, f"{where}.{name}")
        if found is not None:
            yield found
    for parameter in () if strategy is None else strategy.parameters:
        name = parameter.declared.name
        if parameter.declared.required and parameter.declared.default is None and not node.gives(name):
            yield will_fail("tool.agent_parameter", where, "remedy.fill_in", name=name)


_CHECKED: Final = frozenset({"builtin", "api"})
"""Kinds of tools that fail without a required parameter; others are called, and decide for themselves."""

_ANSWERING: Final = frozenset({"webscraper/webscraper"})
"""Tools that report a missing required parameter in their answer instead of failing. [QUIRK]"""


def diagnose_tool(node: "ToolNode", entry: NodeEntry, installation: Installation) -> Iterator[Diagnostic]:
    """Yield every reason why a call will fail, and settings without effect."""
    where = f"{entry.where}.tool_name" if entry.data.get("tool_name") else f"{entry.where}.type"
    try:
        tool = installation.tools.known(node.name)
    except ToolNotFound as failure:
        yield no_tool(failure, where)
        return
    if tool is None:
        return
    tool = tool.with_settings(node.given.settings)
    yield from diagnose_speech(entry.data, installation, f"{entry.where}.tool_configurations")
    given = {given.name for given in node.given.parameters}
    for parameter in tool.parameters:
        needed = parameter.required and parameter.form == "llm" and parameter.default is None
        if needed and parameter.name not in given and node.name.provider_type in _CHECKED:
            severity: Severity = "warning" if str(node.name) in _ANSWERING else "will_fail"
            params = {"name": parameter.name, "tool": str(node.name)}
            where, remedy = f"{entry.where}.tool_parameters", Phrase("remedy.fill_in")
            yield Diagnostic("tool.parameter", params, where=where, severity=severity, remedy=remedy)
        chosen = node.given.settings.get(parameter.name)
        if node.is_current or parameter.type != "select" or chosen is None or not chosen.is_constant:
            continue
        if parameter.form == "form" and parameter.options and chosen.constant not in ("", *parameter.options):
            where = f"{entry.where}.tool_configurations.{parameter.name}"
            yield will_fail("tool.no_option", where, name=parameter.name, options=", ".join(parameter.options))
    for name in given:
        if tool.parameter(name) is None:
            has = ", ".join(parameter.name for parameter in tool.parameters) or "none"
            params = {"name": name, "tool": str(node.name), "known": has}
            where = f"{entry.where}.tool_parameters.{name}"
            yield Diagnostic("tool.unknown_parameter", params, where=where, severity="warning")


def no_tool(failure: ToolNotFound, where: str) -> Diagnostic:
    return will_fail(failure.what.code, where, failure.remedy, **failure.what.params)
