"""Command ``jikko runs save``, which makes a test of recorded runs."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.checking.examples import as_word
from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_run
from jikko.cli.options import with_assembly
from jikko.cli.runs.saved_files import make_target, save
from jikko.dsl.load import LoadLimits, decoded
from jikko.dsl.text.yaml_text import parse
from jikko.errors import Conflict
from jikko.exit_codes import ExitCode
from jikko.proving.recorded_case import as_test_file, require_testable, saved_case, sensitive_parts
from jikko.proving.redaction import Redaction
from jikko.record import RunRecord
from jikko.runs.reading.short_ids import run_of
from jikko.terminal_text import printable
from jikko.values import Json


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
        click.echo(printable(f"{case['name']}: may hold data of people in {held or 'nothing'}"), err=True)
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
