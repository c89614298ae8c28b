"""The runs of a data folder that a replay takes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.assemble.assembly import Assembly
from jikko.cli.options import assembled
from jikko.embedded.replaying import RecordedRuns
from jikko.settings import Settings
from tests.acceptance.workflows import app, end, start
from tests.proving.recorded_flows import runs_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def assembly(tmp_path: Path) -> AsyncIterator[Assembly]:
    async with assembled(Settings(home=tmp_path), in_memory=True) as made:
        yield made


async def test_a_run_is_given_once_also_while_newer_ones_end(assembly: Assembly) -> None:
    text = app("Says", [start("q"), end(x="start.q")], "start>end").encode()
    flow = await runs_of(assembly, text, *({"q": "円"} for _ in range(502)))
    given: list[str] = []

    async for identity in RecordedRuns(assembly, flow.app).newest(600, 0.0):
        if not given:
            await runs_of(assembly, text, {"q": "🚑"})
        given.append(identity.run_id)

    assert sorted(given) == sorted(recording.identity.run_id for recording in flow.recordings)
