"""Uses control groups of a real kernel and prints the results: ``test_control_groups`` boots one and runs this.

First as root in the root group, then as an unprivileged user in a delegated group. Prints a line of JSON for each.
"""

import asyncio
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from jikko.concurrency.scheduler import Scheduler
from jikko.plugins.process.budget import Budgets
from jikko.plugins.process.call import PluginFailure, ProcessLimits
from jikko.plugins.process.cgroups import Cgroup, Cgroups, find, prepare
from jikko.plugins.process.plugin_launch import Lock, make_state
from jikko.plugins.process.process import PluginProcess

STAND_IN = Path(__file__).with_name("stand_in.py")
ROOT = Path("/sys/fs/cgroup")
MEMORY = 128 << 20
UID, USER = 64_000, 64_901
LEFT_BY = 999_999
"""Id of a process that never existed."""
ATTEMPTS = {
    "memory files": """
import os
made = os.memfd_create("x")
for _ in range(300):
    os.write(made, b"x" * (1 << 20))
""",
    "shared memory": """
import mmap
made = mmap.mmap(-1, 300 << 20)
for place in range(0, len(made), 4096):
    made[place] = 1
""",
    "several processes": """
import os, time
for _ in range(6):
    if not os.fork():
        taken = bytearray(b"x") * (32 << 20)
        time.sleep(600)
time.sleep(600)
""",
}
CHILDREN = """
import os, subprocess
child = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
result = [child.pid, os.getsid(child.pid), os.getuid()]
"""


async def started(groups: Cgroups) -> tuple[Cgroup, PluginProcess]:
    group, state = groups.make(MEMORY), Path("/run/state")
    make_state(state, UID)
    lock = Lock(read=(STAND_IN.parent,), write=(state,), ports=None, memory=MEMORY, uid=UID, cgroup=group.folder)
    command = lock.command(["/usr/bin/python3", "-I", "-S", str(STAND_IN)])
    # This test's kernel has no Landlock; all other locks apply.
    command = [json.dumps({**json.loads(each), "require": False}) if each[:1] == "{" else each for each in command]
    limits = ProcessLimits(memory=MEMORY)
    process = await PluginProcess.start(
        command,
        folder=Path("/"),
        environment={},
        limits=limits,
        share=Scheduler(),
        budget=Budgets().open(),
        group=group,
    )
    return group, process


async def called(process: PluginProcess, code: str) -> Any:
    received: list[Any] = []
    request = {"tool": "run", "tool_parameters": {"code": code}}
    try:
        await process.call(request, seconds=120, emit=lambda message: received.append(message.message))
    except PluginFailure as failure:
        return str(failure)
    return received[0]["json_object"]


def swept() -> Cgroups:
    """Return the groups, with nothing left of a killed server."""
    left = ROOT / f"jikko-plugin-{LEFT_BY}-1"
    left.mkdir()
    forgotten = os.fork()
    if not forgotten:
        (left / "cgroup.procs").write_text("0")
        time.sleep(600)
    while not (left / "cgroup.procs").read_text():
        time.sleep(0.01)
    groups, reason = prepare()
    assert groups is not None, reason
    assert not left.exists()
    assert os.waitpid(forgotten, 0)[1] == signal.SIGKILL
    return groups


def is_there(process: int) -> bool:
    """Return whether it is running; a zombie, which the group need not reap, is not."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


async def as_root(groups: Cgroups) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, code in ATTEMPTS.items():
        group, process = await started(groups)
        found[name] = await called(process, code)
        await process.kill()
        found["left"] = group.folder.exists()
    group, process = await started(groups)
    members = group.processes()
    found["is a member"] = members == [process.pid]
    found["limits"] = [
        (group.folder / name).read_text().strip() for name in ("memory.max", "memory.swap.max", "pids.max")
    ]
    child, session, uid = await called(process, CHILDREN)
    found["user"], found["own session"] = uid, session == child
    await process.kill()
    found["child is left"] = is_there(child)
    return found


def as_plain_user() -> dict[str, Any]:
    """Run in a separate process, the only one in a group delegated to a user as by systemd."""
    service = ROOT / "jikko.service"
    service.mkdir()
    for name in (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(service / name, USER, USER)
    (service / "cgroup.procs").write_text("0")
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    place = find()
    groups, reason = prepare()
    if groups is None:
        return {"reason": reason, "place": str(place)}
    again, _ = prepare()
    group = groups.make(MEMORY)
    process = os.fork()
    if not process:
        (group.folder / "cgroup.procs").write_text("0")
        taken = bytearray(b"x") * (300 << 20)
        os._exit(len(taken) % 7)
    status = os.waitpid(process, 0)[1]
    found = {"base": str(place.base), "again": again is not None, "status": status, "why": group.excess()}
    group.kill()
    found["left"] = group.folder.exists()
    found["server"] = Path("/proc/self/cgroup").read_text().strip().rpartition("/")[2]
    return found


def main() -> None:
    """Print both results."""
    print("RESULT", json.dumps(asyncio.run(as_root(swept()))), flush=True)
    process = os.fork()
    if not process:
        with suppress(BaseException):
            print("RESULT", json.dumps(as_plain_user()), flush=True)
        os._exit(0)
    os.waitpid(process, 0)


if __name__ == "__main__":
    main()
