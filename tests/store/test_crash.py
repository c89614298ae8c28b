"""Log of a killed writer process."""

import subprocess
import sys
from pathlib import Path

import pytest

from jikko.store.sqlite import Database, SqliteRunStore

pytestmark = pytest.mark.anyio

PROGRAM = Path(__file__).with_name("appending.py")


def killed_after(lines: int, path: Path) -> dict[str, int]:
    """Let the program append, and kill it. Returns how many events of each run it had been told are durable."""
    acknowledged: dict[str, int] = {}
    with subprocess.Popen([sys.executable, str(PROGRAM), str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout):
            if count == lines:
                process.kill()
            if line.endswith("\n"):
                run_id, events = line.split()
                acknowledged[run_id] = int(events)
    assert process.returncode == -9
    return acknowledged


@pytest.mark.slow
async def test_every_acknowledged_append_survives_being_killed_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "jikko.db"
    acknowledged: dict[str, int] = {}
    for kill in range(20):
        acknowledged |= killed_after(1 + 17 * kill, path)

        store = SqliteRunStore(Database.open(path))
        try:
            for run_id, count in acknowledged.items():
                record = await store.record(run_id)
                events = await store.events(run_id)
                assert record is not None
                assert len(events) >= count
                if not record.is_open:
                    assert len(events) == 12
            open_runs = [record.identity.run_id for record in await store.open_runs()]
            # A run that was never acknowledged may be there too; its log has no gap either.
            for run_id in open_runs:
                assert 3 <= len(await store.events(run_id)) < 12
        finally:
            await store.close()
    assert len(acknowledged) > 100
