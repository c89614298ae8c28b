"""How a run proceeds. Source: docs/dify-behaviour.md, “Graph execution”."""

from typing import Any

import pytest

from jikko.dsl.document import NodeEntry
from jikko.engine.limits import RunLimits
from jikko.engine.state import RunState
from jikko.events import (
    Event,
    FormClosed,
    FormRequested,
    NodeAttempted,
    NodeFinished,
    NodeStarted,
    RoundFinished,
    RunPaused,
    RunRecovered,
    RunResumed,
)
from tests.engine.graphs import Log, edges, graph, iterating, node, resume, run, runner

pytestmark = pytest.mark.anyio


def end(*sources: str) -> NodeEntry:
    return node("end", "end", outputs=[{"variable": name, "value_selector": [name, "value"]} for name in sources])


async def test_outputs_of_the_end_node_are_those_of_the_run() -> None:
    log = await run(graph([node("a", value=7), end("a")], edges("start --> a", "a --> end")))

    assert (log.end.status, log.end.outputs, log.end.total_steps) == ("succeeded", {"a": 7}, 3)


async def test_branches_run_at_the_same_time() -> None:
    log = await run(
        graph(
            [node("slow", pauses=5), node("fast"), end()],
            edges("start --> slow", "start --> fast", "slow --> end", "fast --> end"),
        )
    )

    assert log.finished() == ["start", "fast", "slow", "end"]


async def test_a_node_that_is_run_in_place_and_has_to_wait_holds_nobody_up() -> None:
    log = await run(
        graph(
            [node("waits", "document-extractor", value=7), node("fast", "template-transform"), end("waits")],
            edges("start --> waits", "start --> fast", "waits --> end", "fast --> end"),
        )
    )

    assert log.finished() == ["start", "fast", "waits", "end"]
    assert (log.end.status, log.end.outputs, log.end.total_steps) == ("succeeded", {"waits": 7}, 4)
    assert [event.node_id for event in log.events if isinstance(event, NodeStarted)].count("waits") == 1


async def test_a_branch_that_is_not_taken_leaves_no_trace() -> None:
    log = await run(
        graph(
            [node("if", "question-classifier", handle="yes"), node("a"), node("b"), end("a", "b")],
            edges("start --> if", "if --yes--> a", "if --no--> b", "a --> end", "b --> end"),
        )
    )

    assert "b" not in {event.node_id for event in log.events if isinstance(event, NodeStarted)}
    assert log.end.outputs == {"a": None, "b": None}


@pytest.mark.parametrize("second", ["start", "trigger-webhook", "trigger-schedule"])
async def test_what_only_a_second_start_leads_to_is_skipped_and_a_join_behind_it_runs(second: str) -> None:
    log = await run(
        graph(
            [
                node("other", second, variables=[]),
                node("only"),
                node("further"),
                node("a", value=7),
                node("join", value=8),
                end("a", "join"),
            ],
            edges(
                "other --> only", "only --> further", "further --> join", "start --> a", "a --> join", "join --> end"
            ),
        )
    )

    assert log.finished() == ["start", "a", "join", "end"]
    assert (log.end.status, log.end.outputs) == ("succeeded", {"a": 7, "join": 8})


async def test_a_failure_without_strategy_fails_the_run_at_once() -> None:
    log = await run(
        graph(
            [node("bad", fails=-1), node("slow", pauses=10_000), end()],
            edges("start --> bad", "start --> slow", "bad --> end", "slow --> end"),
        )
    )

    assert (log.end.status, log.end.error, log.end.exceptions_count) == ("failed", "bad broke", 1)
    assert "slow" not in log.finished()
    assert log.end.failed_node is not None
    assert log.end.failed_node.node_id == "bad"


@pytest.mark.parametrize(
    ("strategy", "taken"),
    [
        pytest.param({"error_strategy": "fail-branch"}, "handler", id="fail-branch leads to its own branch"),
        pytest.param(
            {
                "error_strategy": "default-value",
                "default_value": [{"key": "value", "type": "string", "value": "instead"}],
            },
            "normal",
            id="default-value goes on as if nothing had been",
        ),
    ],
)
async def test_an_error_strategy_lets_the_run_go_on(strategy: dict[str, Any], taken: str) -> None:
    log = await run(
        graph(
            [node("bad", fails=-1, **strategy), node("normal"), node("handler"), end("bad")],
            edges(
                "start --> bad", "bad --> normal", "bad --fail-branch--> handler", "normal --> end", "handler --> end"
            ),
        )
        if "default_value" not in strategy
        else graph(
            [node("bad", fails=-1, **strategy), node("normal"), end("bad")],
            edges("start --> bad", "bad --> normal", "normal --> end"),
        )
    )

    assert (log.end.status, log.end.exceptions_count) == ("partial-succeeded", 1)
    assert log.end.failed_node is None, "the run has not failed"
    assert taken in log.finished()
    bad = next(event for event in log.events if isinstance(event, NodeFinished) and event.node_id == "bad")
    assert (bad.status, bad.error) == ("exception", "bad broke")
    assert bad.outputs["error_message"] == "bad broke"
    assert bad.outputs["error_type"] == "TestError"


async def test_a_retry_that_succeeds_makes_the_run_partially_successful() -> None:
    log = await run(
        graph(
            [node("shaky", fails=2, retry_config={"retry_enabled": True, "max_retries": 3}), end("shaky")],
            edges("start --> shaky", "shaky --> end"),
        )
    )

    attempts = [event for event in log.events if isinstance(event, NodeAttempted)]
    assert [event.attempt for event in attempts] == [1, 2]
    assert {(event.error, event.error_type) for event in attempts} == {("shaky broke", "TestError")}
    assert len({event.execution_id for event in attempts}) == 1
    assert (log.end.status, log.end.exceptions_count, log.end.total_steps) == ("partial-succeeded", 2, 5)


async def test_a_retry_waits_without_holding_up_other_branches() -> None:
    retry = {"retry_enabled": True, "max_retries": 1, "retry_interval": 50}
    log = await run(
        graph(
            [node("shaky", fails=1, retry_config=retry), node("other"), node("behind"), end()],
            edges("start --> shaky", "start --> other", "other --> behind", "behind --> end", "shaky --> end"),
        )
    )

    assert log.finished() == ["start", "other", "behind", "shaky", "end"]


async def test_too_many_steps_stop_the_run_with_an_error_that_names_the_limit() -> None:
    chain = [node(f"n{i}") for i in range(10)]
    log = await run(
        graph(chain, edges("start --> n0", *(f"n{i} --> n{i + 1}" for i in range(9)))), limits=RunLimits(max_steps=5)
    )

    assert log.end.status == "stopped"
    assert log.end.error is not None
    assert "Maximum execution steps exceeded: 6 > 5" in log.end.error


async def test_a_run_that_takes_too_long_is_stopped_even_in_the_middle_of_a_node() -> None:
    log = await run(
        graph([node("endless", pauses=10**9)], edges("start --> endless")), limits=RunLimits(max_seconds=0.05)
    )

    assert log.end.status == "stopped"
    assert "Maximum execution time exceeded" in (log.end.error or "")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["code", "template-transform"])
async def test_a_chain_of_ten_thousand_nodes_runs(kind: str) -> None:
    count = 10_000
    chain = [node(f"n{i}", kind) for i in range(count)]
    log = await run(graph(chain, edges("start --> n0", *(f"n{i} --> n{i + 1}" for i in range(count - 1)))))

    assert (log.end.status, log.end.total_steps) == ("succeeded", count + 1)


async def test_a_fan_of_a_thousand_nodes_runs_and_joins_once() -> None:
    fan = [node(f"n{i}") for i in range(1000)]
    connections = edges(*(f"start --> n{i}" for i in range(1000)), *(f"n{i} --> end" for i in range(1000)))
    log = await run(graph([*fan, end()], connections), limits=RunLimits(max_parallel_nodes=16))

    assert (log.end.status, log.end.total_steps) == ("succeeded", 1002)


async def test_branches_that_rejoin_many_times_do_not_multiply() -> None:
    nodes, connections = [], ["start --> if0"]
    for i in range(28):
        nodes += [
            node(f"if{i}", "question-classifier", handle="a"),
            node(f"a{i}", "template-transform"),
            node(f"b{i}", "template-transform"),
        ]
        following = f"if{i + 1}" if i < 27 else "end"
        connections += [f"if{i} --a--> a{i}", f"if{i} --b--> b{i}", f"a{i} --> {following}", f"b{i} --> {following}"]
    log = await run(graph([*nodes, end()], edges(*connections)))

    assert (log.end.status, log.end.total_steps) == ("succeeded", 1 + 28 * 2 + 1)


def iteration(**data: Any) -> list[NodeEntry]:
    return [
        node("items", value=["x", "y", "z"]),
        *iterating("each", ["inner", "value"], **data),
        node("inner", "code", container="each", value=1, pauses=2),
        end(),
    ]


ITERATION_EDGES = edges("start --> items", "items --> each", "each-start --> inner", "each --> end")


@pytest.mark.parametrize("parallel", [False, True])
async def test_an_iteration_runs_its_body_for_each_element(parallel: bool) -> None:
    log = await run(graph(iteration(is_parallel=parallel, parallel_nums=2), ITERATION_EDGES))

    each = next(event for event in log.events if isinstance(event, NodeFinished) and event.node_id == "each")
    assert each.outputs == {"output": [1, 1, 1]}
    inner = [event.rounds[0].index for event in log.events if isinstance(event, NodeFinished) and event.rounds]
    assert sorted(inner) == [0, 1, 2]
    assert log.end.total_steps == 4


@pytest.mark.parametrize(
    ("kind", "before"),
    [("code", ["start", "beside"]), ("template-transform", ["start", "beside", "behind"])],
    ids=["the other goes on", "the other has ended"],
)
async def test_a_node_in_a_task_that_asks_a_human_pauses_the_run_and_runs_again_with_the_answer(
    kind: str, before: list[str]
) -> None:
    beside, behind = node("beside", kind, pauses=9), node("behind", kind)
    compiled = graph(
        [node("ask", "tool", value=7), beside, behind, end("ask")],
        edges("start --> ask", "start --> beside", "beside --> behind", "ask --> end", "behind --> end"),
    )
    log = await run(compiled)
    assert isinstance(log.events[-1], RunPaused)
    assert log.finished() == before
    (form,) = [event for event in log.events if isinstance(event, FormRequested)]

    later, state = Log(), RunState(compiled)
    state.replay(log.events)
    closed = FormClosed(
        at=1.0,
        execution_id=form.execution_id,
        node_id=form.node_id,
        title=form.title,
        form_id=form.form_id,
        action_id="yes",
        rendered_content="",
        expiration_time=60,
    )
    await runner(state, later).run([RunResumed(at=1.0)], [closed])

    assert sorted([*before, *later.finished()]) == ["ask", "behind", "beside", "end", "start"]
    assert (later.end.status, later.end.outputs) == ("succeeded", {"ask": 7})


async def test_no_more_rounds_run_at_once_than_allowed() -> None:
    log = await run(graph(iteration(is_parallel=True, parallel_nums=2), ITERATION_EDGES))

    open_rounds, most = 0, 0
    for event in log.events:
        if isinstance(event, NodeStarted) and event.rounds:
            open_rounds += 1
        elif isinstance(event, NodeFinished) and event.rounds:
            open_rounds -= 1
        most = max(most, open_rounds)
    assert most == 2


async def test_containers_take_no_place_of_the_nodes_that_they_wait_for() -> None:
    compiled = graph(iteration(is_parallel=True, parallel_nums=2), ITERATION_EDGES)

    log = await run(compiled, limits=RunLimits(max_parallel_nodes=1))

    assert (log.end.status, log.finished().count("inner")) == ("succeeded", 3)


@pytest.mark.parametrize("places", [2, 3, 4])
async def test_a_round_that_fails_takes_along_what_waits_for_a_place_in_it(places: int) -> None:
    nodes = [
        node("items", value=[1, 2, 3, 4]),
        *iterating("outer", ["bad", "value"], error_handle_mode="continue-on-error"),
        node("bad", container="outer", fails=-1, pauses=2),
        *iterating("inner", ["leaf", "value"], container="outer", is_parallel=True, parallel_nums=4),
        node("leaf", container="inner", pauses=10),
    ]
    connections = edges(
        "start --> items", "items --> outer", "outer-start --> bad", "outer-start --> inner", "inner-start --> leaf"
    )
    log = await run(graph(nodes, connections), limits=RunLimits(max_parallel_nodes=places))

    assert (log.end.status, log.end.error) == ("succeeded", None)
    assert len([event for event in log.events if isinstance(event, RoundFinished)]) == 4


@pytest.mark.parametrize("parallel", [False, True])
async def test_a_run_goes_on_from_wherever_its_log_ends_without_repeating_finished_nodes(parallel: bool) -> None:
    compiled = graph(iteration(is_parallel=parallel, parallel_nums=2), ITERATION_EDGES)
    whole = await run(compiled)

    for border in range(1, len(whole.events)):
        log = await resume(compiled, whole.events[:border])

        assert log.end.outputs == whole.end.outputs
        assert log.end.total_steps == whole.end.total_steps
        finished = [event.execution_id for event in log.events if isinstance(event, NodeFinished)]
        assert len(finished) == len(set(finished))
        rounds = [event.round for event in log.events if isinstance(event, RoundFinished)]
        assert sorted(rounds) == [0, 1, 2]


async def test_a_container_that_gets_on_between_deaths_is_not_given_up() -> None:
    compiled = graph(iteration(), ITERATION_EDGES)
    whole = await run(compiled)
    events: list[Event] = []
    for event in whole.events[:-1]:
        events.append(event)
        if isinstance(event, RoundFinished):
            events.append(RunRecovered(at=1.0, epoch=2, in_flight=[event.execution_id]))
        if isinstance(event, RoundFinished) and event.round == 2:
            break

    last = await resume(compiled, events)

    assert last.end.status == "succeeded"


async def test_a_run_that_dies_three_times_at_the_same_node_is_given_up() -> None:
    compiled = graph([node("poison", pauses=10**9)], edges("start --> poison"))
    log = await run(compiled, limits=RunLimits(max_seconds=0.01))
    events = log.events[:-1]
    execution = next(e for e in events if isinstance(e, NodeStarted) and e.node_id == "poison").execution_id
    for epoch in (2, 3):
        events = [*events, RunRecovered(at=1.0, epoch=epoch, in_flight=[execution])]

    last = await resume(compiled, events)

    assert last.end.status == "failed"
    assert "died 3 times while node 'poison'" in (last.end.error or "")
