"""Factories of the sandbox for users' programs."""

import sys
from dataclasses import replace

from jikko.assemble import lazy
from jikko.concurrency.run_in_thread import imported
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.ports.sandbox import Sandbox
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import SandboxLimits, UnavailableSandbox
from jikko.sandbox.packages.installed import PackageFolder
from jikko.settings import Settings


def make_sandbox(settings: Settings, workers: int = 1, *, brief: bool = False) -> Sandbox:
    """Build this platform's sandbox for one of ``workers`` processes. Starts nothing. ``brief``: Whether the process
    runs few programs: see ``ForkServerSandbox``, ``as_named``."""
    if sys.platform != "linux":
        return UnavailableSandbox("it needs Linux; run Jikko there, or in its container image")
    limits = sandbox_limits(settings).for_worker(workers)
    return ForkServerSandbox(limits, packages=package_folder(settings), as_named=brief)


def package_folder(settings: Settings) -> PackageFolder:
    return PackageFolder(settings.packages_folder, load=settings.packages_load)


def sandbox_limits(settings: Settings) -> SandboxLimits:
    """Return the limits of one run of a user's program."""
    limits = SandboxLimits(
        wall_seconds=settings.code_seconds,
        cpu_seconds=settings.code_cpu_seconds or None,
        memory_bytes=settings.code_memory,
        output_bytes=settings.code_output,
        app_share=settings.app_share,
        output_elements=max(1, settings.max_elements),
        queued_runs=settings.code_queue,
        require_landlock=settings.code_require_landlock,
    )
    return replace(limits, concurrent_runs=settings.code_processes) if settings.code_processes else limits


async def try_sandbox(settings: Settings) -> list[Diagnostic]:
    """Test each property of the sandbox in a real child. Needs Linux."""
    await imported("jikko.sandbox.selftest")

    return await lazy.self_test(sandbox_limits(settings), packages=package_folder(settings))
