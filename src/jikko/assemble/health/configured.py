"""What is set: the files of providers and tools, plugins, where files are kept, and what is only for trying."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from jikko.assemble.models import providers_of
from jikko.assemble.plugins import plugins_at_hand
from jikko.assemble.stores import contents_of_files
from jikko.assemble.tools import tools_file
from jikko.errors import InvalidSettings, JikkoError
from jikko.finding import Finding
from jikko.settings import Settings

_PORTS_SINCE: Final = 4
"""The version of Landlock from which on ports can be denied."""


def providers(settings: Settings) -> Finding:
    """Whether the providers file can be read: without it neither a run nor the server starts."""
    if settings.providers is None:
        return Finding("providers", True, "none: workflows with language models need a file that JIKKO_PROVIDERS names")
    return _file("providers", settings.providers, lambda: providers_of(settings).entries, "providers")


def tools(settings: Settings) -> Finding:
    """Whether the tools file can be read: without it neither a run nor the server starts."""
    if settings.tools is None:
        return Finding("tools", True, "none but built-in ones: others are described in a file that JIKKO_TOOLS names")
    return _file("tools", settings.tools, lambda: tools_file(settings).providers, "providers of tools")


def _file(name: str, path: Path, read: Callable[[], Mapping[str, Any]], entries: str) -> Finding:
    """What an operator's file has, and which variables of the environment it lacks."""
    try:
        found = read()
    except InvalidSettings as error:
        return Finding(name, False, str(error))
    unset = sorted({variable for entry in found.values() for variable in entry.unset})
    detail = f"{path}, {len(found)} {entries}"
    paste = "\n".join(f"export {variable}=…" for variable in unset)
    return Finding(name, True, detail + (f"; not set: {', '.join(unset)}" if unset else ""), bool(unset), paste)


async def files(settings: Settings) -> Finding:
    """Where the contents of files are, and whether they can be kept there."""
    if not settings.files_url:
        return Finding("files", True, "in the data folder")
    try:
        await contents_of_files(settings).check()
    except JikkoError as error:
        return Finding("files", False, str(error))
    return Finding("files", True, f"in {settings.files_url}")


def plugins(settings: Settings) -> Finding:
    """How many plugins there are, and whether they can be locked here."""
    try:
        found = plugins_at_hand(settings)
    except InvalidSettings as error:
        return Finding("plugins", False, str(error))
    if not found.installed:
        return Finding("plugins", True, "none: `jikko plugins install` has them")
    if settings.plugins_confine != "require":
        return Finding("plugins", True, f"{found.installed}, not locked (JIKKO_PLUGINS_CONFINE)", True)
    if not found.landlock:
        return Finding("plugins", False, f"{found.installed}, and none starts: this kernel has no Landlock")
    ports = (
        ""
        if found.landlock >= _PORTS_SINCE
        else "; it cannot keep them from other ports of this machine, which takes Linux 6.7"
    )
    return Finding("plugins", True, f"{found.installed}, locked by Landlock {found.landlock}{ports}", bool(ports))


def plugin_memory(settings: Settings) -> Iterator[Finding]:
    """Which bound of memory holds for plugins, if there are any, and why."""
    try:
        found = plugins_at_hand(settings)
    except InvalidSettings:
        return
    if not found.installed or not found.landlock or settings.plugins_confine != "require":
        return
    bound = f"{settings.plugin_memory} bytes for each process of a plugin and what it starts, "
    how = f"bounded by control groups in {found.groups}"
    if not found.groups:
        how = "counted every second; memory that no limit counts is refused, since there are no control groups: "
    yield Finding("plugin memory", True, f"{bound}{how}{found.no_groups}")


def retention(settings: Settings) -> Finding:
    """Whether runs are removed some day."""
    if settings.retention_days:
        return Finding("retention", True, f"runs are removed {settings.retention_days:g} days after their end")
    advice = "JIKKO_RETENTION_DAYS, or `jikko runs prune`, removes them"
    return Finding("retention", True, f"off: runs stay until they are removed ({advice})")


def trial(settings: Settings) -> Iterator[Finding]:
    """What is set to try workflows, and is not for others to use."""
    if settings.fake_models:
        yield Finding(
            "models", True, "faked (JIKKO_FAKE_MODELS): every answer is made up", True, "unset JIKKO_FAKE_MODELS"
        )
    if settings.mocks.strip():
        yield Finding("nodes", True, "mocked (JIKKO_MOCKS): those that it names do not run", True, "unset JIKKO_MOCKS")
