"""The shape of a test file: ``NAME.test.yml`` beside ``NAME.yml``.

The structs are the schema: ``case_file_reader`` checks a file by them, and ``jikko schema test`` prints them as JSON
Schema. Their docstrings are its descriptions.
"""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, field

Outside: TypeAlias = Literal["refuse", "replay", "fake", "live"]
"""What answers a call that no mock answers: nothing, and the case has an error; what ``jikko test --record`` kept; fake
models; the real world."""
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=600)]


class MockAnswer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"json_": "json"}):
    """How a call from a node to the outside is answered."""

    error: str = ""
    """The call fails with this message."""
    delay: Seconds = 0.0
    """Seconds that the answer takes."""
    times: Annotated[int, Meta(ge=1)] | None = None
    """How many calls it answers; by default all."""


class NodeMock(MockAnswer, frozen=True, kw_only=True, omit_defaults=True):
    """Stands for a node, which does not run."""

    error_type: str = "MockedError"
    """The `error_type` that a fail branch gets of its error."""
    outputs: dict[str, Any] = {}
    branch: str = ""
    """The handle by which a branching node leaves: the id of a case, a class or an action; ``true`` or ``false``."""


class NodeRule(MockAnswer, frozen=True, kw_only=True):
    """Answers calls of one node, or of every node."""

    node: str = ""
    """Id or title."""


class FunctionCallAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """A tool that a model calls."""

    name: str
    arguments: dict[str, Any] = {}


class ModelRule(NodeRule, frozen=True, kw_only=True):
    """Answers calls of language models."""

    model: str = ""
    prompt: Any = UNSET
    """A matcher for the text of all messages."""
    answer: Any = ""
    """A text, or a value that the model writes as JSON."""
    tool_calls: list[FunctionCallAnswer] = []
    tokens: Annotated[int, Meta(ge=0)] | None = None
    price: Annotated[float, Meta(ge=0)] = 0.0


class HttpRule(NodeRule, frozen=True, kw_only=True):
    """Answers HTTP requests."""

    method: str = ""
    url: Any = UNSET
    """A matcher; a text is the whole URL."""
    body: Any = UNSET
    """A matcher for the text of the request, or for its value if it is JSON."""
    status: Annotated[int, Meta(ge=100, le=599)] = 200
    headers: dict[str, str] = {}
    text: str = ""
    json_: Any = UNSET


class ToolRule(NodeRule, frozen=True, kw_only=True):
    """Answers calls of tools, of tool nodes and of agents."""

    tool: str = ""
    """``TOOL`` or ``PROVIDER/TOOL``."""
    parameters: Any = UNSET
    """A matcher."""
    text: str = ""
    json_: Any = UNSET
    variables: dict[str, Any] = {}


class Passage(Struct, frozen=True, forbid_unknown_fields=True):
    """A text that a search finds."""

    content: str
    title: str = ""
    """The name of its document."""
    score: float = 1.0
    dataset: str = ""
    metadata: dict[str, Any] = {}


class KnowledgeRule(NodeRule, frozen=True, kw_only=True):
    """Answers searches of datasets."""

    query: Any = UNSET
    """A matcher."""
    passages: list[Passage] = []


class MockForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a form is submitted."""

    action: str
    """The id or the title of the button."""
    values: dict[str, Any] = {}


class Mocks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in the place of the outside; of the file, and of each case. Those of a case come first."""

    mocks: dict[str, NodeMock | list[NodeMock]] = {}
    """By the id or title of a node. A list answers one call after the other."""
    models: list[ModelRule] = []
    http: list[HttpRule] = []
    tools: list[ToolRule] = []
    knowledge: list[KnowledgeRule] = []
    forms: dict[str, Literal["timeout"] | MockForm | list[Literal["timeout"] | MockForm]] = {}
    """By the id or title of a human-input node. A list answers one form after the other."""


class RunBudget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run may use at most."""

    model_calls: int | None = None
    tokens: int | None = None
    price: float | None = None
    seconds: float | None = None
    nodes: int | None = None


class NodeExpectation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is expected of a node; of one that ran several times, of its last execution."""

    status: Literal["succeeded", "failed", "exception", ""] = ""
    inputs: Any = UNSET
    outputs: Any = UNSET
    error: Any = UNSET
    runs: Annotated[int, Meta(ge=0)] | None = None
    attempts: Annotated[int, Meta(ge=1)] | None = None


class Expectation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is expected of a run."""

    status: Literal["succeeded", "partial-succeeded", "failed", "stopped", "paused", ""] = ""
    """By default ``succeeded`` or ``partial-succeeded``; ``failed`` where an ``error`` is expected, ``paused`` with
    ``waits_for``."""
    outputs: Any = UNSET
    """A matcher for each output; others may be there."""
    answer: Any = UNSET
    """A matcher for the answer of a chat."""
    error: Any = UNSET
    path: list[str] = []
    """Ids or titles of nodes that start in this order; others may lie between."""
    not_run: list[str] = []
    waits_for: str = ""
    """The node whose form the run waits for at its end."""
    nodes: dict[str, NodeExpectation] = {}
    budget: RunBudget = field(default_factory=RunBudget)
    snapshot: bool = False
    """Whether status, outputs, answer and path are those that ``jikko test --update`` saw last."""


class CaseTurn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question to a chat, and what is expected of its answer."""

    say: str
    files: list[str] = []
    """Paths, from the folder of the test file."""
    expect: Expectation = field(default_factory=Expectation)


class FlowCase(Mocks, frozen=True, kw_only=True):
    """One case. Texts in it may hold ``$row.NAME``."""

    name: str
    skip: str = ""
    """Why it is not run."""
    rows: list[dict[str, Any]] | str = []
    """The case runs once for each: values, or a ``.jsonl``, ``.json`` or ``.csv`` file that has them."""
    inputs: dict[str, Any] = {}
    """A file is ``@PATH``, from the folder of the test file; ``@@`` is an ``@``."""
    turns: list[CaseTurn] = []
    clock: str = ""
    outside: Outside | Literal[""] = ""
    expect: Expectation = field(default_factory=Expectation)


class ScoreRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"not_": "not"}):
    """How good what came of a row is, from 0 to 1: by a matcher, a judge, a program, or the least of these."""

    of: str = ""
    """The output that is looked at; by default the answer of a chat, the only output, or all of them."""
    judge: str = ""
    """The file of a prompt, from the folder of the test file; ``$value`` and ``$row.NAME`` stand for values."""
    model: str = ""
    """Of the judge: ``PROVIDER/MODEL``."""
    python: str = ""
    """The file of a program: ``def main(value, row)`` returns ``{"score": …}``. It runs as code nodes do."""
    equals: Any = UNSET
    contains: Any = UNSET
    matches: Any = UNSET
    schema: Any = UNSET
    near: Any = UNSET
    within: Any = UNSET
    one_of: Any = UNSET
    not_: Any = UNSET
    length: Any = UNSET
    any_order: Any = UNSET


class Evaluation(FlowCase, frozen=True, kw_only=True):
    """One case for many rows, each of which is scored."""

    name: str = "row"
    repeat: Annotated[int, Meta(ge=1, le=100)] = 1
    """How often each row runs."""
    score: dict[str, ScoreRule] = {}
    gate: list[str] = []
    """What has to hold: ``mean(SCORE) >= 0.9``, ``p95(seconds) < 4``, ``no worse than FILE``."""


class Defaults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for all cases that do not say otherwise."""

    outside: Outside = "refuse"
    clock: str = ""
    """When each run begins: ISO 8601, with a time zone. Programs of code nodes have the clock of the machine."""


class CaseFile(Mocks, frozen=True, kw_only=True):
    """A test file of Jikko."""

    workflow: str = ""
    """The workflow file, from the folder of the test file; by default the file of the same name."""
    defaults: Defaults = field(default_factory=Defaults)
    env: dict[str, Any] = {}
    """Values for environment variables of the workflow."""
    cases: list[FlowCase] = []
    evaluate: Evaluation | None = None


def is_given(value: Any) -> bool:
    """Whether the file has the field."""
    return not isinstance(value, UnsetType)
