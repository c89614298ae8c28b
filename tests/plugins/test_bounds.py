"""Resource limits of plugins: memory, processes and folder, whatever they try."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import indent
from typing import Any
from uuid import uuid4

import pytest

from jikko.assemble.health.machine import plugin_memory
from jikko.plugins.install.installed_plugins import InstalledPlugins
from jikko.plugins.process import process_usage
from jikko.plugins.process.cgroups import find
from jikko.plugins.process.process_usage import FolderQuota, ProcessSession, size_of
from jikko.ports.tools import JsonMessage, ToolFailure
from jikko.settings import Settings
from tests.effort import PATIENCE
from tests.plugins.calling import world
from tests.plugins.packages import files
from tests.plugins.waiting import until
from tests.plugins.world import installed, packages

pytestmark = [pytest.mark.anyio, pytest.mark.once]
MEBIBYTE = 1 << 20
NO_PROCESS = 1 << 30
"""An id that Linux gives to none."""
TRIED = """
import __main__, time
try:
CODE
    time.sleep(600)
except Exception as error:
    __main__.say(session, "error", {"error_type": "OSError", "message": str(error), "args": {}})
"""


@pytest.fixture
def clean(home: Path) -> Iterator[Path]:
    """The data folder, in which the stand-in keeps nothing from one test to the next."""
    yield home
    deadline = time.monotonic() + PATIENCE
    while tasks_of_plugins(home) and time.monotonic() < deadline:  # what was killed counts until init has seen it
        time.sleep(0.05)
    for state in (home / "plugins" / "state").iterdir():
        shutil.rmtree(state)


def tasks_of_plugins(home: Path) -> int:
    users = {entry.uid for entry in InstalledPlugins(home / "plugins").entries()}
    found = 0
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError):
            found += path.stat().st_uid in users
    return found


async def ended(home: Path, code: str, **settings: Any) -> str:
    """Why a call of the stand-in fails, which runs a program and then waits."""
    async with world(home, **settings) as here:
        with pytest.raises(ToolFailure) as failed:
            await here.messages_of("run", code=TRIED.replace("CODE", indent(code, "    ")))
    return str(failed.value)


# Its folder.

FILLING = {
    "one file": """
import os
with open(os.environ["HOME"] + "/蔵", "wb") as file:
    file.write(bytes(40 << 20))
""",
    "many files": """
import os
for number in range(40):
    with open(f"{os.environ['TMPDIR']}/{number}", "wb") as file:
        file.write(bytes(1 << 20))
""",
    "files without a name": """
import os, __main__
__main__.held = []
for number in range(40):
    path = f"{os.environ['HOME']}/{number}"
    __main__.held.append(open(path, "wb", buffering=0))
    __main__.held[-1].write(bytes(1 << 20))
    os.unlink(path)
""",
    "a file that is only mapped": """
import mmap, os
path = os.environ["HOME"] + "/写像"
descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
os.write(descriptor, bytes(40 << 20))
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
assert libc.mmap(None, 4096, 1, 1, descriptor, 0) != ctypes.c_void_p(-1).value
os.close(descriptor)
os.unlink(path)
""",
    "files that a child holds": """
import os, subprocess, sys
child = (
    "import os, time\\n"
    "held = open(os.environ['HOME'] + '/x', 'wb', buffering=0)\\n"
    "os.unlink(held.name)\\n"
    "os.setsid()\\n"
    "held.write(bytes(40 << 20))\\n"
    "time.sleep(600)"
)
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
""",
}


@pytest.mark.parametrize("filling", FILLING)
async def test_a_plugin_whose_folder_holds_too_much_is_ended_and_told_by_which_setting(
    clean: Path, filling: str
) -> None:
    why = await ended(clean, FILLING[filling], plugin_disk=32 * MEBIBYTE)
    assert "its folder tester-stand_in holds more than the 33554432 bytes that JIKKO_PLUGIN_DISK allows" in why


async def test_the_depth_of_its_folders_is_bounded(clean: Path) -> None:
    deep = "import os\nos.chdir(os.environ['HOME'])\nfor _ in range(80):\n    os.mkdir('深')\n    os.chdir('深')"
    assert "nested deeper than 64 levels" in await ended(clean, deep)


def test_the_number_of_its_files_is_bounded_and_what_links_lead_to_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "state" / "空").mkdir(parents=True)
    (tmp_path / "large").write_bytes(bytes(MEBIBYTE))
    (tmp_path / "state" / "空" / "link").symlink_to(tmp_path / "large")
    (tmp_path / "state" / "all").symlink_to(tmp_path)
    room = FolderQuota(bytes=MEBIBYTE // 2, files=3)
    assert size_of(tmp_path / "state", room).problem == ""
    (tmp_path / "state" / "空" / "more").touch()
    assert size_of(tmp_path / "state", room).problem.startswith("holds more than 3 files")


async def test_a_plugin_whose_folder_is_full_starts_once_there_is_room(clean: Path) -> None:
    kept = clean / "plugins" / "state" / "tester-stand_in" / "home" / "kept"
    async with world(clean) as here:
        await here.messages_of("echo", words="x")
    kept.write_bytes(bytes(MEBIBYTE * 2))
    async with world(clean, plugin_disk=MEBIBYTE) as here:
        with pytest.raises(ToolFailure, match=r"does not start: its folder .* 1048576 bytes that JIKKO_PLUGIN_DISK"):
            await here.messages_of("echo", words="x")
    kept.unlink()
    async with world(clean, plugin_disk=MEBIBYTE) as here:
        await here.messages_of("echo", words="x")


# Its memory.

TAKING = {
    "several processes": """
import os, time
for _ in range(6):
    if not os.fork():
        taken = bytearray(b"x") * (64 << 20)
        time.sleep(600)
""",
    "files in memory": """
import os
made = os.memfd_create("x")
for _ in range(600):
    os.write(made, b"x" * (1 << 20))
""",
    "memory that is shared": """
import mmap
made = mmap.mmap(-1, 600 << 20)
for place in range(0, len(made), 4096):
    made[place] = 1
""",
}


@pytest.mark.parametrize("taking", TAKING)
async def test_no_memory_escapes_the_bound(clean: Path, taking: str) -> None:
    """Either a control group counts it, or it cannot be had."""
    why = await ended(clean, TAKING[taking], plugin_memory=256 * MEBIBYTE)
    refused = ("Operation not permitted", "Function not implemented")
    assert "268435456 bytes of memory that JIKKO_PLUGIN_MEMORY allows" in why or any(each in why for each in refused), (
        why
    )
    if find().base is None and taking != "several processes":
        assert any(each in why for each in refused)


async def test_there_is_no_file_in_memory_elsewhere(clean: Path) -> None:
    async with world(clean) as here:
        for path in (f"{folder}/{uuid4().hex}" for folder in ("/dev/shm", "/run", "/tmp", "/var/tmp")):
            with pytest.raises(ToolFailure, match="Permission denied"):
                await here.messages_of("run", code=TRIED.replace("CODE", f"    open({path!r}, 'wb')"))


def test_doctor_says_which_bound_of_memory_holds_and_why(clean: Path) -> None:
    [finding] = plugin_memory(Settings(home=clean, plugin_memory=256 * MEBIBYTE))
    place = find()
    assert finding.ok
    assert "268435456 bytes" in finding.sentence()
    if place.base is None:
        assert "memory that no limit counts is refused, since there are no control groups" in finding.sentence()
        assert finding.sentence().endswith(place.reason)
    else:
        assert finding.sentence().endswith(f"bounded by control groups in {place.base}")


# Its processes.


def test_the_first_plugins_of_several_data_folders_have_different_users(tmp_path: Path) -> None:
    folders = [InstalledPlugins(tmp_path / str(number)) for number in range(20)]
    assert len({folder.uids_for(["tester/stand_in"])[0] for folder in folders}) > 10


async def test_processes_and_threads_are_bounded(clean: Path) -> None:
    code = """
import os, time
made = 0
try:
    while made < 2000:
        if not os.fork():
            time.sleep(600)
        made += 1
except OSError as error:
    raise RuntimeError(f"made {made}: {error}")
"""
    why = await ended(clean, code)
    assert "512 processes and threads" in why or "Resource temporarily unavailable" in why, why


async def test_what_a_plugin_started_ends_with_it_in_whatever_session_it_is(clean: Path) -> None:
    code = """
import os, subprocess, sys
read, write = os.pipe()
child = "import os, sys, time; os.setpgid(0, 0); print(os.getpid(), flush=True); time.sleep(600)"
started = subprocess.Popen([sys.executable, "-c", child], start_new_session=True, stdout=subprocess.PIPE)
result = int(started.stdout.readline())
"""
    async with world(clean) as here:
        [message] = await here.messages_of("run", code=code)
        assert isinstance(message, JsonMessage)
        assert is_running(message.value)
    assert not is_running(message.value)


def test_what_was_killed_is_waited_for_until_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes its time to let a process end."""
    looks = iter([{NO_PROCESS: [NO_PROCESS]}] * 60)
    monkeypatch.setattr(process_usage, "sessions", lambda: next(looks, {}))
    ProcessSession(NO_PROCESS, MEBIBYTE).kill()
    assert next(looks, None) is None


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_plugin_leaves_no_core_dump_and_has_a_thousand_files_open_at_most(clean: Path) -> None:
    code = """
import os, resource
limits = [resource.getrlimit(kind) for kind in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)]
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    failed = error.strerror
for each in held:
    os.close(each)
result = [limits, len(held), failed]
"""
    async with world(clean) as here:
        [message] = await here.messages_of("run", code=code)
    assert isinstance(message, JsonMessage)
    limits, opened, failed = message.value
    core, open_files, size = limits
    assert core == [0, 0]
    assert size == [256 * MEBIBYTE, 256 * MEBIBYTE]
    assert opened < open_files[1] <= 1024
    assert failed == "Too many open files"


# Plugins that are removed.


async def test_an_idle_process_of_a_removed_or_replaced_plugin_ends(tmp_path: Path) -> None:
    home = tmp_path / "home"
    await installed(home)
    async with world(home) as here, packages(home) as made:
        await here.messages_of("echo", words="x")
        [old] = here.runtime.pool.processes
        made.remove("tester/stand_in")
        await installed(home, {**files(), "more.txt": b"1"})
        await here.messages_of("echo", words="x")
        await until(lambda: old.pid not in [process.pid for process in here.runtime.pool.processes])
        await until(lambda: not is_running(old.pid))
        made.remove("tester/stand_in")
        await until(lambda: not here.runtime.pool.processes)
    await until(lambda: os.listdir(home / "plugins" / "state") == [])
