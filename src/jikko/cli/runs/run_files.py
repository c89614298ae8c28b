"""Commands ``jikko runs save|files|export|import``: runs as test files, their files, and runs as JSON Lines."""

import errno
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.checking.dsl_sources import as_word
from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_run
from jikko.cli.options import assembled, duration, existing, failure, with_assembly, with_new_assembly, with_settings
from jikko.cli.output import show_entry, whole_file
from jikko.dsl.load import LoadLimits, decoded
from jikko.dsl.text.yaml_text import parse
from jikko.errors import Conflict, JikkoError, NotFound
from jikko.exit_codes import ExitCode
from jikko.maintenance.transfer import MAX_LINE, BadLine, export_lines, export_named, import_lines
from jikko.proving.recorded_case import as_test_file, require_testable, saved_case, sensitive_parts
from jikko.proving.redaction import Redaction
from jikko.record import RunRecord
from jikko.runs.reading.node_executions import node_executions
from jikko.runs.reading.short_ids import run_of
from jikko.settings import Settings
from jikko.terminal_text import printable
from jikko.values import Json, is_file, stored_files


@click.command("save")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_run)
@click.option(
    "--to",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="NAME.test.yml",
    help="The test file to write; it must not exist yet.",
)
@click.option(
    "--workflow",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The workflow file that is to be tested.  [default: the version that was run, saved as NAME.yml]",
)
@click.option(
    "--redact",
    is_flag=True,
    help="Replace e-mail addresses, phone, account and card numbers, and IP addresses by placeholders.",
)
@click.option(
    "--hide", "hidden", multiple=True, metavar="TEXT", help="With --redact: also replace this text, such as a name."
)
@with_assembly
async def save_runs(
    assembly: Assembly, runs: tuple[str, ...], file: Path, workflow: Path | None, redact: bool, hidden: tuple[str, ...]
) -> None:
    """Make a test file of RUNs of one app: ids, or prefixes.

    Each becomes a case: its inputs, with files; the answers of models, tools, requests, searches and people; and the
    resulting status, outputs and path. Code, templates, conditions and lists really run in the test. Secrets of the
    workflow are not saved.
    """
    if not file.name.endswith(".test.yml"):
        raise click.BadParameter(f"{file} does not end in .test.yml", param_hint="'--to'")
    if hidden and not redact:
        raise click.UsageError("--hide is for --redact")
    records = [await run_of(assembly.store, run_id) for run_id in runs]
    first = records[0].identity
    if any(record.identity.app_id != first.app_id for record in records):
        raise Failure("the runs are of several apps; a test file is of one", exit_code=ExitCode.USAGE, code="usage")
    if workflow is None and any(record.identity.workflow_id != first.workflow_id for record in records):
        hint = "Save each version in a file of its own, or name the workflow that is to be tested: --workflow FILE."
        raise Failure("the runs are of several versions", exit_code=ExitCode.USAGE, code="usage", hint=hint)
    for record in records:
        try:
            require_testable(record)
        except Conflict as error:
            raise Failure(str(error), exit_code=ExitCode.USAGE, code="usage") from None
    app = await assembly.apps.find(first.app_id)
    beside = file.with_name(f"{file.name.removesuffix('.test.yml')}.yml")
    taken = [path for path in (file, *([] if workflow else [beside])) if path.exists()]
    if taken:
        hint = "Name another --to; --workflow FILE tests a file that exists." if taken[-1] == beside else ""
        raise Failure(f"{taken[-1]} exists already", exit_code=ExitCode.CONFLICT, code="conflict", hint=hint)
    make_target(file.parent)
    kept: set[str] = set()
    cases = [await _case(assembly, app, record, file, kept) for record in records]
    redaction = Redaction(hidden, kept)
    if redact:
        cases = [redaction.case(case) for case in cases]
    named: dict[str, Any] = {}
    secrets: list[str] = []
    if workflow is None:
        source, secrets = without_secrets((await assembly.apps.version(app, first.workflow_id)).source)
        _write(beside, source)
    elif (path := _relative(workflow, file.parent)) != beside.name:
        named = {"workflow": path}
    if secrets:
        named["env"] = dict.fromkeys(secrets, "")
    _write(file, as_test_file({**named, "cases": cases}))
    for case in cases:
        held = ", ".join(sensitive_parts(case))
        click.echo(printable(f"{case['name']}: may hold personal data in {held or 'nothing'}"), err=True)
    if redact:
        masked = ", ".join(f"{kind} ({count})" for kind, count in redaction.counts.items()) or "nothing"
        text = f"masked: {masked}; names, other free text, numbers and contents of files are as they were"
        click.echo(printable(text), err=True)
    if secrets:
        text = f"secrets are not saved; `env` in {file} may give values for {', '.join(secrets)}"
        click.echo(printable(text), err=True)
    click.echo(printable(f"saved {file}; run it: jikko test {as_word(str(file))}"), err=True)


def without_secrets(source: bytes) -> tuple[bytes, list[str]]:
    """Blank out a workflow file's secrets; return it with the names of those environment variables. A file without any
    is unchanged."""
    root: Any = parse(decoded(source), LoadLimits())
    workflow = root.get("workflow") or {}
    entries = [
        entry
        for kind in ("environment_variables", "conversation_variables")
        for entry in workflow.get(kind) or ()
        if entry.get("value_type") == "secret" and entry.get("value")
    ]
    for entry in entries:
        entry["value"] = ""
    given = workflow.get("environment_variables") or ()
    return (as_test_file(root) if entries else source), [str(entry["name"]) for entry in entries if entry in given]


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror or error}") from None


async def _case(assembly: Assembly, app: Any, record: RunRecord, file: Path, kept: set[str]) -> Mapping[str, Any]:
    """``kept``: Collects the paths of saved files."""

    async def saved(given: Mapping[str, dict[str, Json]]) -> Mapping[str, str]:
        folder = file.with_name(f"{file.name.removesuffix('.test.yml')}.files")
        make_target(folder)
        paths, unsaved = await save(given.values(), assembly, folder)
        if unsaved is not None:
            raise unsaved
        found = {file_id: str(Path(path).relative_to(file.parent)) for file_id, path in paths.items()}
        kept.update(found.values())
        return found

    workflow = await assembly.workflows.get(app, record.identity.workflow_id)
    return await saved_case(assembly.store, assembly.conversations, workflow, record, saved)


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@click.option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Save them in DIR."
)
@with_assembly
async def files(assembly: Assembly, run_id: str, folder: Path | None, as_json: bool) -> None:
    """List the files that a RUN made or returned, or save them with --to DIR. Existing files are never overwritten."""
    record = await run_of(assembly.store, run_id)
    found = await files_of(assembly, record)
    saved: dict[str, str] = {}
    unsaved = None
    if folder is not None:
        make_target(folder)
        saved, unsaved = await save(found.values(), assembly, folder)
    for file_id, file in found.items():
        entry = {"id": file_id, "filename": file.get("filename"), "mime_type": file.get("mime_type")}
        entry |= {"size": file.get("size"), "path": saved.get(file_id)}
        line = saved.get(file_id) or f"{file_id}  {file.get('size'):>12,} bytes  {file.get('filename')}"
        show_entry(entry, printable(line), as_json=as_json)
    if unsaved is not None:
        raise unsaved


async def files_of(assembly: Assembly, record: Any) -> dict[str, dict[str, Json]]:
    """Return the files in a run's outputs, and those made by its nodes, by id."""
    found = dict(stored_files(json.loads(record.outputs)))
    for execution in node_executions(
        await assembly.runs.records.events(record), status=record.status, error=record.error
    ):
        made = stored_files(execution.outputs)
        found |= {id_: file for id_, file in made if id_ not in found and file.get("transfer_method") == "tool_file"}
    return found


def make_target(folder: Path) -> None:
    """Make the target folder if missing. Raises ``Failure``: it is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise Failure(f"{folder} cannot be written: {error.strerror}", exit_code=ExitCode.USAGE) from None


async def save(
    found: Iterable[Mapping[str, Json]], assembly: Assembly, folder: Path
) -> tuple[dict[str, str], Failure | None]:
    """Save files in a folder from ``make_target``; a taken name gets a number. Returns the paths of saved files, by id;
    and the last error, if any."""
    paths: dict[str, str] = {}
    unsaved: Failure | None = None
    for file in found:
        file_id = str(file["related_id"])
        try:
            content = await assembly.files.preview(file_id, as_attachment=True)
            with _new_file(folder, str(file.get("filename") or file_id)) as target:
                async for piece in content.chunks:
                    target.write(piece)
        except NotFound:
            message = f"the content of {file.get('filename')!r} is missing"
            unsaved = Failure(message, exit_code=ExitCode.NOT_FOUND, code="not_found")
        except JikkoError as error:
            unsaved = failure(error)
        except OSError as error:
            unsaved = Failure(f"{folder} cannot be written: {error.strerror}")
        else:
            paths[file_id] = target.name
    return paths, unsaved


def with_paths(value: Json, paths: Mapping[str, str]) -> Json:
    """Replace the URLs of saved files in a value by their paths, as ``path``."""
    if isinstance(value, list):
        return [with_paths(item, paths) for item in value]
    if not isinstance(value, dict):
        return value
    path = paths.get(str(value.get("related_id"))) if is_file(value) else None
    if path is None:
        return {name: with_paths(item, paths) for name, item in value.items()}
    return {**{name: item for name, item in value.items() if name not in ("url", "remote_url")}, "path": path}


def _new_file(folder: Path, name: str) -> BinaryIO:
    """Create a new file of this name directly in the folder."""
    plain = "".join(one if one.isprintable() else "_" for one in os.path.basename(name.replace("\\", "/")))
    # Names may have 255 bytes; some are reserved for the number.
    stem, ending = os.path.splitext(plain.encode()[-240:].decode(errors="ignore").lstrip(".") or "file")
    number = 1
    while True:
        try:
            return (folder / f"{stem}{f'-{number}' if number > 1 else ''}{ending}").open("xb")
        except FileExistsError:
            number += 1


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-")
@click.option("--app", help="Only runs of this app (name or id).")
@click.option("--run", "named", multiple=True, metavar="ID", help="Only this run. Repeatable.")
@click.option("--since", type=duration, metavar="AGE", help="Only runs younger than this, such as 2h or 7d.")
@click.option("--until", type=duration, metavar="AGE", help="Only runs that began before that, such as 30d.")
@with_settings
async def export_runs(
    settings: Settings, file: Path, app: str | None, named: Sequence[str], since: float | None, until: float | None
) -> int:
    """Write ended runs with their logs to FILE (default: standard output), as JSON Lines, one run a line.

    Archived runs follow those of the database. FILE appears when it is complete. Runs with damaged logs, and unreadable
    parts of the archive, are skipped and named; the exit code is 1 then.
    """
    if named and (app or since is not None or until is not None):
        raise click.UsageError("--run names the runs: it goes with none of --app, --since and --until.")
    if since is not None and until is not None and since <= until:
        raise click.UsageError("--since is further back than --until: no run began so lately and before that.")
    damaged: list[Exception] = []
    count, now = 0, time.time()
    async with assembled(existing(settings)) as assembly:
        if named:
            records = [await run_of(assembly.store, run_id) for run_id in named]
            lines = export_named(assembly.store, records, damaged=damaged.append)
        else:
            lines = export_lines(
                assembly.store,
                app_id=(await assembly.apps.find(app)).id if app else None,
                since=0.0 if since is None else now - since,
                until=math.inf if until is None else now - until,
                damaged=damaged.append,
            )
        try:
            with _target(file) as write:
                async for line in lines:
                    write(line)
                    count += 1
        except OSError as error:
            if str(file) == "-":
                raise  # told as of any command
            raise click.ClickException(f"{file} cannot be written: {error.strerror or error}.") from None
    for reason in damaged:
        click.echo(f"Skipped: {reason}", err=True)
    click.echo(f"{count} runs were written" + (f", {len(damaged)} were left out." if damaged else "."), err=True)
    return 1 if damaged else 0


@contextmanager
def _target(file: Path) -> Iterator[Callable[[bytes], object]]:
    if str(file) == "-":
        yield partial(click.echo, nl=False)
        return
    with whole_file(file) as target:
        yield target.write


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--app", help="The app (name or id) to import them into.  [default: the app of the export]")
@with_new_assembly
async def import_runs(assembly: Assembly, file: Path, app: str | None, as_json: bool) -> None:
    """Import runs written by `jikko runs export`. Existing runs are unchanged.

    An app imported into two data folders has different ids: with --app its runs from the one are visible to its clients
    in the other.
    """
    app_id = (await assembly.apps.find(app)).id if app else None
    try:
        with click.open_file(str(file), "rb") as source:
            lines = iter(lambda: source.readline(MAX_LINE + 1), b"")
            imported = await import_lines(assembly.store, lines, app_id=app_id)
    except BadLine as error:
        raise click.ClickException(f"{file}: {error}") from None
    await assembly.upkeep.keyword_indexing.catch_up()
    here = {known.id for known in await assembly.apps.all()}
    for unknown in sorted(set(imported.apps) - here):
        click.echo(
            f"{imported.apps[unknown]} runs belong to the app {unknown}, which does not exist here: neither clients nor"
            " `jikko runs list` show them. To assign runs to an existing app, give --app when importing them first.",
            err=True,
        )
    text = f"{imported.added} runs imported, {imported.known} already present."
    show_entry({"added": imported.added, "known": imported.known}, text, as_json=as_json)
