"""Events of a node: all identify their execution and its outcome."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from jikko.engine import event_factory
from jikko.events import AgentLogged, NodeStarted, Round, Update, Usage
from jikko.nodes.contract import NodeFailure, NodePaused, Result
from jikko.ports.tools import LogMessage
from tests.engine.graphs import CLASSES, Work, edges, graph, node, run

pytestmark = pytest.mark.anyio

ROUND = Round(execution_id="e0", node_id="each", kind="loop", index=4)
STARTED = NodeStarted(
    at=5.0,
    execution_id="e1",
    node_id="n",
    node_type="code",
    title="Its title",
    index=7,
    predecessor="before",
    rounds=(ROUND,),
    icon="x.svg",
)
SHARED = ("execution_id", "node_id", "node_type", "title", "index", "predecessor", "rounds")
USAGE = Usage(total_tokens=3, total_price="0.5", currency="USD")
SAID: dict[str, Any] = {
    "inputs": {"i": 1},
    "process_data": {"p": 2},
    "outputs": {"o": 3},
    "usage": USAGE,
    "metadata": {"m": 4},
    "steps": 6,
}
FAILURE = NodeFailure("it broke", kind="BrokenError", **SAID)


def compiled(**data: Any) -> Any:
    return graph([node("n", **data)], []).nodes["n"]


def fields_of(event: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(event, name) for name in names}


def test_a_start_tells_of_which_node_it_is() -> None:
    event = event_factory.started(compiled(title="Its title"), 7, "before", (ROUND,), 5.0, "x.svg")

    given = fields_of(STARTED, tuple(name for name in NodeStarted.__struct_fields__ if name != "execution_id"))
    assert fields_of(event, tuple(given)) == given
    assert event.execution_id != event_factory.started(compiled(), 7, None, (), 5.0, None).execution_id


RESULT = Result(**SAID, handle="b", updates=(Update(("v", "x"), 1),), resources=({"r": 5},))
WHOLE = {"at": 9.0, "started_at": 5.0, "elapsed": 4.0, "announced": False, **fields_of(STARTED, SHARED)}


def test_a_node_that_did_its_work_hands_on_all_that_it_gave() -> None:
    event = event_factory.succeeded(STARTED, RESULT, at=9.0, elapsed=4.0, announced=False)

    given = {**WHOLE, **SAID, "handle": "b", "updates": RESULT.updates, "resources": RESULT.resources}
    assert fields_of(event, (*given, "status", "error")) == {**given, "status": "succeeded", "error": None}


@pytest.mark.parametrize(
    ("strategy", "status", "handle", "outputs"),
    [
        (None, "failed", "source", {"o": 3}),
        ("fail-branch", "exception", "fail-branch", {}),
        ("default-value", "exception", "source", {"d": 1}),
    ],
)
def test_a_node_that_failed_tells_why_and_what_its_strategy_makes_of_it(
    strategy: str | None, status: str, handle: str, outputs: dict[str, Any]
) -> None:
    data: dict[str, Any] = {"error_strategy": strategy} if strategy else {}
    if strategy == "default-value":
        data["default_value"] = [{"key": "d", "type": "number", "value": 1}]
    event = event_factory.failed(compiled(**data), STARTED, FAILURE, at=9.0, elapsed=4.0, announced=False)

    if strategy:
        outputs = {**outputs, "error_message": "it broke", "error_type": "BrokenError"}
    given = {**WHOLE, **SAID, "outputs": outputs, "handle": handle, "status": status, "error": "it broke"}
    given |= {"error_type": "BrokenError", "strategy": strategy}
    assert fields_of(event, tuple(given)) == given


def test_an_attempt_that_is_made_again_tells_what_the_last_one_did() -> None:
    event = event_factory.attempted(STARTED, FAILURE, attempt=2, at=9.0, elapsed=4.0)

    names = ("inputs", "process_data", "outputs", "usage", "metadata")
    given = {**fields_of(STARTED, SHARED), **{name: SAID[name] for name in names}}
    given |= {"at": 9.0, "started_at": 5.0, "elapsed": 4.0, "attempt": 2, "error": "it broke"}
    assert fields_of(event, (*given, "error_type")) == {**given, "error_type": "BrokenError"}


def test_a_form_belongs_to_the_execution_that_waits() -> None:
    pause = NodePaused({"f": 1}, source="text", expires_at=99.0)
    event = event_factory.suspended(STARTED, pause, 9.0)

    given = {"execution_id": "e1", "node_id": "n", "title": "Its title", "form": {"f": 1}, "source": "text"}
    assert fields_of(event, (*given, "at", "expires_at")) == {**given, "at": 9.0, "expires_at": 99.0}
    assert event.form_id != event_factory.suspended(STARTED, pause, 9.0).form_id


def test_what_a_node_did_not_foresee_is_told_by_its_text_or_else_its_kind() -> None:
    found = [event_factory.unexpected(compiled(), error) for error in (KeyError("k"), ValueError())]

    assert [(str(failure), failure.kind) for failure in found] == [
        ("'k'", "WorkflowNodeError"),
        ("ValueError", "WorkflowNodeError"),
    ]


@dataclass(frozen=True)
class Logging(Work):
    """A node that keeps a log, as agents do."""

    type: ClassVar[str] = "code"

    async def run(self, ctx: Any) -> Result:
        ctx.log(LogMessage(**ENTRY))
        return await super().run(ctx)


ENTRY: dict[str, Any] = {
    "id": "l1",
    "label": "Thinks",
    "parent_id": "l0",
    "status": "error",
    "error": "it broke",
    "data": {"d": 1},
    "metadata": {"m": 2},
}


async def test_an_entry_of_a_nodes_own_log_is_told_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLASSES, "code", Logging)
    log = await run(graph([node("n")], edges("start --> n")))

    [event] = [event for event in log.events if isinstance(event, AgentLogged)]
    [began] = [event for event in log.events if isinstance(event, NodeStarted) and event.node_id == "n"]
    given = {**{name: ENTRY[name] for name in ENTRY if name != "id"}, "entry_id": "l1", "node_id": "n"}
    assert fields_of(event, (*given, "execution_id")) == {**given, "execution_id": began.execution_id}


@pytest.mark.parametrize(("tokens", "price", "currency"), [(5, "0.1", "USD"), (0, "", "")])
async def test_the_end_of_a_run_tells_what_it_used_and_cost(tokens: int, price: str, currency: str) -> None:
    log = await run(graph([node("n", tokens=tokens)], edges("start --> n")))

    given = {"total_tokens": tokens, "price": price, "currency": currency, "total_steps": 2, "exceptions_count": 0}
    assert fields_of(log.end, tuple(given)) == given
