"""The spans of runs that really ran, made of their logs."""

import json

import pytest
from msgspec.structs import replace

from jikko.apps.end_users import trigger_user
from jikko.events import Event, NodeFinished, Round, RunFinished, RunRetried, RunStarted, Usage
from jikko.observing.traces import spans as names
from jikko.observing.traces.run_traces import is_chosen
from jikko.observing.traces.spans import Span, spans_of
from jikko.record import RunIdentity
from jikko.trace_context import span_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio

IDENTITY = RunIdentity(
    run_id="0199a1b2-0000-7000-8000-00000000abcd",
    task_id="t",
    app_id="a-1",
    workflow_id="w",
    version="1",
    end_user_id="e",
    user="anna",
)


async def spans_of_a_run(world: World, *failing: str) -> list[Span]:
    world.script.failing = set(failing)
    app, process = await world.chain(), world.process()
    identity = (await process.start(app)).record.identity
    await world.ended(identity.run_id)
    return spans_of(identity, app.name, await world.store.events(identity.run_id))


def node(id_: str, at: float = 2.0, **given: object) -> NodeFinished:
    fields = {"node_id": id_, "execution_id": f"x-{id_}", "node_type": "code", "index": 1, "started_at": 1.0}
    return NodeFinished(**{**fields, "at": at, "elapsed": at - 1.0, "status": "succeeded", **given})  # type: ignore[arg-type]


def folded(*between: Event, trace: str = "", status: str = "succeeded") -> list[Span]:
    end = RunFinished(at=9.0, status=status, elapsed=8.0)  # type: ignore[arg-type]
    return spans_of(IDENTITY, "Triage", [RunStarted(at=1.0, inputs={}, system={}, trace=trace), *between, end])


async def test_a_run_is_a_span_and_so_is_each_execution_below_it(world: World) -> None:
    root, *nodes = await spans_of_a_run(world)
    assert root.name == "invoke_workflow Chain"
    assert root.attributes[names.STATUS] == "succeeded"
    assert root.attributes[names.RUN].replace("-", "") == root.trace_id  # type: ignore[union-attr]
    assert [span.attributes[names.NODE] for span in nodes] == ["start", "a", "b", "c", "end"]
    assert {(span.trace_id, span.parent_id, span.failed) for span in nodes} == {(root.trace_id, root.span_id, False)}
    assert len({span.span_id for span in (root, *nodes)}) == 6
    assert all(root.started_at <= span.started_at <= span.ended_at <= root.ended_at for span in nodes)


async def test_a_node_that_fails_and_its_run_say_so_without_what_it_said(world: World) -> None:
    root, *nodes = await spans_of_a_run(world, "b")
    failed = nodes[-1]
    assert (root.failed, failed.failed, failed.attributes[names.NODE]) == (True, True, "b")
    assert root.attributes[names.ERROR_TYPE] == failed.attributes[names.ERROR_TYPE]


def test_a_call_of_a_model_is_named_as_others_name_it() -> None:
    used = {"model_name": "gpt", "model_provider": "openai", "finish_reason": "stop"}
    usage = Usage(total_tokens=5, prompt_tokens=3, completion_tokens=2)
    _, span = folded(node("ask", node_type="llm", process_data=used, usage=usage))
    assert (span.name, span.is_client) == ("chat gpt", True)
    assert span.attributes[names.OPERATION] == "chat"
    assert span.attributes[names.PROVIDER] == "openai"
    assert (span.attributes[names.INPUT_TOKENS], span.attributes[names.OUTPUT_TOKENS]) == (3, 2)
    assert span.attributes[names.FINISH_REASONS] == ["stop"]


def test_what_is_within_a_container_is_below_it() -> None:
    within = (Round("x-each", "each", "iteration", 4),)
    _, inner, outer = folded(node("inner", rounds=within), node("each", 3.0, node_type="iteration"))
    assert inner.parent_id == outer.span_id == span_of("x-each")
    assert inner.attributes[names.ROUND] == 4


def test_a_caller_that_is_in_a_trace_is_above_the_run() -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    root, below = folded(node("a"), trace=f"00-{trace}-{span}-01")
    assert (root.trace_id, root.parent_id, root.parent_is_remote) == (trace, span, True)
    assert (below.trace_id, below.parent_id) == (trace, root.span_id)


def test_what_another_run_did_that_this_one_repeats_is_left_to_that() -> None:
    root, span = folded(node("a"), RunRetried(at=5.0, run_id="r", from_nodes=["b"]), node("b", 6.0))
    assert span.attributes[names.NODE] == "b"
    assert root.started_at == 5.0


@pytest.mark.parametrize(("ratio", "least", "most"), [(0.0, 0, 0), (0.25, 150, 350), (1.0, 1000, 1000)])
def test_the_part_of_runs_that_is_traced_is_chosen_by_their_ids(ratio: float, least: int, most: int) -> None:
    chosen = [number for number in range(1000) if is_chosen(f"run-{number}", ratio)]
    assert least <= len(chosen) <= most
    assert chosen == [number for number in range(1000) if is_chosen(f"run-{number}", ratio)]


def test_prompts_and_answers_are_in_a_span_only_if_that_is_wanted_and_not_endlessly() -> None:
    used = {
        "model_name": "gpt",
        "model_provider": "openai",
        "prompts": [{"role": "system", "text": "Be kind 🙂", "files": []}, {"role": "user", "text": "x" * 1_000_000}],
    }
    events = [
        node("ask", node_type="llm", process_data=used, outputs={"text": "答え"}),
        node("code", outputs={"text": "t"}),
    ]
    log: list[Event] = [RunStarted(at=1.0, inputs={"q": "in"}, system={}), *events]

    _, without, _ = spans_of(IDENTITY, "Triage", log)
    _, asked, code = spans_of(IDENTITY, "Triage", log, content=True)

    assert not {names.INPUT_MESSAGES, names.OUTPUT_MESSAGES} & without.attributes.keys()
    assert not {names.INPUT_MESSAGES, names.OUTPUT_MESSAGES} & code.attributes.keys()
    first, second = json.loads(str(asked.attributes[names.INPUT_MESSAGES]))
    assert first == {"role": "system", "parts": [{"type": "text", "content": "Be kind 🙂"}]}
    assert second["parts"][0]["content"] == "x" * 16_000 + "… (984000 more characters)"
    [answer] = json.loads(str(asked.attributes[names.OUTPUT_MESSAGES]))
    assert answer["parts"][0]["content"] == "答え"


def test_the_state_of_its_trace_is_in_all_spans_of_a_run() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 rojo=1"
    assert {span.state for span in folded(node("a"), trace=trace)} == {"rojo=1"}


def test_the_span_of_a_run_says_which_trigger_started_it() -> None:
    identity = replace(IDENTITY, end_user_id=trigger_user(IDENTITY.app_id, "webhook"))
    started = RunStarted(at=1.0, inputs={}, system={}, entry="受信")

    [of_trigger] = spans_of(identity, "注文", [started])
    [of_client] = spans_of(IDENTITY, "注文", [replace(started, entry="")])

    assert of_trigger.attributes[names.TRIGGER] == "webhook"
    assert of_trigger.attributes[names.TRIGGER_NODE] == "受信"
    assert names.TRIGGER not in of_client.attributes
