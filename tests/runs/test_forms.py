"""Pauses for humans. Source: docs/dify-behaviour.md, “Stopping, pausing, resuming”."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jikko.assemble import Assembly, assemble
from jikko.errors import InvalidFormData, NotFound, TooLate
from jikko.events import FormRequested, RunFinished, RunPaused
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.runs.run_log import RunLog
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.acceptance import workflows
from tests.acceptance.workflows import app, iteration, python
from tests.effort import PATIENCE
from tests.inputs.file_parts import Part
from tests.runs.workflows import dsl, end, form, start
from tests.runs.world import until

pytestmark = pytest.mark.anyio
BRANCHES = ["start --> ask", "ask --yes--> end", "ask --__timeout--> late", "ask --no--> late"]


def branching() -> bytes:
    late = end(late=["ask", "__action_id"])
    late["id"] = "late"
    return dsl(
        [start("q"), form(), end(comment=["ask", "comment"], text=["ask", "__rendered_content"]), late], BRANCHES
    )


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def assembly(tmp_path: Path, clock: Clock) -> AsyncIterator[Assembly]:
    async with assemble(Settings(home=tmp_path), clock=clock) as made:
        yield made


async def paused(assembly: Assembly, text: bytes) -> tuple[App, RunLog, list[FormRequested]]:
    published = await assembly.apps.publish(text, source="test")
    live = await assembly.runs.start(published.app, StartRequest(inputs={"q": "cats"}, user="u"))
    end = await live.ended()
    assert isinstance(end, RunPaused)
    events = await assembly.runs.records.events(live.record)
    return published.app, live, [event for event in events if isinstance(event, FormRequested)]


async def ended_or_paused(assembly: Assembly, run_id: str) -> RunRecord:
    """The record once the run has ended or paused again, and nothing of it is under way."""
    async with asyncio.timeout(PATIENCE):
        while True:
            record = await assembly.runs.records.any_record(run_id)
            if record.status != "running" and not assembly.runs.executor.executes(run_id):
                return record
            await asyncio.sleep(0.005)


def outputs(record: RunRecord) -> Any:
    return msgspec.json.decode(record.outputs)


async def test_a_submitted_form_lets_the_run_go_on_along_its_action(assembly: Assembly) -> None:
    app, live, (requested,) = await paused(assembly, branching())

    await assembly.runs.forms.submit(app.id, requested.form["form_token"], "yes", {"comment": "fine", "extra": 1}, "")

    record = await ended_or_paused(assembly, live.record.identity.run_id)
    assert record.status == "succeeded"
    assert outputs(record) == {"comment": "fine", "text": "About cats: fine"}


async def test_a_paused_run_is_shown_as_paused(assembly: Assembly) -> None:
    _, live, (requested,) = await paused(assembly, branching())

    record = await assembly.runs.records.any_record(live.record.identity.run_id)
    assert (record.status, record.finished_at, record.total_steps) == ("paused", None, 2)
    assert record.wake_at == requested.expires_at


@pytest.mark.parametrize(
    ("action", "inputs", "message"),
    [
        pytest.param("maybe", {"comment": "x"}, "Invalid action: maybe", id="an action that the form does not have"),
        pytest.param("yes", {}, "Missing required inputs: comment", id="an input is missing"),
        pytest.param("yes", {"comment": 7}, "must be a string", id="an input of the wrong type"),
    ],
)
async def test_a_form_that_is_filled_in_wrongly_stays_open(
    assembly: Assembly, action: str, inputs: dict[str, Any], message: str
) -> None:
    app, live, (requested,) = await paused(assembly, branching())

    with pytest.raises(InvalidFormData, match=message):
        await assembly.runs.forms.submit(app.id, requested.form["form_token"], action, inputs, "")

    assert (await assembly.runs.records.any_record(live.record.identity.run_id)).status == "paused"


async def test_of_two_submissions_at_once_the_first_counts(assembly: Assembly) -> None:
    app, live, (requested,) = await paused(assembly, branching())
    token = requested.form["form_token"]

    results = await asyncio.gather(
        assembly.runs.forms.submit(app.id, token, "yes", {"comment": "one"}, ""),
        assembly.runs.forms.submit(app.id, token, "yes", {"comment": "two"}, ""),
        return_exceptions=True,
    )

    assert [type(result) for result in results].count(TooLate) == 1
    record = await ended_or_paused(assembly, live.record.identity.run_id)
    assert outputs(record)["comment"] in ("one", "two")
    with pytest.raises(TooLate):
        await assembly.runs.forms.open_form(app.id, token)


async def test_a_form_of_another_app_is_not_found(assembly: Assembly) -> None:
    _, _, (requested,) = await paused(assembly, branching())

    with pytest.raises(NotFound):
        await assembly.runs.forms.open_form("00000000-0000-4000-8000-000000000000", requested.form["form_token"])


async def test_a_pause_whose_form_expires_hints_at_that_moment(
    assembly: Assembly, monkeypatch: pytest.MonkeyPatch
) -> None:
    due: list[float] = []
    monkeypatch.setattr(assembly.cluster, "hint", lambda hint: due.append(hint.at) if hint.job == "forms" else None)

    _, _, [asked] = await paused(assembly, branching())

    await until(lambda: bool(due))
    assert due == [asked.expires_at]


async def test_a_form_whose_time_is_up_takes_the_branch_for_that(assembly: Assembly, clock: Clock) -> None:
    app, live, (requested,) = await paused(assembly, branching())
    clock.now = requested.expires_at - 1
    assert await assembly.runs.forms.close_expired() == 0
    await assembly.runs.forms.open_form(app.id, requested.form["form_token"])
    clock.now = requested.expires_at

    with pytest.raises(TooLate, match="expired"):
        await assembly.runs.forms.submit(app.id, requested.form["form_token"], "yes", {"comment": "x"}, "")
    assert await assembly.runs.forms.close_expired() == 1

    record = await ended_or_paused(assembly, live.record.identity.run_id)
    assert (record.status, outputs(record)) == ("succeeded", {"late": ""})


async def test_a_run_that_paused_before_a_restart_goes_on_a_day_later(tmp_path: Path, clock: Clock) -> None:
    text = branching().replace(b'"timeout": 1', b'"timeout": 48')
    async with assemble(Settings(home=tmp_path), clock=clock) as before:
        app, live, (requested,) = await paused(before, text)
    clock.now += 86_400

    async with assemble(Settings(home=tmp_path), clock=clock) as after:
        assert (await after.runs.control.take_over()).count == 0
        await after.runs.forms.submit(app.id, requested.form["form_token"], "yes", {"comment": "late but fine"}, "")
        record = await ended_or_paused(after, live.record.identity.run_id)

    assert (record.status, outputs(record)["comment"]) == ("succeeded", "late but fine")
    assert record.elapsed < 3600, "time that a run is paused does not count"


async def test_pauses_in_parallel_branches_are_answered_one_by_one(assembly: Assembly) -> None:
    nodes = [start("q"), form("a"), form("b"), end(a=["a", "comment"], b=["b", "comment"])]
    edges = ["start --> a", "start --> b", "a --yes--> end", "b --yes--> end"]
    app, live, (first, second) = await paused(assembly, dsl(nodes, edges))
    run_id = live.record.identity.run_id

    await assembly.runs.forms.submit(app.id, first.form["form_token"], "yes", {"comment": "1"}, "")
    assert (await ended_or_paused(assembly, run_id)).status == "paused"
    await assembly.runs.forms.submit(app.id, second.form["form_token"], "yes", {"comment": "2"}, "")

    record = await ended_or_paused(assembly, run_id)
    assert (record.status, outputs(record)) == ("succeeded", {"a": "1", "b": "2"})


async def test_of_many_forms_submitted_at_once_every_answer_counts(assembly: Assembly) -> None:
    names = [f"ask_{number}" for number in range(8)]
    nodes = [start("q"), *map(form, names), end(**{name: [name, "comment"] for name in names})]
    edges = [*(f"start --> {name}" for name in names), *(f"{name} --yes--> end" for name in names)]
    text = dsl(nodes, edges)
    for turns in range(12):
        app, live, forms = await paused(assembly, text)

        async def submit(number: int, app: App = app, forms: list[FormRequested] = forms, turns: int = turns) -> None:
            for _ in range(number * turns):
                await asyncio.sleep(0)
            inputs: dict[str, Any] = {"comment": forms[number].node_id}
            await assembly.runs.forms.submit(app.id, forms[number].form["form_token"], "yes", inputs, "")

        await asyncio.gather(*map(submit, range(8)))

        record = await ended_or_paused(assembly, live.record.identity.run_id)
        assert (record.status, outputs(record)) == ("succeeded", {name: name for name in names})


async def test_a_run_that_cannot_be_read_keeps_no_other_from_its_time_out(
    assembly: Assembly, clock: Clock, tmp_path: Path
) -> None:
    _, broken, _ = await paused(assembly, branching())
    _, other, _ = await paused(assembly, branching())
    with closing(sqlite3.connect(tmp_path / "jikko.db")) as connection:
        connection.execute("UPDATE run_log SET events = x'01ffff' WHERE run = (SELECT min(run) FROM run_log)")
        connection.commit()
    clock.now += 3601

    assert await assembly.runs.forms.close_expired() == 1

    assert (await ended_or_paused(assembly, other.record.identity.run_id)).status == "succeeded"
    assert (await ended_or_paused(assembly, broken.record.identity.run_id)).status == "failed"
    assert await assembly.store.due_runs(clock.now) == []


async def test_paused_runs_of_an_app_that_is_gone_end_and_keep_no_other_waiting(
    assembly: Assembly, clock: Clock
) -> None:
    gone = [await paused(assembly, branching()) for _ in range(3)]
    _, other, _ = await paused(assembly, branching().replace(b'"name": "test"', b'"name": "other"'))
    await assembly.apps.delete(gone[0][0])
    clock.now += 3601

    await assembly.runs.forms.close_expired()

    assert (await ended_or_paused(assembly, other.record.identity.run_id)).status == "succeeded"
    for _, live, _ in gone:
        record = await ended_or_paused(assembly, live.record.identity.run_id)
        assert (record.status, record.error) == (
            "failed",
            "The run could not continue: The app of the run was deleted.",
        )
    assert await assembly.store.due_runs(clock.now) == []


async def test_several_pauses_in_a_row_neither_repeat_nor_lose_text(assembly: Assembly) -> None:
    nodes = [start("q"), form("a"), form("b"), end(q=["start", "q"], a=["a", "comment"], b=["b", "comment"])]
    edges = ["start --> a", "a --yes--> b", "b --yes--> end"]
    app, live, (first,) = await paused(assembly, dsl(nodes, edges))
    run_id = live.record.identity.run_id

    await assembly.runs.forms.submit(app.id, first.form["form_token"], "yes", {"comment": "one"}, "")
    record = await ended_or_paused(assembly, run_id)
    second = [event for event in await assembly.runs.records.events(record) if isinstance(event, FormRequested)][1]
    await assembly.runs.forms.submit(app.id, second.form["form_token"], "yes", {"comment": "two"}, "")
    record = await ended_or_paused(assembly, run_id)

    events = await assembly.runs.records.events(record)
    assert isinstance(events[-1], RunFinished)
    text = "".join(event.text for event in events if hasattr(event, "text"))
    assert text == "cats\none\ntwo"


@pytest.mark.parametrize("by", ["task_id", "run_id"])
async def test_a_paused_run_is_stopped(assembly: Assembly, by: str) -> None:
    app, live, (requested,) = await paused(assembly, branching())
    owner = live.record.identity

    assert await assembly.runs.control.stop(app.id, getattr(owner, by), "u")
    assert not await assembly.runs.control.stop(app.id, getattr(owner, by), "u"), "it is stopped already"

    record = await ended_or_paused(assembly, owner.run_id)
    assert (record.status, record.error) == ("stopped", "Workflow run was stopped by user u.")
    with pytest.raises(TooLate):
        await assembly.runs.forms.submit(app.id, requested.form["form_token"], "yes", {"comment": "too late"}, "")


@pytest.mark.parametrize("meanwhile_", ["the run is stopped", "the app is removed"])
async def test_a_form_of_a_run_that_ends_while_it_is_submitted_has_expired(assembly: Assembly, meanwhile_: str) -> None:
    app, live, (requested,) = await paused(assembly, branching())
    run_id, forms = live.record.identity.run_id, assembly.runs.forms
    opened = await forms.open_form(app.id, requested.form["form_token"])

    if meanwhile_ == "the run is stopped":
        await assembly.runs.control.stop(app.id, run_id, "u")
    else:
        await assembly.apps.delete(app)
    with pytest.raises(TooLate, match="has expired"):
        await forms.submit_form(opened, "yes", {"comment": "遅い 🐢"})

    assert not (await ended_or_paused(assembly, run_id)).is_open


FILES = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["local_file"]}


def asking_for_files() -> bytes:
    """A form with one input of each kind."""
    inputs = [
        {"type": "file", "output_variable_name": "one", **FILES},
        {"type": "file-list", "output_variable_name": "some", "number_limits": 2, **FILES},
        {"type": "select", "output_variable_name": "pick", "option_source": {"type": "constant", "value": ["a", "b"]}},
        {"type": "paragraph", "output_variable_name": "comment"},
    ]
    asks = form()
    asks["data"] |= {"inputs": inputs, "form_content": "{{#$output.one#}} {{#$output.some#}} {{#$output.pick#}}"}
    shown = end(
        **{name: ["ask", name] for name in ("one", "some", "pick", "comment")}, text=["ask", "__rendered_content"]
    )
    return dsl([start("q"), asks, shown], ["start --> ask", "ask --yes--> end", "ask --no--> end"])


async def test_a_form_takes_files_and_choices_that_fit_and_no_others(assembly: Assembly) -> None:
    app, live, [requested] = await paused(assembly, asking_for_files())
    token = requested.form["form_token"]
    owner = {"app_id": app.id, "end_user_id": live.record.identity.end_user_id}
    made = [await assembly.files.upload([("file", Part(b"x", f"{name} 梟.txt"))], **owner) for name in "abc"]
    a, b, c = ({"type": "document", "transfer_method": "local_file", "upload_file_id": each.id} for each in made)
    fitting: dict[str, Any] = {"one": a, "some": [b, c], "pick": "b", "comment": "日本 🦉"}

    for wrong, expected in (
        ({"one": "a text"}, "one"),
        ({"one": [a]}, "one"),
        ({"one": {**a, "upload_file_id": "3f1c1f0e-7a1b-4c7e-9f00-00000000abcd"}}, "file"),
        ({"one": {**a, "type": "image"}}, "file"),
        ({"some": "a text"}, "some"),
        ({"some": [a, b, c]}, "some"),
        ({"pick": "c"}, "Invalid value for select input pick: c"),
        ({"pick": 1}, "Input pick must be a string"),
        ({"comment": 1}, "Input comment must be a string"),
        ({"comment": None}, "Missing required inputs: comment"),
        ({"one": None, "pick": None}, "Missing required inputs: one, pick"),
    ):
        with pytest.raises(InvalidFormData) as refused:
            await assembly.runs.forms.submit(app.id, token, "yes", fitting | wrong, "http://jikko")
        assert expected in str(refused.value), wrong
    await assembly.runs.forms.submit(app.id, token, "yes", fitting, "http://jikko")

    found = outputs(await ended_or_paused(assembly, live.record.identity.run_id))
    assert found["one"]["related_id"] == made[0].id
    assert [file["related_id"] for file in found["some"]] == [made[1].id, made[2].id]
    assert (found["pick"], found["comment"]) == ("b", "日本 🦉")
    assert found["text"] == "[file] [2 files] b"


@pytest.mark.parametrize("parallel", [1, 3])
async def test_forms_of_an_iteration_are_submitted_over_the_api_one_by_one(assembly: Assembly, parallel: int) -> None:
    listed = python("list", "def main():\n    return {'r': ['一', '二', '三']}", {"r": "array[string]"})
    asking = workflows.form("ask", "{{#each.item#}}?")
    rounds = iteration("each", "list.r", "ask.comment", asking, parallel=parallel)
    text = app(
        "Each", [start("q"), listed, *rounds, end(r=["each", "output"])], "start>list list>each each-start>ask each>end"
    )
    published, live, _ = await paused(assembly, text.encode())

    asked = []
    run_id = live.record.identity.run_id
    while (record := await ended_or_paused(assembly, run_id)).status == "paused":
        waiting = await assembly.runs.forms.open_forms(record)
        asked.append(len(waiting))
        requested = waiting[-1].requested
        given = {"comment": requested.form["form_content"]}
        await assembly.runs.forms.submit(published.id, requested.form["form_token"], "yes", given, "")

    assert (record.status, outputs(record)) == ("succeeded", {"r": ["一?", "二?", "三?"]})
    assert asked == ([1, 1, 1] if parallel == 1 else [3, 2, 1])
