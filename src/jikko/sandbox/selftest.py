"""Self-test of the sandbox for ``jikko doctor``: each property, tried in a real child."""

import time
from collections.abc import Mapping
from typing import Any, Final

from jikko.diagnostics.diagnostic import Diagnostic, Severity
from jikko.ports.sandbox import SandboxFailure
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.fork_server_client import ForkServerClient, ForkServerGone, probed
from jikko.sandbox.launch import PROGRAM
from jikko.sandbox.limits import SandboxLimits, why_unsupported
from jikko.sandbox.packages.installed import Loadable, PackageFolder, Unreadable, loadable
from jikko.values import Json

_ORDINARY: Final = (
    ("Python", "python3", "def main(a):\n    return {'r': a + 1}"),
    ("JavaScript", "javascript", "const main = ({a}) => ({r: a + 1})"),
    ("Jinja2", "template", "{{ a + 1 }}"),
)


async def self_test(
    limits: SandboxLimits | None = None, *, packages: PackageFolder | None = None, program: str = PROGRAM
) -> list[Diagnostic]:
    """Start a fork server, try what must be refused and what must work, and end it. Takes about half a second.

    Returns one diagnostic per thing tried, in order: ``where`` is what was tried, such as ``no sockets``. After a
    failure that the rest depends on there are no more. ``program``: What it executes; only tests pass another.
    """
    limits = limits or SandboxLimits()
    reason = why_unsupported()
    if reason:
        return [Diagnostic(reason.code, reason.params, where="machine")]
    lines: list[Diagnostic] = []
    started = time.perf_counter()
    try:
        loaded = loadable(packages)
        server = await ForkServerClient.start(limits, packages=loaded, program=program)
    except Unreadable as error:
        return [_verbatim("packages", error)]
    except SandboxFailure as failure:
        return [_verbatim("fork server", failure)]
    try:
        seconds = time.perf_counter() - started
        params = {"seconds": f"{seconds:.2f}", "uid": server.report["uid"]}
        lines.append(Diagnostic("sandbox.started", params, where="fork server", severity="ok"))
        lines.append(_landlock(int(server.report["landlock"])))
        lines.append(_packages(loaded, server.report))
        for title, held, detail in await probed(server):
            severity: Severity = "ok" if held else "error"
            lines.append(Diagnostic(detail.code, detail.params, where=title, severity=severity))
    except ForkServerGone:
        lines.append(Diagnostic("sandbox.died", where="fork server"))
        return lines
    except SandboxFailure as failure:
        lines.append(_verbatim("fork server", failure))
        return lines
    finally:
        await server.close()
    lines += await _ordinary_runs(limits, program)
    return lines


def _landlock(version: int) -> Diagnostic:
    if version:
        return Diagnostic("sandbox.landlock", {"version": version}, where="Landlock", severity="ok")
    return Diagnostic("sandbox.no_landlock", where="Landlock", severity="warning")


def _packages(loaded: Loadable, report: Mapping[str, Any]) -> Diagnostic:
    if loaded.unusable:
        return _verbatim("packages", loaded.unusable, "warning")
    versions: Mapping[str, str] = report.get("packages", {})
    failed: Mapping[str, str] = report.get("failed", {})
    if failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        params = {"count": len(versions), "reasons": reasons}
        return Diagnostic("sandbox.bad_packages", params, where="packages", severity="warning")
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    if not found:
        return Diagnostic("sandbox.no_packages", where="packages", severity="ok")
    return _verbatim("packages", found, "ok")


async def _ordinary_runs(limits: SandboxLimits, program: str) -> list[Diagnostic]:
    sandbox = ForkServerSandbox(limits, program=program)
    lines: list[Diagnostic] = []
    try:
        for name, kind, source in _ORDINARY:
            try:
                result: Json
                if kind == "template":
                    result = {"r": int(await sandbox.render(source, {"a": 1}))}
                else:
                    result = await sandbox.run_code(kind, source, {"a": 1})
            except SandboxFailure as failure:
                lines.append(_verbatim(name, failure))
            else:
                if result == {"r": 2}:
                    lines.append(Diagnostic("sandbox.runs", where=name, severity="ok"))
                else:
                    lines.append(Diagnostic("sandbox.gave", {"result": repr(result)}, where=name))
    finally:
        await sandbox.close()
    return lines


def _verbatim(name: str, text: object, severity: Severity = "error") -> Diagnostic:
    return Diagnostic("sandbox.verbatim", {"text": str(text)}, where=name, severity=severity)
