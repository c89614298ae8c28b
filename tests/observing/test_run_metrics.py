"""Metrics of runs and requests."""

import pytest

from jikko.apps.end_users import trigger_user
from jikko.events import RunStarted
from jikko.ids import new_id
from jikko.observing.metrics.process_metrics import RequestMetrics, RunMetrics
from jikko.record import RunIdentity
from jikko.runs.observer import RunObserver, RunObservers
from tests.http.scene import RUN, body, client_of
from tests.runs.test_observer import Broken
from tests.runs.world import World, until

pytestmark = pytest.mark.anyio


def counts(metrics: RunMetrics | RequestMetrics, name: str) -> dict[tuple[str, ...], float]:
    """The value of each label; of a histogram how many there were."""
    return {
        labels: values[0] if len(values) == 1 else sum(values[:-1])
        for found, labels, values in metrics.snapshot()
        if found == name
    }


async def one_run(world: World, observer: RunObserver, *failing: str) -> str:
    """The id of the app of a run that has ended, and been seen."""
    world.script.failing = set(failing)
    app, process = await world.chain(), world.process(observer)
    run_id = (await process.start(app)).record.identity.run_id
    await world.ended(run_id)
    await until(lambda: not process.runs.executor.executes(run_id))
    return app.id


async def test_runs_and_their_nodes_are_counted_once(world: World) -> None:
    metrics = RunMetrics(by_app=False)
    await one_run(world, metrics)
    await one_run(world, metrics, "b")

    assert counts(metrics, "jikko_runs_started_total") == {("workflow",): 2}
    assert counts(metrics, "jikko_runs_finished_total") == {("succeeded",): 1, ("failed",): 1}
    assert counts(metrics, "jikko_run_seconds") == {("succeeded",): 1, ("failed",): 1}
    nodes = counts(metrics, "jikko_nodes_finished_total")
    assert {status: sum(n for (_, is_), n in nodes.items() if is_ == status) for _, status in nodes} == {
        "succeeded": 7,
        "failed": 1,
    }
    assert sum(counts(metrics, "jikko_node_seconds").values()) == 8
    assert counts(metrics, "jikko_app_runs_finished_total") == {}


async def test_by_app_too_if_that_is_wanted(world: World) -> None:
    metrics = RunMetrics(by_app=True)
    app_id = await one_run(world, metrics)
    assert counts(metrics, "jikko_app_runs_finished_total") == {(app_id, "succeeded"): 1}
    assert counts(metrics, "jikko_app_tokens_total") == {(app_id,): 0}


async def test_an_observer_that_fails_keeps_no_other_from_counting(world: World) -> None:
    metrics = RunMetrics(by_app=False)
    await one_run(world, RunObservers(Broken(), metrics))
    assert counts(metrics, "jikko_runs_finished_total") == {("succeeded",): 1}


async def test_requests_are_counted_by_operation_and_kind_of_answer(world: World) -> None:
    metrics = RequestMetrics()
    async with client_of(world, await world.chain(), requests_per_minute=4, observers=[metrics]) as client:
        await client.get("/health")
        await client.get("/nothing/of/the/kind")
        for mode in ("blocking", "streaming", "wrong"):
            await client.post(RUN, json=body(mode))
        for _ in range(2):
            await client.get("/v1/info")

    assert counts(metrics, "jikko_http_requests_total") == {
        ("/health", "2xx"): 1,
        ("none", "4xx"): 1,
        (RUN, "2xx"): 2,
        (RUN, "4xx"): 1,
        ("/v1/info", "2xx"): 1,
        ("/v1/info", "429"): 1,
    }
    # A stream takes as long as its run, which says nothing.
    assert counts(metrics, "jikko_http_request_seconds")[RUN,] == 2
    assert counts(metrics, "jikko_streams") == {(): 0}


def test_runs_that_triggers_started_are_counted_by_kind() -> None:
    metrics, app = RunMetrics(by_app=False), new_id()
    for user in (*(trigger_user(app, kind) for kind in ("webhook", "webhook", "schedule")), new_id()):
        identity = RunIdentity(
            run_id=new_id(), task_id="t", app_id=app, workflow_id="w", version="1", end_user_id=user, user=""
        )
        metrics.started(identity, RunStarted(at=1.0, inputs={}, system={}, entry="hook"))

    assert counts(metrics, "jikko_runs_triggered_total") == {("webhook",): 2, ("schedule",): 1}
