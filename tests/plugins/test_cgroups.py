"""What the kernel is told in the files of control groups: a folder in its place, which keeps what is written."""

import asyncio
import os
from pathlib import Path

import pytest

from jikko.plugins.process.cgroups import Cgroup, CgroupRoot, Cgroups, prepare
from jikko.plugins.process.process_usage import tasks_of
from tests.runs.world import until

pytestmark = pytest.mark.anyio


def written(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}


def test_a_group_has_its_limits_before_anything_is_in_it(tmp_path: Path) -> None:
    one, other = Cgroups(tmp_path).make(64 << 20), Cgroups(tmp_path / "無い").make
    assert written(one.folder) == {
        "memory.max": "67108864",
        "pids.max": "512",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.weight": "25",
    }
    with pytest.raises(FileNotFoundError):
        other(1)


def test_a_group_without_a_limit_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, text: str) -> None:
        raise OSError(22, path.name)

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(OSError, match=r"memory\.max"):
        Cgroups(tmp_path).make(1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("events", "excess"),
    [
        ("low 0\noom 3\noom_kill 0\n", ""),
        ("low 0\noom 3\noom_kill 1\n", "it used more than the 7 bytes of memory that JIKKO_PLUGIN_MEMORY allows"),
        (None, ""),
    ],
)
def test_the_kernel_says_who_was_ended_for_its_memory(tmp_path: Path, events: str | None, excess: str) -> None:
    if events is not None:
        (tmp_path / "memory.events").write_text(events)
    assert Cgroup(tmp_path, 7).excess() == excess


def test_the_members_of_a_group_are_those_that_the_kernel_lists(tmp_path: Path) -> None:
    group = Cgroup(tmp_path, 7)
    assert group.processes() == []
    (tmp_path / "cgroup.procs").write_text("12\n7\n")
    assert group.processes() == [12, 7]


async def test_a_group_that_is_ended_is_removed_once_its_processes_are_gone(tmp_path: Path) -> None:
    folder = tmp_path / "jikko-plugin-7-1"
    folder.mkdir()
    ending = asyncio.create_task(asyncio.to_thread(Cgroup(folder, 7).kill))
    await until((folder / "cgroup.kill").exists)
    await until(lambda: (folder / "cgroup.kill").read_text() == "1")
    assert not ending.done(), "its processes are still there"

    (folder / "cgroup.kill").unlink()

    await ending
    assert not folder.exists()


def group_root(folder: Path, *, enabled: str) -> CgroupRoot:
    (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (folder / "cgroup.subtree_control").write_text(enabled)
    return CgroupRoot(folder, "", None)


@pytest.mark.parametrize(
    ("enabled", "asked"), [("", "+cpu +memory +pids"), ("cpu memory\n", "+pids"), ("memory cpu pids io", None)]
)
def test_the_controllers_that_are_missing_are_switched_on(tmp_path: Path, enabled: str, asked: str | None) -> None:
    groups, reason = prepare(group_root(tmp_path, enabled=enabled))

    assert (groups is not None, reason) == (True, "")
    assert (tmp_path / "cgroup.subtree_control").read_text() == (enabled if asked is None else asked)


def test_what_cannot_be_divided_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    (tmp_path / "cgroup.subtree_control").mkdir()
    reason = f"the control group {tmp_path} cannot be divided: Is a directory"

    assert prepare(CgroupRoot(tmp_path, "")) == (None, reason)
    assert prepare(CgroupRoot(None, "版 1")) == (None, "版 1")


def test_threads_are_counted_of_all_processes_that_are_still_there() -> None:
    own = len(os.listdir("/proc/self/task"))

    assert tasks_of([os.getpid(), 1 << 23, os.getpid()]) == 2 * own > 0
