"""What is set: the settings themselves, the files of providers and tools, and what comes of them."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from jikko.cli.health.finding import Finding

_PORTS_SINCE: Final = 4
"""The version of Landlock from which on ports can be denied."""


def settings(environment: Mapping[str, str], home: Path | None, command: click.Command) -> tuple[Any, list[Finding]]:
    """The settings, with what is wrong with them; the defaults stand for settings that cannot be used.

    Args:
        home: The option.
        command: The whole command, whose options name variables, too.
    """
    from jikko.cli.unknown_variables import unknown
    from jikko.errors import InvalidSettings
    from jikko.setting_sources import read_settings
    from jikko.settings import FILE_NAME, Settings

    found: list[Finding] = []
    try:
        read = read_settings(environment, home=home)
    except InvalidSettings as error:
        found += [Finding("settings", False, line) for line in str(error).splitlines()]
        chosen = home or environment.get("JIKKO_HOME")
        read = Settings(home=Path(chosen).expanduser()) if chosen else Settings()
    found += [Finding("settings", False, problem) for problem in _unusable(read)]
    for name in unknown(environment, command):
        found.append(Finding("settings", True, f"nothing reads {name}: see docs/settings.md", warning=True))
    if not found:
        file = read.home / FILE_NAME
        sources = f"the environment and {file}" if file.exists() else "the environment"
        found.append(Finding("settings", True, f"from {sources}"))
    return read, found


def _unusable(read: Any) -> Iterator[str]:
    """What is no good though it is of the right type: a server with it would not start."""
    from jikko.assemble import mocks_of
    from jikko.assemble.node_ports import allowed_networks
    from jikko.errors import InvalidSettings
    from jikko.http.proxies import TrustedProxies, checked_root_path

    for check, value in (
        (mocks_of, read.mocks),
        (allowed_networks, read.http_allow),
        (TrustedProxies, read.trusted_proxies),
        (checked_root_path, read.root_path),
    ):
        try:
            check(value)
        except InvalidSettings as error:
            yield str(error)


def providers(settings: Any) -> Finding:
    """Whether the providers file can be read: without it neither a run nor the server starts."""
    from jikko.assemble import providers_of

    if settings.providers is None:
        return Finding("providers", True, "none: workflows with language models need a file that JIKKO_PROVIDERS names")
    return _file("providers", settings.providers, lambda: providers_of(settings).entries, "providers")


def tools(settings: Any) -> Finding:
    """Whether the tools file can be read: without it neither a run nor the server starts."""
    from jikko.assemble.tools import tools_file

    if settings.tools is None:
        return Finding("tools", True, "none but built-in ones: others are described in a file that JIKKO_TOOLS names")
    return _file("tools", settings.tools, lambda: tools_file(settings).providers, "providers of tools")


def _file(name: str, path: Path, read: Callable[[], Mapping[str, Any]], entries: str) -> Finding:
    """What an operator's file has, and which variables of the environment it lacks."""
    from jikko.errors import InvalidSettings

    try:
        found = read()
    except InvalidSettings as error:
        return Finding(name, False, str(error))
    unset = sorted({variable for entry in found.values() for variable in entry.unset})
    detail = f"{path}, {len(found)} {entries}"
    return Finding(name, True, detail + (f"; not set: {', '.join(unset)}" if unset else ""), bool(unset))


async def files(settings: Any) -> Finding:
    """Where the contents of files are, and whether they can be kept there."""
    from jikko.assemble.stores import contents_of_files
    from jikko.errors import JikkoError

    if not settings.files_url:
        return Finding("files", True, "in the data folder")
    try:
        await contents_of_files(settings).check()
    except JikkoError as error:
        return Finding("files", False, str(error))
    return Finding("files", True, f"in {settings.files_url}")


def plugins(settings: Any) -> Finding:
    """How many plugins there are, and whether they can be locked here."""
    from jikko.assemble.plugins import plugins_at_hand
    from jikko.errors import InvalidSettings

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
    ports = "" if found.landlock >= _PORTS_SINCE else "; it cannot keep them to the gate, which takes Linux 6.7"
    return Finding("plugins", True, f"{found.installed}, locked by Landlock {found.landlock}{ports}", bool(ports))


def retention(settings: Any) -> Finding:
    """Whether runs are removed some day."""
    if settings.retention_days:
        return Finding("retention", True, f"runs are removed {settings.retention_days:g} days after their end")
    advice = "JIKKO_RETENTION_DAYS, or `jikko runs prune`, removes them"
    return Finding("retention", True, f"off: runs stay until they are removed ({advice})")


def trial(settings: Any) -> Iterator[Finding]:
    """What is set to try workflows, and is not for others to use."""
    if settings.fake_models:
        yield Finding("models", True, "faked (JIKKO_FAKE_MODELS): every answer is made up", warning=True)
    if settings.mocks.strip():
        yield Finding("nodes", True, "mocked (JIKKO_MOCKS): those that it names do not run", warning=True)
