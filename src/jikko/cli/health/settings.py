"""The settings as ``jikko doctor`` reads them: with all that is wrong with them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from jikko.assemble import mocks_of
from jikko.assemble.node_ports import allowed_networks
from jikko.cli.unknown_variables import unknown
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.errors import InvalidSettings
from jikko.http.proxies import TrustedProxies, checked_root_path
from jikko.setting_sources import read_settings
from jikko.settings import FILE_NAME, Settings


def settings(environment: Mapping[str, str], home: Path | None, command: click.Command) -> tuple[Any, list[Diagnostic]]:
    """The settings, with what is wrong with them; the defaults stand for settings that cannot be used.

    Args:
        home: The option.
        command: The whole command, whose options name variables, too.
    """

    found: list[Diagnostic] = []
    try:
        read = read_settings(environment, home=home)
    except InvalidSettings as error:
        found += map(_wrong, str(error).splitlines())
        chosen = home or environment.get("JIKKO_HOME")
        read = Settings(home=Path(chosen).expanduser()) if chosen else Settings()
    found += map(_wrong, _unusable(read))
    for name in unknown(environment, command):
        found.append(Diagnostic("settings.unread", {"name": name}, where="settings", severity="warning"))
    if not found:
        file = read.home / FILE_NAME
        code = "settings.file" if file.exists() else "settings.environment"
        found.append(Diagnostic(code, {"file": str(file)}, where="settings", severity="ok"))
    return read, found


def _wrong(text: str) -> Diagnostic:
    return Diagnostic("check.verbatim", {"text": text}, where="settings")


def _unusable(read: Any) -> Iterator[str]:
    """What is no good though it is of the right type: a server with it would not start."""

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
