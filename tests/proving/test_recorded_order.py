"""Branches that run side by side end in a replay as they did when the run was recorded."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from jikko.apps.versions import Workflow
from jikko.assemble.assembly import Assembly
from jikko.cli.options import assembled
from jikko.engine.limits import RunLimits
from jikko.events import NodeFinished, NodeStarted
from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest
from jikko.proving.recording import Recording
from jikko.proving.replay_verdict import ReplayedResult, result_of
from jikko.proving.replayed_run import ReplayedRun, Replayer
from jikko.repositories.app_store import App
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.acceptance.workflows import app, end, fetch, start, template
from tests.effort import PATIENCE

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
FLOW = app(
    "Two",
    [
        start("q"),
        fetch("left", "https://shop.example/left"),
        fetch("right", "https://shop.example/right"),
        template("after", "{{ b }}", b="right.body"),
        end("end", x="after.output", y="left.body"),
    ],
    "start>left>end start>right>after>end",
)


class Ordered:
    """A server that answers when it is told to; what ends in ``left`` it refuses, if it is to."""

    def __init__(self, *, refuses: bool) -> None:
        self.refuses = refuses
        self.asked: dict[str, asyncio.Event] = {"left": asyncio.Event(), "right": asyncio.Event()}
        self.answers: dict[str, asyncio.Event] = {"left": asyncio.Event(), "right": asyncio.Event()}

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        name = request.url.rpartition("/")[2]
        self.asked[name].set()
        await self.answers[name].wait()
        if name == "left" and self.refuses:
            raise HttpFailure("gone 🙁", kind="connect")
        return HttpResponse(200, (("Content-Type", "text/plain"),), name.encode())

    async def close(self) -> None: ...


class Scene:
    """A process with that server."""

    def __init__(self, assembly: Assembly, server: Ordered, made: App) -> None:
        self.assembly, self.server, self.app = assembly, server, made

    async def record(self, order: Sequence[str], *, stops: bool = False) -> Recording:
        """A run that is answered in this order, and then stopped, if it is to be."""
        record = (await self.assembly.runs.start(self.app, StartRequest(inputs={"q": "円"}, user="u"))).record
        identity = record.identity
        follower = self.assembly.runs.control.reader(record).follow(-1)
        await asyncio.gather(*(event.wait() for event in self.server.asked.values()))
        events: list[Any] = []
        left = list(order)
        waits_for = ""
        async for batch in follower:
            events += [event for _, event in batch]
            ended = {event.node_id for event in events if isinstance(event, NodeFinished)}
            if waits_for in ("", *ended) and "start" in ended:
                if left:
                    name = left.pop(0)
                    self.server.answers[name].set()
                    waits_for = "after" if name == "right" else name
                elif stops:
                    await self.assembly.runs.control.stop(identity.app_id, identity.run_id, identity.user)
        return Recording(identity, events)

    async def replay(self, recording: Recording, text: str = FLOW) -> tuple[ReplayedResult, ReplayedRun]:
        was: Workflow = await self.assembly.workflows.get(self.app)
        now = self.assembly.workflows.of_file(self.app, text.encode(), source="changed")
        replayer = Replayer(now, self.assembly.ports, RunLimits(), "nearest")
        run = await replayer.replay(recording, was, PATIENCE)
        return result_of(run), run


@pytest.fixture
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    server = Ordered(refuses=getattr(request, "param", False))
    async with assembled(Settings(home=tmp_path), in_memory=True, http=server) as assembly:
        yield Scene(assembly, server, (await assembly.apps.publish(FLOW.encode(), source="two")).app)


def ended(events: Sequence[Any]) -> list[str]:
    return [event.node_id for event in events if isinstance(event, NodeFinished)]


@pytest.mark.parametrize("order", [["left", "right"], ["right", "left"]])
async def test_nodes_side_by_side_end_in_the_recorded_order(scene: Scene, order: list[str]) -> None:
    recording = await scene.record(order)

    result, run = await scene.replay(recording)

    assert result.outcome == "same"
    assert ended(run.events) == ended(recording.events)
    assert [each for each in ended(run.events) if each in order] == order


@pytest.mark.parametrize("scene", [True], indirect=True)
@pytest.mark.parametrize(("order", "reached"), [(["left"], False), (["right", "left"], True)])
async def test_a_failure_cuts_off_what_it_cut_off_then(scene: Scene, order: list[str], *, reached: bool) -> None:
    recording = await scene.record(order)

    result, run = await scene.replay(recording)

    assert recording.end.status == "failed"
    assert result.outcome == "same", result
    assert ("after" in ended(run.events)) == reached


async def test_what_was_under_way_when_a_run_was_stopped_is_unknown(scene: Scene) -> None:
    recording = await scene.record(["right"], stops=True)

    result, run = await scene.replay(recording)

    assert recording.end.status == "stopped"
    assert (result.outcome, result.where[-1]) == ("unknown", "left")
    assert result.reason == "it was under way when the recorded run was stopped"
    assert "after" in ended(run.events)


async def test_a_node_that_goes_no_longer_waits_for_nothing(scene: Scene) -> None:
    recording = await scene.record(["left", "right"])
    content = json.loads(FLOW)
    graph = content["workflow"]["graph"]
    graph["nodes"] = [node for node in graph["nodes"] if node["id"] != "left"]
    graph["edges"] = [edge for edge in graph["edges"] if "left" not in (edge["source"], edge["target"])]

    result, run = await scene.replay(recording, json.dumps(content))

    assert result.outcome in ("other_result", "fails_now")
    assert [event.node_id for event in run.events if isinstance(event, NodeStarted)] == [
        "start",
        "right",
        "after",
        "end",
    ]
