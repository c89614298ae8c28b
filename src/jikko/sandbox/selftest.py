"""What ``jikko doctor`` shows of the sandbox: each property, tried in a real child."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from jikko.ports.sandbox import SandboxFailure
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.fork_server_client import ForkServer, ForkServerGone
from jikko.sandbox.launch import PROGRAM
from jikko.sandbox.limits import SandboxLimits
from jikko.sandbox.packages.installed import PackageFolder, Unreadable
from jikko.sandbox.packages.loadable import Loadable, loadable
from jikko.sandbox.proof import probed
from jikko.sandbox.unavailable import why_unsupported
from jikko.values import Json

_ORDINARY: Final = (
    ("Python", "python3", "def main(a):\n    return {'r': a + 1}"),
    ("JavaScript", "javascript", "const main = ({a}) => ({r: a + 1})"),
    ("Jinja2", "template", "{{ a + 1 }}"),
)


@dataclass(frozen=True, slots=True)
class SelfTestLine:
    """One thing that was tried."""

    name: str
    """What was tried, such as ``no sockets``."""
    status: Literal["ok", "warning", "failed"]
    detail: str
    """What happened, and if it failed, what to do."""

    @property
    def ok(self) -> bool:
        """Whether the sandbox works in this respect; also with a warning."""
        return self.status != "failed"


async def self_test(
    limits: SandboxLimits | None = None, *, packages: PackageFolder | None = None, program: str = PROGRAM
) -> list[SelfTestLine]:
    """Start a fork server, try what must be refused and what must work, and end it.

    Takes about half a second.

    Args:
        limits: By default, those of ``SandboxLimits()``.
        packages: Where packages for programs are installed.
        program: What the fork server executes. Only tests pass another.

    Returns:
        One line per thing tried, in order. After a failure that the rest depends on there are no more.
    """
    limits = limits or SandboxLimits()
    reason = why_unsupported()
    if reason:
        return [SelfTestLine("machine", "failed", reason)]
    lines: list[SelfTestLine] = []
    started = time.perf_counter()
    try:
        loaded = loadable(packages)
        server = await ForkServer.start(limits, packages=loaded, program=program)
    except Unreadable as error:
        return [SelfTestLine("packages", "failed", str(error))]
    except SandboxFailure as failure:
        return [SelfTestLine("fork server", "failed", str(failure))]
    try:
        seconds = time.perf_counter() - started
        lines.append(SelfTestLine("fork server", "ok", f"started in {seconds:.2f} s as uid {server.report['uid']}"))
        lines.append(_landlock(int(server.report["landlock"])))
        lines.append(_packages(loaded, server.report))
        for title, held, detail in await probed(server):
            lines.append(SelfTestLine(title, "ok" if held else "failed", detail))
    except ForkServerGone:
        lines.append(SelfTestLine("fork server", "failed", "it died while it was tested"))
        return lines
    except SandboxFailure as failure:
        lines.append(SelfTestLine("fork server", "failed", str(failure)))
        return lines
    finally:
        await server.close()
    lines += await _ordinary_runs(limits, program)
    return lines


def _landlock(version: int) -> SelfTestLine:
    if version:
        return SelfTestLine("Landlock", "ok", f"version {version}")
    return SelfTestLine("Landlock", "warning", "the kernel has none; seccomp holds without it, as one line less")


def _packages(loaded: Loadable, report: Mapping[str, Any]) -> SelfTestLine:
    if loaded.unusable:
        return SelfTestLine("packages", "warning", loaded.unusable)
    versions: Mapping[str, str] = report.get("packages", {})
    failed: Mapping[str, str] = report.get("failed", {})
    if failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        return SelfTestLine("packages", "warning", f"{len(versions)} packages; these cannot be imported: {reasons}")
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    return SelfTestLine("packages", "ok", found or "none; `jikko packages install` installs libraries for code nodes")


async def _ordinary_runs(limits: SandboxLimits, program: str) -> list[SelfTestLine]:
    sandbox = ForkServerSandbox(limits, program=program)
    lines: list[SelfTestLine] = []
    try:
        for name, kind, source in _ORDINARY:
            try:
                result: Json
                if kind == "template":
                    result = {"r": int(await sandbox.render(source, {"a": 1}))}
                else:
                    result = await sandbox.run_code(kind, source, {"a": 1})
            except SandboxFailure as failure:
                lines.append(SelfTestLine(name, "failed", str(failure)))
            else:
                right = result == {"r": 2}
                lines.append(SelfTestLine(name, "ok" if right else "failed", "runs" if right else f"gave {result!r}"))
    finally:
        await sandbox.close()
    return lines
