# ruff: noqa: E501 (programs and their outcomes are kept on one line each)

"""Refused starts of the sandbox if a lock does not hold, with a message; and its self-test."""

import errno
import os
import platform
import socket
import subprocess
import sys

import pytest

from jikko.diagnostics.diagnostic import Phrase
from jikko.ports.sandbox import Sandbox, SandboxFailure
from jikko.sandbox import limits, selftest
from jikko.sandbox.fork_server_client import ForkServerClient
from jikko.sandbox.launch import PROGRAM
from jikko.sandbox.limits import SandboxLimits
from jikko.sandbox.selftest import self_test
from tests.effort import PATIENCE
from tests.sandbox.scene import WITHOUT_LANDLOCK, Started, running, until

pytestmark = pytest.mark.anyio

OK = "def main(): return {'ok': 1}"


def broken(change: str) -> str:
    return f"import jikko.sandbox.lock as lock\n{change}\n{PROGRAM}"


FAIL = "def fail(*_): raise lock.LockFailed('%s')\n"
OPEN_FILTER = "lock.child_filter = lock.server_filter"

CASES = {
    "an unknown machine": (broken("import platform; platform.machine = lambda: 'riscv64'"), "no system call table for riscv64"),
    "a second thread": (broken("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"), "has 2 threads"),
    "no seccomp": (broken("lock.server_filter = lambda: bytes(8)"), "seccomp refused the filter"),
    "no seccomp in a child": (broken("lock.child_filter = lambda: bytes(8)"), "locking a child: seccomp refused the filter"),
    "a child with too weak a filter": (broken(OPEN_FILTER), "its self-test failed"),
    "no no_new_privs": (broken(FAIL % "no_new_privs cannot be set" + "lock.forbid_new_privileges = fail"), "no_new_privs cannot be set"),
    "no close_range": (broken(FAIL % "close_range failed; it takes Linux 5.9" + "lock.close_from = fail"), "close_range failed"),
    "open descriptors in a child": (broken("lock.close_from = lambda lowest: None"), "no inherited files"),
    "a resource limit that cannot be set": (broken(FAIL % "resource limit 9 cannot be set" + "lock.set_limits = fail"), "resource limit 9"),
    "no death signal": (broken(FAIL % "the death signal cannot be set" + "lock.die_with = fail"), "death signal"),
    "a module that is missing": ("import sys; sys.modules['_quickjs'] = None; " + PROGRAM, "ModuleNotFoundError"),
    "an interpreter that ends": ("import os; os._exit(4)", "ended with status 4"),
    "a fork server that dies at the wrong moment": (broken("import jikko.sandbox.fork_server as z, os; z.ForkServer._spawn = lambda *_: os._exit(5)"), "ended while it started"),
}  # fmt: skip


async def test_it_does_not_start_without_room_for_a_socket_and_the_next_run_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async with running() as sandbox:
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socketpair", full)
            with pytest.raises(SandboxFailure, match=r"cannot be started: Too many open files") as raised:
                await sandbox.run_code("python3", OK, {})
        assert raised.value.kind == "SandboxUnavailableError"

        assert await sandbox.run_code("python3", OK, {}) == {"ok": 1}


async def test_a_limit_that_the_kernel_has_no_number_for_is_named() -> None:
    async with running(SandboxLimits(wall_seconds=1e30)) as sandbox:
        with pytest.raises(SandboxFailure, match="resource limit 0 cannot be set to 1000000"):
            await sandbox.run_code("python3", OK, {})


async def test_the_self_test_tells_that_no_process_could_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_more(_: ForkServerClient) -> list[tuple[str, bool, Phrase]]:
        raise SandboxFailure("no process could be started: Resource temporarily unavailable")

    monkeypatch.setattr(selftest, "probed", no_more)
    last = (await self_test())[-1]

    assert (last.where, last.ok) == ("fork server", False)
    assert "Resource temporarily unavailable" in last.sentence()


@pytest.mark.slow
@pytest.mark.every_python
@pytest.mark.parametrize("case", CASES)
async def test_it_does_not_start_with(case: str, started: Started) -> None:
    program, message = CASES[case]
    async with running(program=program) as sandbox:
        with pytest.raises(SandboxFailure) as raised:
            await sandbox.run_code("python3", OK, {})

        assert message in str(raised.value)
        assert raised.value.kind == "SandboxUnavailableError"
        assert str(raised.value).startswith("The sandbox is not available: ")
        await until(lambda: started() == set())


LATER = "import sys, jikko.sandbox.fork_server\nsys.version_info = (3, 99, 0, 'final', 0)\n"


async def test_it_starts_with_any_version_of_python_whose_self_test_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 99, 0, "final", 0))
    async with running(program=broken(LATER)) as sandbox:
        assert await sandbox.run_code("python3", OK, {}) == {"ok": 1}


async def test_without_landlock_it_starts_and_warns(caplog: pytest.LogCaptureFixture) -> None:
    async with running(program=WITHOUT_LANDLOCK) as sandbox:
        assert await sandbox.run_code("python3", OK, {}) == {"ok": 1}

        assert [record.message for record in caplog.records if "Landlock" in record.message]


@pytest.mark.once
async def test_without_landlock_it_does_not_start_if_that_is_required() -> None:
    async with running(SandboxLimits(require_landlock=True), program=WITHOUT_LANDLOCK) as sandbox:
        with pytest.raises(SandboxFailure, match="the kernel has no Landlock, and require_landlock is set"):
            await sandbox.run_code("python3", OK, {})


# Root without capabilities. A program that root executes has all of them again, unless they are out of the bounding
# set (24). A plain user has none that matters here: the kernel refuses it the same if it is taken for root.
ROOT, POWERLESS = (
    (PROGRAM, "[__import__('ctypes').CDLL(None).prctl(24, n, 0, 0, 0) for n in range(64)]; lock.drop_capabilities()")
    if os.geteuid() == 0
    else (broken("import os; os.geteuid = lambda: 0"), "")
)
ROOT_WITHOUT_CAPABILITIES = f"""
import asyncio
from jikko.sandbox import lock
from jikko.sandbox.client import ForkServerSandbox
{POWERLESS}
lock.forbid_new_privileges()
async def main():
    sandbox = ForkServerSandbox(program={ROOT!r})
    try: print(await sandbox.run_code("python3", {OK!r}, {{}}))
    except Exception as error: print(error)
    await sandbox.close()
asyncio.run(main())
"""


def test_root_that_may_not_give_root_up_does_not_start() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", ROOT_WITHOUT_CAPABILITIES],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "runs as root but may not give root up" in shown.stdout
    assert "run it as a plain user" in shown.stdout


async def test_the_self_test_shows_one_line_for_each_property(started: Started) -> None:
    lines = await self_test(SandboxLimits(wall_seconds=PATIENCE))

    assert [(line.where, line.sentence()) for line in lines if not line.ok] == []
    names = [line.where for line in lines]
    for name in ("fork server", "Landlock", "no sockets", "no files", "no forks", "no executable memory",
        "no signals to the fork server", "no inherited files", "no superuser", "Python", "JavaScript", "Jinja2"):  # fmt: skip
        assert name in names
    assert ("no x32 calls" in names) == (platform.machine() == "x86_64")
    await until(lambda: started() == set())


async def test_the_self_test_tells_what_is_missing() -> None:
    (line,) = await self_test(program=CASES["a child with too weak a filter"][0])

    assert not line.ok
    assert "its self-test failed" in line.sentence()


@pytest.mark.once
async def test_the_self_test_warns_of_a_kernel_without_landlock() -> None:
    lines = await self_test(program=WITHOUT_LANDLOCK)

    assert [(line.where, line.ok) for line in lines if line.severity != "ok"] == [("Landlock", True)]


async def test_the_self_test_fails_on_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    (line,) = await self_test()

    assert not line.ok
    assert "need Linux" in line.sentence()


async def test_on_other_systems_the_server_has_a_sandbox_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.why_unsupported() is None
    monkeypatch.setattr(sys, "platform", "win32")
    reason = limits.why_unsupported()
    assert reason is not None
    sandbox: Sandbox = limits.UnavailableSandbox(reason.text())

    for run in (sandbox.run_code("python3", OK, {}), sandbox.render("x", {})):
        with pytest.raises(SandboxFailure, match="need Linux; run the container image") as raised:
            await run
        assert raised.value.kind == "SandboxUnavailableError"
    await sandbox.close()


async def test_an_unsupported_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "ppc64le")

    reason = limits.why_unsupported()
    assert reason is not None
    assert "not ppc64le" in reason.text()
