"""An app's backlog does not delay another app, down to the programs of its nodes."""

from pathlib import Path

import pytest

from jikko.assemble import assemble
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.acceptance.workflows import app, end, python, start
from tests.runs.world import PATIENCE, end_of

pytestmark = pytest.mark.anyio

ENDLESS_OR_SHORT = "def main(q):\n    while q == 'endless': pass\n    return {'r': q}"
RUNS = 1500
"""More than the queue of the sandbox once had room for, and fewer than an app may have under way."""


@pytest.mark.slow
async def test_one_app_with_1500_programs_that_wait_does_not_delay_another_and_none_fails(tmp_path: Path) -> None:
    nodes = [start("q"), python("code", ENDLESS_OR_SHORT, {"r": "string"}, q="start.q"), end(r="code.r")]
    settings = Settings(home=tmp_path, code_processes=1, code_seconds=10 * PATIENCE)
    async with assemble(settings, in_memory=True) as assembly:
        busy, other = [
            (await assembly.apps.publish(app(name, nodes, "start>code code>end").encode(), source=name)).app
            for name in ("Busy", "Other")
        ]
        first = await assembly.runs.start(busy, StartRequest(inputs={"q": "endless"}, user="u"))
        waiting = [await assembly.runs.start(busy, StartRequest(inputs={"q": "short"}, user="u")) for _ in range(RUNS)]
        run = await assembly.runs.start(other, StartRequest(inputs={"q": "mine"}, user="u"))

        assert await assembly.runs.control.stop(busy.id, first.record.identity.task_id, "u")

        assert (await end_of(run)).outputs == {"r": "mine"}
        assert sum(not live.record.is_open for live in waiting) < RUNS / 10
        assert {live.record.status for live in waiting} <= {"running", "succeeded"}
        await assembly.runs.close(0)
