"""Commands ``jikko apps import`` and ``jikko apps sync``, which publish workflow files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from jikko.apps.dsl_file import dsl_files, links_to_nothing, read_dsl_file, readable
from jikko.apps.key_files import remove_app
from jikko.assemble.assembly import Assembly
from jikko.cli.apps.apps import issue_key
from jikko.cli.apps.environment_options import env_of, env_options
from jikko.cli.audited import note_change
from jikko.cli.command_failure import Failure
from jikko.cli.options import assembled, record_exists, with_settings
from jikko.cli.output import show_entry
from jikko.dsl.document import BASIC_MODES
from jikko.errors import Conflict, InvalidDocument, InvalidEnvironment, JikkoError, NotFound
from jikko.exit_codes import ExitCode, of_error
from jikko.repositories.app_store import App
from jikko.settings import Settings
from jikko.terminal_text import harmless, printable
from jikko.values import Json


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--new-key/--no-key",
    "with_key",
    default=None,
    help="Make an API key for each app, or none.  [default: for an app that has none]",
)
@click.option("--name", help="The name of the app, instead of the one in the file. For one file.")
@env_options
@with_settings
async def import_(
    settings: Settings,
    files: tuple[Path, ...],
    with_key: bool | None,
    name: str | None,
    env: tuple[str, ...],
    env_file: Path | None,
    as_json: bool,
) -> int:
    """Import and publish DSL FILES, or folders of them.

    A file with a known app name becomes a new version of that app, unless its current version has the same bytes; of
    files that share a name none is imported, only the others. Works with the server running or not. Values for
    environment variables are kept as by `jikko apps env`.

    A new app gets an API key. It is shown on a terminal and with --json; otherwise it is written to a file in the data
    folder, and the file is named.
    """
    found = dsl_files(files)
    if name is not None and (len(found) > 1 or not name.strip()):
        raise click.UsageError("--name is the name of one app: give one FILE, and a name that is not empty.")
    values = env_of(env, env_file)
    async with assembled(settings) as assembly:
        work = _Import(assembly=assembly, as_json=as_json, with_key=with_key, name=name, values=values)
        await work.take_in(found)
    return work.code


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--prune", is_flag=True, help="Remove apps without a file in FOLDER, as `jikko apps delete` does.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, without doing it.")
@with_settings
async def sync(settings: Settings, folder: Path, prune: bool, dry_run: bool, as_json: bool) -> int:
    """Publish the DSL files below FOLDER: new ones as apps, changed ones as versions.

    Unchanged files are skipped. Works with the server running or not. With --prune nothing is removed unless every file
    is readable; the runs of removed apps stay. New apps get API keys as by `jikko apps import`.
    """
    found = dsl_files([folder])
    async with assembled(settings, in_memory=dry_run and not record_exists(settings)) as assembly:
        work = _Import(assembly=assembly, as_json=as_json, dry_run=dry_run)
        await work.take_in(found)
        if prune and work.failures:
            click.echo("nothing is removed, since not every file could be imported", err=True)
        elif prune and (links := links_to_nothing(folder)):
            names = printable(", ".join(map(str, links)))
            raise Failure(f"nothing is removed, since these links lead nowhere: {names}", code="folder_missing")
        elif prune:
            await work.prune()
    return work.code


@dataclass(kw_only=True)
class _Import:
    """Import of files, one after the other, with the results."""

    assembly: Assembly
    as_json: bool
    with_key: bool | None = None
    name: str | None = None
    values: Mapping[str, Any] | None = None
    dry_run: bool = False
    changes: dict[str, Json] = field(default_factory=dict)
    """Changes of apps, by name."""
    imported: set[str] = field(default_factory=set)
    """Names of imported apps."""
    failures: list[ExitCode] = field(default_factory=list)

    @property
    def code(self) -> int:
        """The exit code: the common code if every file failed alike; 1 if some were imported."""
        kinds = {*self.failures, *([0] if self.imported else [])}
        return kinds.pop() if len(kinds) == 1 else 1

    async def take_in(self, files: Sequence[Path]) -> None:
        """Publish new or changed files, but for those that share an app's name."""
        # A single one may be a pipe, which can be read only once.
        namesakes = self.assembly.apps.namesakes(readable(files)) if len(files) > 1 else {}
        for file in files:
            try:
                if alike := namesakes.get(str(file)):
                    raise alike
                await self._take(file)
            except InvalidDocument as error:
                self._failed(file, InvalidDocument(str(file), error.problems, error.places), ExitCode.INVALID_WORKFLOW)
            except OSError as error:
                self._failed(file, error, ExitCode.USAGE)
            except (Conflict, NotFound, InvalidEnvironment) as error:
                self._failed(file, error, of_error(error))

    async def prune(self) -> None:
        """Remove the apps that have no file."""
        assembly = self.assembly
        for app in await assembly.apps.all():
            if app.name in self.imported:
                continue
            if not self.dry_run:
                await remove_app(app, assembly.apps, assembly.app_keys, assembly.settings.home)
                self._changed(app, "removed")
            removed = "would be removed" if self.dry_run else "removed"
            self._show({"app_id": app.id, "name": app.name, "outcome": "removed"}, f"{printable(app.name)}: {removed}")

    async def _take(self, file: Path) -> None:
        apps = self.assembly.apps
        text = read_dsl_file(file)
        if self.dry_run:
            name, standing = await apps.standing(text, source=file.stem)
            self.imported.add(name)
            outcome = "new" if standing is None else "unchanged" if standing.unchanged else "changed"
            number = 1 if standing is None else standing.version.number + (not standing.unchanged)
            app_id = None if standing is None else standing.app.id
            entry: dict[str, Any] = {"file": str(file), "app_id": app_id, "name": name, "version": number}
            self._show({**entry, "outcome": outcome}, f"{printable(name)}: {outcome} (version {number}), from {file}")
            return
        published = await apps.publish_if_changed(text, source=file.stem, name=self.name, environment=self.values)
        app, version, key, line = published.app, published.version, None, ""
        if not published.unchanged:
            self._changed(app, {"version": version.number})
        self.imported.add(app.name)
        if self.with_key or (self.with_key is None and not await self.assembly.app_keys.of(app)):
            home, first = self.assembly.settings.home, not self.with_key
            key, line = await issue_key(self.assembly, app.id, home, as_json=self.as_json, only_first=first)
            if key is not None:
                self._changed(app, {"version": version.number, "key": "new"})
        entry = {
            "file": str(file),
            "app_id": app.id,
            "workflow_id": None if app.mode in BASIC_MODES else version.id,
            "api_key": key,
            "name": app.name,
            "version": version.number,
            "outcome": "unchanged" if published.unchanged else "new" if version.number == 1 else "changed",
            "warnings": [str(problem) for problem in published.warnings],
        }
        triggers = await self.assembly.triggers.of(app) if published.has_triggers else []
        webhooks = {trigger.node_id: trigger.address for trigger in triggers if trigger.kind == "webhook"}
        if webhooks:
            entry["webhooks"] = webhooks
        if not self.as_json:
            for problem in published.warnings:
                click.echo(f"{file}: warning: {problem}", err=True)
        what = "unchanged (version {})" if published.unchanged else "version {} published"
        lines = [f"{printable(app.name)}: {what.format(version.number)} from {file}"]
        if not published.unchanged:
            lines += [f"  app       {app.id}", f"  workflow  {version.id}"]
        lines += [f"  key       {line}"] if line else []
        lines += [f"  webhook   /triggers/webhook/{webhooks[node]} ({printable(node)})" for node in webhooks]
        self._show(entry, "\n".join(lines))

    def _changed(self, app: App, change: Json) -> None:
        self.changes[app.name] = change
        note_change(None, dict(self.changes), app=app.id if len(self.changes) == 1 else None)

    def _show(self, entry: dict[str, Any], text: str) -> None:
        show_entry(entry, harmless(text), as_json=self.as_json)

    def _failed(self, file: Path, error: Exception, code: ExitCode) -> None:
        self.failures.append(code)
        detail: dict[str, Any]
        if isinstance(error, InvalidDocument):
            detail = {
                "code": error.code,
                "message": str(error),
                "problems": [
                    {"path": problem.where, "problem": problem.text(), "hint": problem.advice()}
                    for problem in error.problems
                ],
            }
        else:
            kind, message = error.code if isinstance(error, JikkoError) else "unreadable_file", str(error)
            if isinstance(error, OSError) and error.strerror:
                message = f"{file}: cannot be read: {error.strerror}"
            detail = {"code": kind, "message": message}
        if self.as_json:
            click.echo(json.dumps({"file": str(file), "error": detail}, ensure_ascii=False))
        else:
            click.echo(f"not imported: {detail['message']}", err=True)
