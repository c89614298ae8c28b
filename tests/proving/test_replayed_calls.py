"""Replayed calls: answered from the log, and really made in mode ``live``."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from jikko.assemble.assembly import Assembly
from jikko.cli.options import assembled
from jikko.embedded.replaying import Replays
from jikko.engine.limits import RunLimits
from jikko.ports.http import HttpResponse, OutgoingRequest
from jikko.ports.models import Completion, ModelRequest, ModelUsage
from jikko.providers.fake import FakeModels
from jikko.proving.recording import Recording
from jikko.proving.replay_verdict import result_of
from jikko.proving.replayed_run import Replayer, ReplayPrice
from jikko.settings import Settings
from tests.acceptance.workflows import app, end, fetch, python, start
from tests.effort import PATIENCE
from tests.proving.recorded_flows import RecordedFlow, Shop, model, replayed, runs_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def assembly(tmp_path: Path) -> AsyncIterator[Assembly]:
    async with assembled(Settings(home=tmp_path, fake_models=True), in_memory=True, http=Shop()) as made:
        yield made


class Dear(FakeModels):
    """Models whose calls cost 1 each. Only the first ends."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: asyncio.Queue[ModelRequest] = asyncio.Queue()
        self._first = True

    async def complete(self, request: ModelRequest, emit: Any = None) -> Completion:
        self.begun.put_nowait(request)
        if self._first:
            self._first = False
            return Completion(text="円", usage=ModelUsage(completion_price=Decimal(1)))
        await asyncio.get_running_loop().create_future()
        raise AssertionError


def replayer_of(assembly: Assembly, flow: RecordedFlow, text: str, ports: Any, price: str) -> Replayer:
    now = assembly.workflows.of_file(flow.app, text.encode(), source="changed")
    return Replayer(now, replace(assembly.ports, **ports), RunLimits(), "live", ReplayPrice(Decimal(price)))


async def test_runs_that_really_ask_are_replayed_one_at_a_time(assembly: Assembly) -> None:
    text = app("Fetches", [start("q"), fetch("get", "https://shop.example/"), end(x="get.body")], "start>get>end")
    flow = await runs_of(assembly, text.encode(), *({"q": f"円{number}"} for number in range(3)))
    begun: list[Recording] = []
    during: list[int] = []

    class Watched(Shop):
        async def send(self, request: OutgoingRequest) -> HttpResponse:
            during.append(len(begun))
            return await super().send(request)

    async def source() -> AsyncIterator[Recording]:
        for recording in flow.recordings:
            begun.append(recording)
            yield recording

    replayer = replayer_of(assembly, flow, text.replace("example/", "example/v2"), {"http": Watched()}, "1")
    was = await assembly.workflows.get(flow.app)
    results = [result async for result, _ in Replays(replayer, None, was, PATIENCE).results(source())]

    assert [result.asked for result in results] == [1, 1, 1]
    assert during == [1, 2, 3]


async def test_a_call_that_is_cut_off_counts_as_the_dearest_so_far(assembly: Assembly) -> None:
    text = app("Drafts", [start("q"), model("Draft", "言って"), end(x="Draft.text")], "start>Draft>end")
    flow = await runs_of(assembly, text.encode(), *({"q": "円"} for _ in range(3)))
    models = Dear()
    replayer = replayer_of(assembly, flow, text.replace("言って", "書いて"), {"models": models}, "1.5")
    was = await assembly.workflows.get(flow.app)
    first, second, third = flow.recordings

    await replayer.replay(first, was, PATIENCE)
    cut_off = asyncio.ensure_future(replayer.replay(second, was, PATIENCE))
    await models.begun.get()
    await models.begun.get()
    cut_off.cancel()
    await asyncio.wait([cut_off])
    result = result_of(await replayer.replay(third, was, PATIENCE))

    assert (result.asked, result.reason) == (0, "the limit of 1.5 for models is reached")


async def test_an_unchanged_program_that_fails_by_chance_has_its_recorded_results(assembly: Assembly) -> None:
    source = "import random\ndef main(q):\n    return {'x': 1 / random.getrandbits(1)}\n"
    nodes = [start("q"), python("divide", source, {"x": "number"}, q="start.q"), end(x="divide.x")]
    text = app("Divides", nodes, "start>divide>end").encode()
    flow = await runs_of(assembly, text, *({"q": "円"} for _ in range(16)))

    results = await replayed(assembly, flow, text)

    assert {result.outcome for result in results} == {"same"}
