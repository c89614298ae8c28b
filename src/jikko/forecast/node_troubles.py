"""What is wrong with a node, taken by itself: it will fail when it runs, or may."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jikko.apps.model_needs import needs_of
from jikko.dsl.document import Document, NodeEntry, Variable
from jikko.engine.masked import mask
from jikko.forecast.addresses import known_start, trouble_of_url
from jikko.forecast.finding import Trouble
from jikko.forecast.installation import Installation
from jikko.forecast.known_variables import KnownVariables
from jikko.forecast.model_objections import objection
from jikko.forecast.variable_troubles import troubles_of_arguments, troubles_of_variables
from jikko.nodes.contract import Node, NodeFailure
from jikko.nodes.flow.trigger import Trigger
from jikko.nodes.mocked import Mocked
from jikko.nodes.unsupported import Unsupported

if TYPE_CHECKING:
    from jikko.nodes.data.code import Code
    from jikko.nodes.data.template_transform import TemplateTransform
    from jikko.nodes.flow.human_input import HumanInput
    from jikko.nodes.flow.start import Start
    from jikko.nodes.http.http_request import HttpRequest
    from jikko.nodes.model.llm import Llm
    from jikko.nodes.model.parameter_extractor import ParameterExtractor
    from jikko.nodes.model.question_classifier import QuestionClassifier


def troubles_of(
    node: Node, entry: NodeEntry, document: Document, known: KnownVariables, installation: Installation
) -> Iterator[Trouble]:
    """Every reason that is known before a run.

    Args:
        node: The compiled node of ``entry``.
        known: The variables of ``document``.
    """
    match node:
        case Mocked():
            yield from _of_mock(node, entry)
        case Unsupported():
            yield Trouble("node_type", f"{entry.where}.type", f"{node.subject} cannot be run by Jikko", node.instead)
        case Trigger():
            what = f"{entry.type!r} starts no run here: the API does, and what the node gives is null then"
            yield Trouble("node_type", f"{entry.where}.type", what, harmless=True)
        case _:
            yield from _of_type(node, entry, document, known, installation)


def _of_type(
    node: Any,
    entry: NodeEntry,
    document: Document,
    known: KnownVariables,
    installation: Installation,
) -> Iterator[Trouble]:
    """By the names of types: a file has few of them, and what others need is not imported for it."""
    match node.type:
        case "code":
            yield from _of_code(node, f"{entry.where}.code", installation)
            yield from troubles_of_arguments(node, entry, known)
        case "template-transform":
            yield from _of_template(node, f"{entry.where}.template", installation)
            yield from troubles_of_variables(node, entry, known)
            yield from troubles_of_arguments(node, entry, known)
        case "llm":
            from jikko.forecast.prompt_troubles import trouble_of_no_prompt, troubles_of_prompt

            yield from troubles_of_prompt(node, entry, known)
            yield from _of_model(node, entry, installation)
            yield from trouble_of_no_prompt(node, entry)
        case "parameter-extractor" | "question-classifier":
            yield from _of_model(node, entry, installation)
        case "http-request":
            yield from _of_request(node, entry, document.environment, installation)
        case "human-input":
            yield from _of_form(node, entry)
        case "agent":
            from jikko.forecast.agent_troubles import troubles_of_agent

            yield from troubles_of_agent(node, entry, installation)
        case "tool":
            from jikko.forecast.tool_troubles import troubles_of_tool

            yield from troubles_of_tool(node, entry, installation.tools)
        case "knowledge-retrieval":
            from jikko.forecast.knowledge_troubles import troubles_of_retrieval

            yield from troubles_of_retrieval(node, entry, known, installation)
        case "start":
            yield from _of_inputs(node, entry)
        case _:
            yield from troubles_of_variables(node, entry, known)


def fails_with(node: Mocked) -> str | None:
    """What a mocked node fails with, if it does."""
    try:
        if node.failure is None:
            node.handle()
    except NodeFailure as error:
        return str(error)
    return node.failure


def _of_mock(node: Mocked, entry: NodeEntry) -> Iterator[Trouble]:
    failure = fails_with(node)
    if failure is not None:
        yield Trouble("mock", f"{entry.where}.type", f"is mocked, and fails so: {failure.removesuffix('.')}")


def _of_code(node: "Code", where: str, installation: Installation) -> Iterator[Trouble]:
    if installation.no_sandbox is not None:
        yield Trouble("sandbox", where, installation.no_sandbox)
    elif node.language == "javascript":
        from jikko.forecast.javascript_code import troubles_of_javascript

        yield from troubles_of_javascript(node.code, where)
    else:
        from jikko.forecast.python_code import troubles_of_python

        yield from troubles_of_python(node.code, where, installation.has_module, [name for name, _ in node.variables])


def _of_template(node: "TemplateTransform", where: str, installation: Installation) -> Iterator[Trouble]:
    # Loaded only for files that have a template.
    from jinja2 import TemplateSyntaxError
    from jinja2.sandbox import SandboxedEnvironment

    if installation.no_sandbox is not None:
        yield Trouble("sandbox", where, installation.no_sandbox)
    try:
        SandboxedEnvironment(cache_size=0).parse(node.template)
    except TemplateSyntaxError as error:
        what = f"the template cannot be read: {(error.message or '').removesuffix('.')} (line {error.lineno} of it)"
        yield Trouble("code", where, what)
    except (RecursionError, MemoryError, ValueError):
        yield Trouble("code", where, "the template cannot be read: it is nested too deeply")


def _of_model(
    node: "Llm | ParameterExtractor | QuestionClassifier", entry: NodeEntry, installation: Installation
) -> Iterator[Trouble]:
    where = f"{entry.where}.model"
    if not node.model.provider or not node.model.name:
        yield Trouble("model", where, "no model is chosen in this node", "choose one")
        return
    for need in () if installation.fake_models else needs_of([(entry.id, entry.data)]):
        found = objection(need, installation.providers, installation.missing_library)
        if found is not None:
            yield Trouble("model", where, found.what, found.hint)


def _of_request(
    node: "HttpRequest", entry: NodeEntry, variables: Sequence[Variable], installation: Installation
) -> Iterator[Trouble]:
    environment = {variable.name: variable.value for variable in variables}
    if node.api_key is not None:
        key, is_whole = known_start(node.api_key.key, environment)
        if is_whole and not key.strip():
            names = [selector[1] for selector in node.api_key.key.selectors]
            hint = f"give the environment variable {names[0]} a value" if names else "enter it in the node"
            where = f"{entry.where}.authorization.config.api_key"
            yield Trouble("secret", where, "API key is required for authorization but was empty", hint)
    secrets = {variable.name: mask(str(variable.value)) for variable in variables if variable.value_type == "secret"}
    found = trouble_of_url(node.url, environment, environment | secrets, f"{entry.where}.url", installation)
    if found is not None:
        yield found


def _of_form(node: "HumanInput", entry: NodeEntry) -> Iterator[Trouble]:
    if entry.container is not None:
        yield Trouble(
            "form",
            f"{entry.where}.type",
            "a human-input node cannot stand inside an iteration or a loop",
            "ask in front of it",
        )
    elif not node.on_web:
        what = "the form cannot be submitted over the API, and the run waits until its time is up"
        yield Trouble("form", entry.where, what, "switch on the delivery method 'webapp'", harmless=True)


def _of_inputs(node: "Start", entry: NodeEntry) -> Iterator[Trouble]:
    for index, variable in enumerate(node.variables):
        if variable.type == "select" and variable.required and not variable.options:
            where = f"{entry.where}.variables[{index}]"
            what = f"{variable.name} in input form must be one of the following: [], so no value will do"
            yield Trouble("inputs", where, what, "give the selection options")
