"""What went wrong in other engines, each as a test named after it.

Of the sixteen that were collected from their trackers, these are tested elsewhere:

- a run that kills its server is taken over for ever:
  ``tests/acceptance/test_restart.py::test_a_run_that_dies_at_the_same_node_three_times_is_failed_and_says_so``;
- an error before the engine starts leaves the stream open:
  ``tests/acceptance/test_field_bugs.py::test_an_error_before_the_engine_starts_leaves_the_stream_open``;
- a client closes mid-run and the status never becomes final:
  ``tests/acceptance/test_http_runs.py::test_a_client_that_goes_away_does_not_stop_the_run`` and
  ``tests/acceptance/test_http_runs.py::test_a_blocking_client_that_goes_away_does_not_stop_the_run``;
- a stop during a node that streams nothing is lost, or ends the run as failed:
  ``tests/acceptance/test_field_bugs.py::test_a_stop_of_a_blocking_run_is_lost_or_ends_it_as_failed`` and
  ``tests/acceptance/test_http_runs.py::test_a_run_is_stopped_by_its_task_id``;
- an idempotency key that is used twice, one after the other, at once, by two processes, starts two runs:
  ``tests/runs/test_idempotency.py::test_the_same_request_gives_the_same_run`` and
  ``tests/runs/test_idempotency.py::test_of_many_requests_at_once_to_two_processes_one_starts_the_run``;
- the id of a run of another app opens it:
  ``tests/acceptance/test_strangers.py::test_what_there_is_of_a_run_is_read_by_its_app_alone`` and
  ``tests/acceptance/test_strangers.py::test_no_other_app_stops_a_run_or_retries_it_or_fills_in_its_form``;
- elapsed is negative: ``tests/runs/test_faults.py::test_a_clock_that_jumps_changes_no_result_and_no_duration``.

A queue that an upgrade adds and no worker listens to cannot be: nobody listens to queues, one process takes what the
database has.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jikko.assemble import assemble
from jikko.events import (
    Event,
    FormRequested,
    NodeFinished,
    NodeStarted,
    RunFinished,
    RunPaused,
    RunRecovered,
    Usage,
)
from jikko.files.memory_blobs import MemoryBlobs
from jikko.files.signing_keys import SigningKeys, UrlSigner
from jikko.files.store import Files
from jikko.ids import new_id
from jikko.maintenance.retention import Retention
from jikko.nodes.contract import Context, Result
from jikko.ports.stores.run_store import Append
from jikko.record import RunRecord
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from jikko.store.event_codec import decode_events
from tests.acceptance.workflows import end, iteration, node, start
from tests.runs.workflows import dsl, form
from tests.runs.workflows import end as dsl_end
from tests.runs.workflows import start as dsl_start
from tests.runs.world import PATIENCE, Script, World, end_of, until
from tests.store.in_memory import FilesInMemory, RunsInMemory

pytestmark = pytest.mark.anyio

YEAR = 365 * 86_400.0
"""Seconds."""


async def each_of_three(world: World) -> Any:
    """An app that goes over three values."""
    nodes = [
        start("q"),
        node("list", "code", value=["1", "2", "3"]),
        *iteration("each", "list.value", "inner.value", node("inner", "code", value="inner")),
        end(out="each.output"),
    ]
    return await world.app("Each", nodes, "start>list list>each each-start>inner each>end")


async def copied(world: World, record: RunRecord, events: list[Event]) -> str:
    """Keep a run that is in this state as if its process had died. Returns its id."""
    run_id = new_id()
    copy = RunRecord(identity=msgspec.structs.replace(record.identity, run_id=run_id, task_id=new_id()))
    for event in events:
        copy.apply(event)
    await world.store.append(Append(run_id, 0, events, copy))
    return run_id


async def test_a_crash_between_the_end_of_all_children_and_that_of_their_parent(world: World) -> None:
    app, process = await each_of_three(world), world.process()
    run = await process.start(app)
    whole = await end_of(run)
    events = await world.store.events(run.record.identity.run_id)
    [at] = [at for at, event in enumerate(events) if isinstance(event, NodeFinished) and event.node_id == "each"]
    left = await copied(world, run.record, events[:at])

    await world.process().runs.control.take_over()

    assert (await world.ended(left)).status == "succeeded"
    last = (await world.store.events(left))[-1]
    assert isinstance(last, RunFinished)
    assert last.outputs == whole.outputs
    assert world.script.ran["inner"] == 3


async def test_a_slow_worker_is_declared_dead_the_step_is_finished_elsewhere_and_then_it_reports(world: World) -> None:
    app, slow = await world.chain(), world.process()
    run_id = (await slow.start_until(app, "b")).record.identity.run_id
    other = world.process()
    await other.runs.control.take_over()
    await until(lambda: world.script.ran["b"] == 2)

    world.script.release("b")

    record = await world.ended(run_id)
    await until(lambda: not slow.runs.executor.executes(run_id) and not other.runs.executor.executes(run_id))
    events = await world.store.events(run_id)
    assert record.status == "succeeded"
    assert await world.store.record(run_id) == record
    assert len([event for event in events if isinstance(event, NodeFinished) and event.node_id == "b"]) == 1
    assert isinstance(events[-1], RunFinished)


class Stale(RunsInMemory):
    """A store whose list of open runs is from a moment ago."""

    seen: list[RunRecord] | None = None

    async def open_runs(self, holder: str | None = None) -> list[RunRecord]:
        return await super().open_runs(holder) if self.seen is None else self.seen


async def test_recovery_overwrites_a_success_with_crashed() -> None:
    store = Stale()
    world = World(store)
    app, process = await world.chain(), world.process()
    run = await process.start_until(app, "b")
    store.seen = await store.open_runs()
    world.script.release("b")
    await end_of(run)
    run_id = run.record.identity.run_id
    record = await world.ended(run_id)
    ran, events = dict(world.script.ran), await store.events(run_id)

    late = world.process()
    await late.runs.control.take_over()

    await until(lambda: not late.runs.executor.executes(run_id))
    assert await store.record(run_id) == record
    assert await store.events(run_id) == events
    assert record.status == "succeeded"
    assert ran.items() <= dict(world.script.ran).items()
    await world.close()


async def test_recovery_is_skipped_when_the_queue_is_empty(world: World) -> None:
    app, killed = await world.chain(), world.process(at_once=1)
    run_id = (await killed.start_until(app, "b")).record.identity.run_id
    assert killed.admission.queued() == 0
    await killed.die()

    assert (await world.process(at_once=1).runs.control.take_over()).count == 1

    world.script.release("b")
    assert (await world.ended(run_id)).status == "succeeded"
    assert world.script.ran["a"] == 1


async def test_a_run_whose_worker_was_killed_stays_running_and_cancel_says_200_and_does_nothing(world: World) -> None:
    app, killed = await world.chain(), world.process()
    run_id = (await killed.start_until(app, "b")).record.identity.run_id
    await killed.die()
    process = world.process()
    await process.runs.control.take_over()

    stopped = await process.runs.control.stop(app.id, run_id, "anna")

    assert stopped
    assert (await world.ended(run_id)).status == "stopped"
    assert not await process.runs.control.stop(app.id, run_id, "anna")


async def test_a_kill_never_lands_and_the_retries_go_on_for_ever(world: World) -> None:
    retrying = {"retry_enabled": True, "max_retries": 10, "retry_interval": 60_000}
    nodes = [start("q"), node("bad", "code", value=1, retry_config=retrying), end(out="bad.value")]
    app, process = await world.app("Bad", nodes, "start>bad bad>end"), world.process()
    world.script.failing = {"bad"}
    run_id = (await process.start(app)).record.identity.run_id
    await until(lambda: world.script.ran["bad"] == 1)

    assert await process.runs.control.stop(app.id, run_id, "anna")

    assert (await world.ended(run_id)).status == "stopped"
    await until(lambda: not process.runs.executor.executes(run_id))
    assert world.script.ran["bad"] == 1
    assert isinstance((await world.store.events(run_id))[-1], RunFinished)


def retention(world: World, batch: int) -> Retention:
    """Removes runs of a world. There are no files."""
    signer = UrlSigner(keys=SigningKeys(b"key"), base_url="http://jikko", clock=lambda: world.now)
    files = Files(FilesInMemory(), MemoryBlobs(), signer, clock=lambda: world.now)
    return Retention(world.store, files, lambda: world.now, batch=batch)


async def test_retention_deletes_the_children_of_a_run_that_goes_on(world: World) -> None:
    nodes = [
        start("q"),
        node("list", "code", value=["1", "2", "3"]),
        *iteration("each", "list.value", "inner.value", node("inner", "code", value="inner")),
        node("after", "code", value="after"),
        end(out="each.output"),
    ]
    app = await world.app("Each", nodes, "start>list list>each each-start>inner each>after after>end")
    world.script.held = {"after"}
    process = world.process()
    run_id = (await process.start(app)).record.identity.run_id
    await until(lambda: world.script.ran["after"] == 1)

    assert (await retention(world, 1).prune(world.now + YEAR)).runs == 0

    await process.die()
    await world.process().runs.control.take_over()
    world.script.release("after")
    assert (await world.ended(run_id)).status == "succeeded"
    last = (await world.store.events(run_id))[-1]
    assert isinstance(last, RunFinished)
    assert last.outputs == {"out": ["inner"] * 3}
    assert world.script.ran["inner"] == 3


async def test_retention_deletes_the_state_of_a_paused_run(tmp_path: Path) -> None:
    text = dsl([dsl_start("q"), form(), dsl_end(said=["ask", "comment"])], ["start --> ask", "ask --yes--> end"])
    async with assemble(Settings(home=tmp_path)) as made:
        app = (await made.apps.publish(text, source="test")).app
        live = await made.runs.start(app, StartRequest(inputs={"q": "x"}, user="anna"))
        assert isinstance(await live.ended(), RunPaused)
        await made.upkeep.retention.prune(time.time() + YEAR)
    # Read from the disk, by the next process.
    async with assemble(Settings(home=tmp_path)) as made:
        record = await made.runs.records.any_record(live.record.identity.run_id)
        [token] = [
            event.form["form_token"]
            for event in await made.runs.records.events(record)
            if isinstance(event, FormRequested)
        ]

        await made.runs.forms.submit(app.id, token, "yes", {"comment": "fine"}, "")

        async with asyncio.timeout(PATIENCE):
            while record.status in ("paused", "running"):
                await asyncio.sleep(0.001)
                record = await made.runs.records.any_record(record.identity.run_id)
        assert (record.status, msgspec.json.decode(record.outputs)) == ("succeeded", {"said": "fine"})


async def test_a_purge_in_one_transaction_times_out_and_undoes_all_of_it(tmp_path: Path) -> None:
    world = World.on_disk(tmp_path)
    app, process = await world.chain(), world.process()
    old = [(await process.start(app)).record.identity.run_id for _ in range(7)]
    for run_id in old:
        await world.ended(run_id)
    world.now += YEAR

    def breaks_off(removed: int) -> None:
        if removed >= 4:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        await retention(world, 2).prune(world.now, progress=breaks_off)

    # What was removed stays so, others write at once, and the next purge does the rest.
    assert [await world.store.record(run_id) is None for run_id in old].count(True) == 4
    young = (await process.start(app)).record.identity.run_id
    assert (await world.ended(young)).status == "succeeded"
    assert (await retention(world, 2).prune(world.now)).runs == 3
    assert await world.store.record(young) is not None
    await world.close()


OLD_LOG = """[
{"event":"run_started","at":1.0,"inputs":{"q":"x"},"system":{"files":[],"user_id":"anna"}},
{"event":"node_started","at":1.0,"execution_id":"e1","node_id":"start","node_type":"start","title":"start","index":1},
{"event":"node_finished","at":1.0,"execution_id":"e1","node_id":"start","node_type":"start","title":"start","index":1,
 "started_at":1.0,"elapsed":0.0,"status":"succeeded","inputs":{"q":"x"},"outputs":{"q":"x"},"dropped_since":true},
{"event":"node_started","at":1.0,"execution_id":"e2","node_id":"a","node_type":"code","title":"a","index":2,
 "predecessor":"start"},
{"event":"node_finished","at":1.0,"execution_id":"e2","node_id":"a","node_type":"code","title":"a","index":2,
 "predecessor":"start","started_at":1.0,"elapsed":0.5,"status":"succeeded","outputs":{"value":"kept"}},
{"event":"node_started","at":1.0,"execution_id":"e3","node_id":"b","node_type":"code","title":"b","index":3,
 "predecessor":"a"}
]"""
"""As version 0.1 writes it, and a field that is gone."""


async def test_a_checkpoint_of_the_old_version_is_loaded_by_the_new_one(world: World) -> None:
    nodes = [start("q"), *(node(name, "code", value=name) for name in "ab"), end(a="a.value", b="b.value")]
    app = await world.app("Old", nodes, "start>a a>b b>end")
    draft = await world.process().start(app)
    await end_of(draft)
    world.script.ran.clear()
    left = await copied(world, draft.record, decode_events(OLD_LOG.encode()))

    await world.process().runs.control.take_over()

    assert (await world.ended(left)).status == "succeeded"
    events = await world.store.events(left)
    assert any(isinstance(event, RunRecovered) for event in events)
    assert [event.node_id for event in events if isinstance(event, NodeStarted)] == ["start", "a", "b", "b", "end"]
    last = events[-1]
    assert isinstance(last, RunFinished)
    assert last.outputs == {"a": "kept", "b": "b"}
    assert world.script.ran == {"b": 1}


class Spending(Script):
    """Nodes use seven tokens each."""

    async def run(self, ctx: Context, value: Any) -> Result:
        return msgspec.structs.replace(await super().run(ctx, value), usage=Usage(total_tokens=7, total_price="0.5"))


async def test_tokens_of_a_loop_are_counted_twice(world: World) -> None:
    world.classes["code"] = Spending().node_class()
    run = await world.process().start(await each_of_three(world))

    whole = await end_of(run)

    events = await world.store.events(run.record.identity.run_id)
    used = [
        (event.node_id, event.usage.total_tokens) for event in events if isinstance(event, NodeFinished) and event.usage
    ]
    assert used == [("list", 7), *[("inner", 7)] * 3, ("each", 21)]
    assert whole.total_tokens == 28


async def test_the_tokens_of_the_parts_do_not_sum_to_the_whole(world: World) -> None:
    script = Spending()
    world.classes["code"] = script.node_class()
    script.failing = {"c"}
    app, process = await world.chain(), world.process()
    failed = (await process.start(app)).record.identity.run_id
    await world.ended(failed)
    script.failing.clear()

    again = await process.retries.retry(app, failed)

    whole = await end_of(again)
    record = await world.ended(again.record.identity.run_id)
    executions = await process.runs.records.node_executions(record)
    used = {part.node_id: (part.execution_metadata or {}).get("total_tokens") for part in executions}
    assert used == {"start": None, "a": 7, "b": 7, "c": 7, "end": None}
    assert whole.total_tokens == record.total_tokens == 21


async def test_where_only_who_asked_may_stop_a_run_others_stop_nothing(world: World) -> None:
    app, process = await world.chain(), world.process()
    world.script.held = {"b"}
    identity = (await process.start(app)).record.identity
    await until(lambda: world.script.ran["b"] == 1)
    control = process.runs.control

    assert not await control.stop(app.id, identity.task_id, "bob", only_of="another end user")
    record = await world.store.record(identity.run_id)
    assert record is not None
    assert record.is_open
    assert await control.stop(app.id, identity.task_id, "anna", only_of=identity.end_user_id)
    assert (await world.ended(identity.run_id)).status == "stopped"
