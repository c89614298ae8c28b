"""Publishing what a server was started with: files, keys, and values for environment variables."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from jikko.apps.dsl_file import read_dsl_file, readable
from jikko.apps.environment import empty_secrets, how_to_fill, unused
from jikko.apps.keys import is_list_of_keys, new_key, parse_keys
from jikko.apps.publishing import Published
from jikko.apps.versions import Workflow
from jikko.assemble import mocks_of
from jikko.assemble.assembly import Assembly
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.errors import Conflict, InvalidDocument, InvalidParam, InvalidSettings, JikkoError, NotFound
from jikko.graph.mocks import unknown_mocks
from jikko.repositories.app_store import App
from jikko.settings import PREFIX
from jikko.terminal_text import harmless, printable


class Issued(NamedTuple):
    """A new API key."""

    name: str
    """Of the app."""
    authorization: str
    """It, as ``curl_examples.bearer`` gives it."""
    workflow: Workflow
    """What it opens."""
    decisive: Diagnostic | None
    """Why every run will fail, if that is known."""


async def publish(assembly: Assembly, files: Sequence[Path]) -> list[Issued]:
    """Publish files that are new or changed, and take in the keys that were brought. Returns the keys that were made
    for apps of these files that had none.

    Raises:
        Conflict: Two files are of one app; nothing was published.
        InvalidDocument, InvalidEnvironment, InvalidSettings: See ``publish_one``, ``bring_keys``.
    """
    if len(files) > 1:  # a single one may be a pipe, which is read once
        assembly.apps.require_names_of_their_own(readable(files))
    known = [await publish_one(assembly, file) for file in files]
    await bring_keys(assembly, assembly.settings.keys)
    await _look_at_values(assembly)
    if not known and not await assembly.apps.all():
        click.echo("warning: no app is published; `jikko apps import FILE` publishes one", err=True)
    issued = []
    for app in known:
        if await assembly.app_keys.of(app):
            continue
        # Few starts make a key, and those that do not need nothing to try it with.
        from jikko.apps.key_files import keep_key
        from jikko.server.curl_examples import bearer, decisive

        key = new_key()
        entry = await assembly.app_keys.add_first(app.id, key)
        if entry is None:
            continue  # another process was quicker
        # What is no terminal ends in a log, as like as not.
        kept = None if sys.stdout.isatty() else keep_key(assembly.settings.home, entry, key, app.name)
        how = f"{key}  (shown only now)" if kept is None else f"in {kept}"
        name = printable(app.name)
        click.echo(f"{name}: key {how}; `jikko apps keys {shlex.quote(name)} --new` makes another")
        issued.append(
            Issued(app.name, bearer(key, kept), await assembly.workflows.get(app), await decisive(assembly, app))
        )
    return issued


async def publish_one(assembly: Assembly, file: Path) -> App:
    """Publish a file if it is new or changed, and tell what came of it.

    Raises:
        InvalidDocument, Conflict: It cannot be published.
        InvalidEnvironment: A value that was set for one of its environment variables is of another type.
    """
    published = await published_file(assembly, file)
    for problem in published.warnings:
        click.echo(harmless(f"{file}: warning: {problem}"), err=True)
    click.echo(f"{printable(published.app.name)}: version {published.version.number} ({published.version.id})")
    await assembly.workflows.get(published.app)
    app: App = published.app
    return app


async def published_file(assembly: Assembly, file: Path) -> Published:
    """Publish a file if it is new or changed.
    Raises ``InvalidDocument``, ``Conflict`` or ``InvalidSettings``: it cannot be published; the file is named."""
    try:
        return await assembly.apps.publish_if_changed(_text(file), source=file.stem)
    except InvalidDocument as error:
        raise InvalidDocument(str(file), error.problems, error.places) from None


async def bring_keys(assembly: Assembly, setting: str) -> None:
    """Have keys open apps, as the setting ``keys`` says.
    Raises ``InvalidSettings``: the file cannot be read, a line is wrong, or there is no such app."""
    try:
        for name, key in _keys_of(setting):
            await assembly.app_keys.add((await assembly.apps.find(name)).id, key)
    except (InvalidParam, NotFound, Conflict) as error:
        raise InvalidSettings(f"{PREFIX}KEYS: {error}") from None


def _keys_of(setting: str) -> list[tuple[str, str]]:
    if not setting.strip():
        return []
    if is_list_of_keys(setting):
        return list(parse_keys(setting, "the setting itself"))
    try:
        text = Path(setting).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        # The setting is not quoted: it may be a key, and not the list that it was meant to be.
        what = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise InvalidSettings(
            f"{PREFIX}KEYS is neither a list of `APP = KEY` lines nor a file that can be read ({what})."
        ) from None
    return list(parse_keys(text, setting))


async def _look_at_values(assembly: Assembly) -> None:
    """Name secrets without a value, values of another type, values that no app takes, and mocks of no node."""
    layers, mocks = assembly.settings.env, mocks_of(assembly.settings.mocks)
    graphs = []
    seen = []
    failed = False
    for app in await assembly.apps.all():
        if not layers and not mocks and b"secret" not in (await assembly.apps.version(app, "")).source:
            continue  # most are not worth being compiled for this
        try:
            workflow = await assembly.workflows.get(app)
        except JikkoError as error:
            click.echo(harmless(f"warning: {app.name}: {error}"), err=True)
            failed = True
            continue
        variables = workflow.document.environment
        graphs.append(workflow.graph)
        seen.append((app, variables))
        for name in empty_secrets(variables):
            click.echo(
                printable(f"warning: {app.name}: secret {name} is empty; {how_to_fill(app.name, name).text()}"),
                err=True,
            )
    if failed:
        return  # what the others do not have, that one may
    for layer in layers:
        for name, hint in unused(layer, seen):
            click.echo(printable(f"warning: {name}: no app has such an environment variable{hint}"), err=True)
    for warning in unknown_mocks(graphs, mocks):
        click.echo(printable(f"warning: --mock, {PREFIX}MOCKS: {warning}"), err=True)


def to_try(base: str, issued: Sequence[Issued]) -> list[str]:
    """Lines with which a shell starts a run, for keys that were made; of several apps each begins with its name."""
    lines: list[str] = []
    for each in issued:
        from jikko.server.curl_examples import example_lines

        lines += [f"  # {printable(' '.join(each.name.split()))}"] if len(issued) > 1 else []
        lines += example_lines(base, each.authorization, each.workflow, each.decisive)
    return lines


def _text(file: Path) -> bytes:
    try:
        return read_dsl_file(file)
    except OSError as error:
        raise InvalidSettings(f"{file}: cannot be read: {error.strerror}") from None
