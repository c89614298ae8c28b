"""Script of one test case: answers to its calls, and the calls made. Decides only."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from jikko.graph.compiled import CompiledNode
from jikko.ports.http import OutgoingRequest
from jikko.ports.knowledge import SearchRequest
from jikko.ports.models import ModelRequest
from jikko.ports.tools import ToolCall, ToolName
from jikko.proving.case_file import (
    CaseFile,
    FlowCase,
    HttpRule,
    KnowledgeRule,
    MockAnswer,
    MockForm,
    Mocks,
    ModelRule,
    NodeMock,
    NodeRule,
    Outside,
    ToolRule,
    is_given,
)
from jikko.proving.matching import fits, shown
from jikko.values import json_value

A = TypeVar("A", bound=MockAnswer)
R = TypeVar("R", bound=NodeRule)
N = TypeVar("N")


class Answers(list[tuple[A, list[int]]]):
    """Rules in order, each with its remaining calls; -1: unlimited."""

    def __init__(self, rules: Iterable[A], times: int | None = None) -> None:
        super().__init__((rule, [rule.times or times or -1]) for rule in rules)

    def take(self, is_meant: Callable[[A], bool]) -> A | None:
        """Take the first matching rule; ``None`` if none is left."""
        for rule, left in self:
            if left[0] and is_meant(rule):
                left[0] -= left[0] > 0
                return rule
        return None


class CaseScript:
    def __init__(self, case: FlowCase, file: CaseFile) -> None:
        self.outside: Outside = case.outside or file.defaults.outside
        self.refused: list[str] = []
        """Unanswered calls, a sentence each."""
        self.model_calls = 0
        # Separate, the case's first: one may name a node by id and the other by title.
        self._mocks = [{name: _nodes(mock) for name, mock in given.mocks.items()} for given in (case, file)]
        self._forms = [{name: list(forms_of(form)) for name, form in given.forms.items()} for given in (case, file)]
        self._models = Answers([*case.models, *file.models])
        self._http = Answers([*case.http, *file.http])
        self._tools = Answers([*case.tools, *file.tools])
        self._knowledge = Answers([*case.knowledge, *file.knowledge])

    def mock(self, node: CompiledNode) -> NodeMock | None:
        """Return the mock for this execution of a node; ``None``: it runs. An exhausted mock fails."""
        answers = _named(self._mocks, node.id, node.title)
        if answers is None:
            return None
        taken = answers.take(lambda mock: True)
        if taken is None:
            count = len(answers)
            text = f"the mock of {_name(node)} has {count} answer{'s' * (count != 1)}, and the node runs once more"
            return NodeMock(error=self.refuse(text))
        return taken

    def form(self, node_id: str, title: str) -> MockForm | str | None:
        """Return the submission of a form; ``timeout``, or ``None`` if there is none."""
        answers = _named(self._forms, node_id, title)
        if not answers:
            return None
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def model(self, node: CompiledNode, request: ModelRequest) -> ModelRule | None:
        self.model_calls += 1
        prompt = "\n".join(message.text for message in request.messages)
        name = request.provider.rpartition("/")[2] + "/" + request.model
        return self._take(
            self._models,
            node,
            lambda rule: rule.model in ("", request.model, name) and _fit(rule.prompt, prompt),
            f"model {name} (prompt: {shown(prompt)})",
            "models",
            is_faked=self.outside == "fake",
        )

    def http(self, node: CompiledNode, request: OutgoingRequest) -> HttpRule | None:
        body = _body_of(request)
        return self._take(
            self._http,
            node,
            lambda rule: (
                rule.method.upper() in ("", request.method.upper())
                and _fit(rule.url, request.url)
                and (_fit(rule.body, body) or _fit(rule.body, json_value(body, body)))
            ),
            f"{request.method.upper()} {request.url}",
            "http",
        )

    def tool(self, node: CompiledNode, call: ToolCall) -> ToolRule | None:
        name = call.tool.name
        return self._take(
            self._tools,
            node,
            lambda rule: _is_tool(rule, name) and _fit(rule.parameters, dict(call.parameters)),
            f"tool {name} with {shown(dict(call.parameters))}",
            "tools",
        )

    def knows_tool(self, name: ToolName) -> bool:
        return any(_is_tool(rule, name) for rule, _ in self._tools)

    def search(self, node: CompiledNode, request: SearchRequest) -> KnowledgeRule | None:
        return self._take(
            self._knowledge,
            node,
            lambda rule: _fit(rule.query, request.query),
            f"a search for {shown(request.query)}",
            "knowledge",
        )

    def refuse(self, text: str) -> str:
        """Record an unanswered call. Returns the sentence."""
        self.refused.append(text)
        return text

    def _take(
        self,
        answers: Answers[R],
        node: CompiledNode,
        is_meant: Callable[[R], bool],
        what: str,
        field: str,
        *,
        is_faked: bool = False,
    ) -> R | None:
        rule = answers.take(lambda rule: rule.node in ("", node.id, node.title) and is_meant(rule))
        if rule is None and self.outside != "live" and not is_faked:
            rules = (
                "no rule" if not answers else f"none of the {len(answers)} rules" if len(answers) > 1 else "the rule"
            )
            verb = "of `{0}` answers" if answers else "in `{0}` answers"
            self.refuse(f"{_name(node)} calls {what}: {rules} {verb.format(field)} it")
        return rule


def _name(node: CompiledNode) -> str:
    return repr(node.title or node.id)


def _nodes(mock: NodeMock | Sequence[NodeMock]) -> Answers[NodeMock]:
    return Answers([mock]) if isinstance(mock, NodeMock) else Answers(mock, times=1)


def forms_of(form: str | MockForm | Sequence[MockForm | str]) -> Sequence[MockForm | str]:
    """Return the answers to a node's forms, in order."""
    return [form] if isinstance(form, (str, MockForm)) else form


def _named(given: Iterable[Mapping[str, N]], *names: str) -> N | None:
    return next((each[name] for each in given for name in names if name in each), None)


def _fit(expected: Any, actual: Any) -> bool:
    return not is_given(expected) or fits(expected, actual)


def _is_tool(rule: ToolRule, name: ToolName) -> bool:
    providers = (name.provider, name.provider_name, name.provider.rpartition("/")[2])
    return rule.tool in ("", name.tool, *(f"{provider}/{name.tool}" for provider in providers))


def _body_of(request: OutgoingRequest) -> str:
    body = request.body
    if body is None:
        return ""
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(dict(body.fields))


def node_names(mocks: Mocks) -> list[tuple[str, str]]:
    """Return the paths at which mocks name nodes, with the names."""
    named = [(f"mocks.{name}", name) for name in mocks.mocks] + [(f"forms.{name}", name) for name in mocks.forms]
    fields: tuple[tuple[str, Sequence[NodeRule]], ...] = (
        ("models", mocks.models),
        ("http", mocks.http),
        ("tools", mocks.tools),
        ("knowledge", mocks.knowledge),
    )
    for field, rules in fields:
        named += [(f"{field}[{index}].node", rule.node) for index, rule in enumerate(rules) if rule.node]
    return named
