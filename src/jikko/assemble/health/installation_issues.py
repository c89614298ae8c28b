"""Issues of an installation: what the checks of ``jikko doctor`` warn of."""

import asyncio
from collections.abc import Iterator, Sequence

from jikko.assemble.health import configured, installed, machine
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.settings import Settings


async def installation_issues(settings: Settings) -> Sequence[Diagnostic]:
    """What is wrong with the machine of a server and with what is set for it, but for what needs the record."""
    found = await asyncio.to_thread(lambda: list(_checks(settings)))
    if settings.files_url:
        found.append(await configured.files(settings))
    return [entry for entry in found if entry.severity != "ok"]


def _checks(settings: Settings) -> Iterator[Diagnostic]:
    yield installed.python()
    yield from installed.extras()
    yield machine.data_folder(settings.home)
    yield machine.disk(settings.home)
    yield from machine.open_files()
    yield configured.tools(settings)
    yield configured.plugins(settings)
    yield from configured.trial(settings)
