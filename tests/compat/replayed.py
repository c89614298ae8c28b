"""Replays of a suite's runs: each must behave as before, by its log alone."""

import asyncio
import os
from pathlib import Path

from jikko.cli.options import assembled
from jikko.embedded.replaying import RecordedRuns, Replays
from jikko.engine.limits import RunLimits
from jikko.proving.replay_verdict import ReplayedResult
from jikko.proving.replayed_run import Replayer
from jikko.setting_sources import read_settings
from tests.effort import PATIENCE


def otherwise(folder: Path) -> list[str]:
    """Return the runs that differ when replayed on the current version, with the differences.

    Args:
        folder: Folder of the server that made them.
    """
    results = all_results(folder)
    assert results, "there are no runs: the other tests of the file make them"
    return [
        f"{app}: {result.outcome}: {result.where} {result.difference} {result.reason}"
        for app, result in results
        if result.outcome != "same" and not result.reason.endswith("was stopped")
    ]


def all_results(folder: Path) -> list[tuple[str, ReplayedResult]]:
    """Return the result of each of a server's runs on the current version of its app, with the app's name.

    Args:
        folder: Contains the server's ``home``, and its providers and tools.
    """
    return asyncio.run(_all_results(folder))


async def _all_results(folder: Path) -> list[tuple[str, ReplayedResult]]:
    files = {"JIKKO_PROVIDERS": folder / "providers.yaml", "JIKKO_TOOLS": folder / "tools.yaml"}
    given = {name: str(path) for name, path in files.items() if path.exists()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JIKKO_")}
    settings = read_settings({**kept, **given, "JIKKO_HOME": str(folder / "home")})
    found = []
    async with assembled(settings) as assembly:
        for app in await assembly.apps.all():
            recorded = RecordedRuns(assembly, app)
            replayer = Replayer(await assembly.workflows.get(app), assembly.ports, RunLimits(max_steps=500), "nearest")
            replays = Replays(replayer, recorded, None, PATIENCE)
            async for result, _ in replays.results(recorded.newest(1_000_000, 0.0)):
                found.append((app.name, result))
    return found
