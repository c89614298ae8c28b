"""Folding of logs by the page and the server: equal results for each log, truncated anywhere."""

import asyncio
import json
import subprocess
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, TypeVar, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripts.build_console import npm

from jikko.events import Event, RunFinished, RunPaused, UnknownEvent
from jikko.record import RunIdentity, folded
from jikko.runs.reading.node_executions import node_executions
from tests.console.random_logs import Story
from tests.engine.graphs import resume
from tests.engine.model import Step
from tests.engine.test_random_graphs import execute, steps

IDENTITY = RunIdentity(run_id="r", task_id="t", app_id="a", workflow_id="w", version="1", end_user_id="u", user="me")
OPEN = {"waiting": "running", "parked": "running", "paused": "running"}
"""What the page has more words for than the record of an execution."""
Result = TypeVar("Result")


class PageFold:
    """The fold of the page, in a process of Node."""

    def __init__(self, console: Path) -> None:
        script = Path(__file__).with_name("fold_logs.mjs")
        self._process = subprocess.Popen(
            ["node", script, console],
            env=npm()[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __call__(self, events: list[Event], cuts: list[int]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        in_page = [{"id": place, **msgspec.to_builtins(event)} for place, event in enumerate(events)]
        self._process.stdin.write(json.dumps({"events": in_page, "cuts": cuts}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.communicate(timeout=60)


def apart(work: Coroutine[Any, Any, Result]) -> Result:
    """Run an event loop in a thread of its own: the browser of other modules has that of this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def page_fold(built: Path) -> Iterator[PageFold]:
    fold = PageFold(built)
    yield fold
    fold.close()


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(found=steps(), data=st.data())
def test_both_folds_tell_the_same_of_every_beginning_of_a_log(
    page_fold: PageFold, found: list[Step], data: st.DataObject
) -> None:
    made, whole = apart(execute(found))
    events = list(whole.events)
    if data.draw(st.booleans(), label="its process dies"):
        events = list(apart(resume(made, events[: data.draw(st.integers(1, len(events) - 1))])).events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events) - 1), max_size=6)))

    in_page = page_fold(events, cuts)

    assert in_page["same"], "another way to a moment leads to another state"
    for place, page in enumerate(in_page["prefixes"]):
        check(events[: place + 1], page)


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), moves=st.integers(0, 60))
def test_both_folds_tell_the_same_of_logs_with_events_of_every_kind(page_fold: PageFold, seed: int, moves: int) -> None:
    random = Random(seed)
    events = Story(random).write(moves)

    in_page = page_fold(events, sorted(random.randrange(len(events)) for _ in range(6)))

    assert in_page["same"], "another way to a moment leads to another state"
    for place, page in enumerate(in_page["prefixes"]):
        check(events[: place + 1], page)


def test_the_logs_of_all_kinds_have_all_kinds() -> None:
    found = {type(event) for seed in range(200) for event in Story(Random(seed)).write(60)}
    # What a newer version wrote is never written, and so in no log.
    assert found == set(get_args(Event)) - {UnknownEvent}


def check(events: list[Event], page: dict[str, Any]) -> None:
    record = folded(IDENTITY, events)
    assert OPEN.get(page["status"], page["status"]) == record.status or page["status"] == record.status
    if isinstance(events[-1], RunFinished | RunPaused):
        assert page["tokens"] == record.total_tokens
    assert page["error"] == record.error
    executions = node_executions(events, status=record.status, error=record.error)
    assert [shown(entry) for entry in page["executions"]] == [
        (one.id, one.node_id, one.status, [attempt.reason for attempt in one.attempts]) for one in executions
    ]


def shown(entry: dict[str, Any]) -> tuple[Any, ...]:
    return entry["id"], entry["node"], OPEN.get(entry["status"], entry["status"]), entry["attempts"]
