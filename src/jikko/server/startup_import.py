"""Publishing of files, keys, and environment values given at a server's start."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    authorization: str
    """Its header, from ``curl_examples.bearer``."""
    workflow: Workflow
    decisive: Diagnostic | None
    """The reason why every run will fail, if known."""


async def publish(assembly: Assembly, files: Sequence[Path]) -> list[Issued]:
    """Publish new or changed files, and register the given keys. Returns the keys made for those apps that had none.

    Raises:
        Conflict, InvalidDocument: See ``require_importable``; nothing was published.
        InvalidEnvironment, InvalidSettings: See ``publish_one``, ``bring_keys``.
    """
    await require_importable(assembly, files)
    known = [await publish_one(assembly, file) for file in files]
    await bring_keys(assembly, assembly.settings.keys)
    await _check_values(assembly)
    if not known and not await assembly.apps.all():
        click.echo("warning: no app is published; `jikko apps import FILE` publishes one", err=True)
    issued = []
    for app in known:
        if await assembly.app_keys.of(app):
            continue
        # Few starts make a key; the others need no examples.
        from jikko.apps.key_files import keep_key
        from jikko.server.curl_examples import bearer, decisive

        key = new_key()
        entry = await assembly.app_keys.add_first(app.id, key)
        if entry is None:
            continue  # another process was faster
        # Other output than a terminal is probably logged.
        kept = None if sys.stdout.isatty() else keep_key(assembly.settings.home, entry, key, app.name)
        how = f"{key}  (shown only now)" if kept is None else f"in {kept}"
        name = printable(app.name)
        click.echo(f"{name}: key {how}; `jikko apps keys {shlex.quote(name)} --new` makes another")
        issued.append(
            Issued(app.name, bearer(key, kept), await assembly.workflows.get(app), await decisive(assembly, app))
        )
    return issued


async def publish_one(assembly: Assembly, file: Path) -> App:
    """Publish a new or changed file, and print the result. Raises ``InvalidDocument``, ``Conflict``: it cannot be
    published; ``InvalidEnvironment``: a value set for an environment variable has the wrong type."""
    published = await published_file(assembly, file)
    for problem in published.warnings:
        click.echo(harmless(f"{file}: warning: {problem}"), err=True)
    click.echo(f"{printable(published.app.name)}: version {published.version.number} ({published.version.id})")
    await assembly.workflows.get(published.app)
    return published.app


async def require_importable(assembly: Assembly, files: Sequence[Path]) -> None:
    """Check all files before the first is published. Raises ``Conflict``: two files are of one app, or an app has
    another mode; ``InvalidDocument`` or ``InvalidSettings``, naming the file: it cannot be imported or read."""
    if len(files) < 2:
        return  # a single one may be a pipe, which can be read only once
    for error in assembly.apps.namesakes(readable(files)).values():
        raise error
    for file in files:
        with _naming(file):
            await assembly.apps.standing(_text(file), source=file.stem)


async def published_file(assembly: Assembly, file: Path) -> Published:
    """Publish a new or changed file. Raises ``InvalidDocument``, ``Conflict`` or ``InvalidSettings``, naming the file,
    if it cannot be published."""
    with _naming(file):
        return await assembly.apps.publish_if_changed(_text(file), source=file.stem)


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    try:
        yield
    except InvalidDocument as error:
        raise InvalidDocument(str(file), error.problems, error.places) from None


async def bring_keys(assembly: Assembly, setting: str) -> None:
    """Register the API keys of the setting ``keys``. Raises ``InvalidSettings``: the file is unreadable, a line is
    wrong, or an app does not exist."""
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
        # The setting is not quoted: it may be a key instead of the intended list.
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidSettings(
            f"{PREFIX}KEYS is neither a list of `APP = KEY` lines nor a file that can be read ({what})."
        ) from None
    return list(parse_keys(text, setting))


async def _check_values(assembly: Assembly) -> None:
    """Report secrets without a value, values of the wrong type, values that no app uses, and mocks without a node."""
    layers, mocks = assembly.settings.env, mocks_of(assembly.settings.mocks)
    graphs = []
    seen = []
    failed = False
    for app in await assembly.apps.all():
        try:
            if not layers and not mocks and b"secret" not in (await assembly.apps.version(app, "")).source:
                continue  # compiling most of them for this is not worthwhile
            workflow = await assembly.workflows.get(app)
        except NotFound:
            continue  # removed meanwhile
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
        return  # the uncompiled ones may have it
    for layer in layers:
        for name, hint in unused(layer, seen):
            click.echo(printable(f"warning: {name}: no app has such an environment variable{hint}"), err=True)
    for warning in unknown_mocks(graphs, mocks):
        click.echo(printable(f"warning: --mock, {PREFIX}MOCKS: {warning}"), err=True)


def to_try(base: str, issued: Sequence[Issued]) -> list[str]:
    """Return example commands for the new keys; for several apps each begins with the app's name."""
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
