"""``jikko runs save``: a test of recorded runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from jikko.assemble.assembly import Assembly
from jikko.cli.checking.examples import as_word
from jikko.cli.completion import complete_run
from jikko.cli.failure import Failure
from jikko.cli.options import home_option, with_assembly
from jikko.cli.runs.saved_files import make_target, save, stored_files
from jikko.events import RunStarted
from jikko.exit_codes import ExitCode
from jikko.proving.recorded_case import recorded_case, what_it_holds
from jikko.proving.verdict import NodeNames
from jikko.record import RunRecord
from jikko.runs.reading.short_ids import run_of
from jikko.terminal_text import printable


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
@home_option
@with_assembly
async def save_runs(assembly: Assembly, runs: tuple[str, ...], file: Path, workflow: Path | None) -> None:
    """Make a test file of RUNs of one app: ids, or their beginnings.

    Each becomes a case: its inputs, with files; what models, tools, requests, searches and people answered; and the
    status, outputs and path that came of it. Code, templates, conditions and lists really run in the test.
    """
    if not file.name.endswith(".test.yml"):
        raise click.BadParameter(f"{file} does not end in .test.yml", param_hint="'--to'")
    records = [await run_of(assembly.store, run_id) for run_id in runs]
    first = records[0].identity
    if any(record.identity.app_id != first.app_id for record in records):
        raise Failure("the runs are of several apps; a test file is of one", exit_code=ExitCode.USAGE, code="usage")
    app = await assembly.apps.find(first.app_id)
    beside = file.with_name(f"{file.name.removesuffix('.test.yml')}.yml")
    target = workflow or beside
    taken = [path for path in (file, *([] if workflow else [beside])) if path.exists()]
    if taken:
        hint = "Name another --to; --workflow FILE tests a file that exists." if taken[-1] == beside else ""
        raise Failure(f"{taken[-1]} exists already", exit_code=ExitCode.CONFLICT, code="conflict", hint=hint)
    make_target(file.parent)
    cases = [await _case(assembly, app, record, file) for record in records]
    if workflow is None:
        _write(beside, (await assembly.apps.version(app, first.workflow_id)).source)
    named = {} if target == beside else {"workflow": str(target.resolve())}
    text = yaml.safe_dump({**named, "cases": cases}, allow_unicode=True, sort_keys=False, width=120)
    _write(file, text.encode())
    for case in cases:
        held = ", ".join(what_it_holds(case))
        click.echo(printable(f"{case['name']}: may hold data of people in {held or 'nothing'}"), err=True)
    click.echo(printable(f"saved {file}; run it: jikko test {as_word(str(file))}"), err=True)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror or error}") from None


async def _case(assembly: Assembly, app: Any, record: RunRecord, file: Path) -> Mapping[str, Any]:
    run_id = record.identity.run_id
    workflow = await assembly.workflows.get(app, record.identity.workflow_id)
    names = NodeNames({node.id: node.title for node in workflow.graph.nodes.values()})
    events = await assembly.store.events(run_id)
    first = next((event for event in events if isinstance(event, RunStarted)), None)
    given = {} if first is None else dict(stored_files([*first.inputs.values(), first.system.get("files")]))
    paths: dict[str, str] = {}
    if given:
        folder = file.with_name(f"{file.name.removesuffix('.test.yml')}.files")
        make_target(folder)
        saved, unsaved = await save(given.values(), assembly, folder)
        if unsaved is not None:
            raise unsaved
        paths = {file_id: str(Path(path).relative_to(file.parent)) for file_id, path in saved.items()}
    message = await assembly.conversations.message_of_run(run_id)
    answer = None if message is None else message.answer.text
    return recorded_case(f"run {run_id}", events, names, paths, answer)
