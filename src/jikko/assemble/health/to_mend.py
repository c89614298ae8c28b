"""What of all that is found of an installation is to be mended."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from jikko.assemble.health import configured, installed, machine
from jikko.console.mending import ToMend
from jikko.finding import Finding
from jikko.settings import Settings


async def installation_to_mend(settings: Settings) -> Sequence[ToMend]:
    """What is wrong with the machine of a server and with what is set for it, but for what needs the record."""
    found = await asyncio.to_thread(lambda: list(_findings(settings)))
    if settings.files_url:
        found.append(await configured.files(settings))
    return to_mend(found)


def to_mend(findings: Iterable[Finding]) -> list[ToMend]:
    """Those of some findings that are not well."""
    return [
        ToMend("warning" if entry.ok else "error", entry.name, entry.detail, paste=entry.paste)
        for entry in findings
        if entry.warning or not entry.ok
    ]


def _findings(settings: Settings) -> Iterator[Finding]:
    yield installed.python()
    yield from installed.extras()
    yield machine.data_folder(settings.home)
    yield machine.disk(settings.home)
    yield from machine.open_files()
    yield configured.tools(settings)
    yield configured.plugins(settings)
    yield from configured.trial(settings)
