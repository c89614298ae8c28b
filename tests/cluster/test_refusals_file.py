"""Refused starts, passed on among the processes of a data folder."""

import asyncio
import stat
from pathlib import Path

import pytest

from jikko.cluster import data_folder
from jikko.cluster.data_folder import RefusalsFile
from jikko.ids import new_id

pytestmark = pytest.mark.anyio


async def test_what_one_process_has_refused_the_next_one_knows(tmp_path: Path) -> None:
    assert await RefusalsFile(tmp_path).read() == set()
    ids = [new_id() for _ in range(20)]

    await asyncio.gather(*(RefusalsFile(tmp_path).add(run_id) for run_id in ids))

    assert await RefusalsFile(tmp_path).read() == set(ids)
    assert stat.S_IMODE((tmp_path / "refused-starts").stat().st_mode) == 0o600


async def test_a_folder_that_takes_nothing_keeps_no_start_from_being_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await RefusalsFile(tmp_path / "gone").add(new_id())

    assert "refused starts cannot be noted" in caplog.text


async def test_the_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "_MAX_BYTES", 100)
    file = RefusalsFile(tmp_path)
    ids = [new_id() for _ in range(10)]
    for run_id in ids:
        await file.add(run_id)

    kept = await file.read()
    assert ids[-1] in kept
    assert len(kept) < 4
