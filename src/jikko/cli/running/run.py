"""Command ``jikko run``, one run of a DSL file in this process."""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from jikko.apps.dsl_file import read_dsl_file
from jikko.apps.versions import check
from jikko.assemble.assembly import Assembly
from jikko.cli.apps.environment_options import env_of, env_options, require_names
from jikko.cli.chat.turn import question_of
from jikko.cli.checking.dsl_sources import as_word
from jikko.cli.command_failure import Failure
from jikko.cli.options import (
    assembled,
    json_option,
    providers_option,
    run_async,
    settings_of,
    tools_option,
    variable_option,
)
from jikko.cli.running.following import Ending, Watch
from jikko.cli.running.form_questions import ask, how_to_go_on
from jikko.cli.running.given_inputs import (
    accept,
    document_of,
    inputs_options,
    pairs_of,
    reader,
    trial_options,
    trial_settings,
)
from jikko.cli.running.run_progress import ProgressReporter
from jikko.cli.runs.run_files import files_of, make_target, save, with_paths
from jikko.cli.terminal import is_conversation
from jikko.cluster.data_folder_lock import sole_owner
from jikko.conversations.turns import TurnRequest
from jikko.dsl.document import CHAT_MODES
from jikko.dsl.start_variables import StartVariable
from jikko.errors import InvalidFormData, InvalidParam, TooLate
from jikko.events import RunFinished, RunPaused
from jikko.exit_codes import ExitCode, of_run
from jikko.graph.mocks import unknown_mocks
from jikko.inputs.given import Upload, given_inputs
from jikko.inputs.local_files import uploaded
from jikko.inputs.run_inputs import form_variables
from jikko.nodes.registry import BY_TYPE
from jikko.ports.stores.messages import Message
from jikko.runs.runs import StartOutcome, StartRequest
from jikko.settings import Settings
from jikko.terminal_text import printable, shown
from jikko.values import encode_json


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    file: str
    text: bytes
    pairs: list[tuple[str, str]]
    document: dict[str, Any]
    user: str
    keep: bool
    as_json: bool
    input_is_taken: bool
    """Whether standard input was read."""
    question: str | None
    """Question for a chat app."""
    save_to: Path | None
    """Folder for the run's files."""


@click.command()
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path))
@click.option("-q", "--question", help="The question for a chat app; @PATH in it attaches a file.")
@inputs_options
@click.option("--user", default="cli", help="The user of the run.")
@env_options
@providers_option
@tools_option
@variable_option(
    "--timeout",
    variable="MAX_SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time limit of the run.  [default: 3600]",
)
@click.option("--keep", is_flag=True, help="Keep the run in the data folder; so does --home.")
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), help="Keep the run in this data folder.")
@click.option(
    "--save-files",
    "save_to",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Save the run's files in DIR; outputs contain their paths, with --json a last line does.",
)
@trial_options
@json_option
def run(
    file: Path,
    pairs: tuple[str, ...],
    document: str | None,
    env: tuple[str, ...],
    env_file: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Run the workflow FILE (- for standard input) once, without a server, and print its outputs.

    A chat app is asked one question (-q), and its answer is printed; jikko chat asks more.

    Progress goes to standard error. Outputs go to standard output, as JSON, and only if the run succeeded; with --json
    each event is printed as a line instead, and an error as JSON on standard error. On a terminal, forms are asked for;
    otherwise the command ends at a form. Exit codes are in docs/exit-codes.md: 0 if the run succeeded, 1 if it failed.
    """
    home: Path | None = given["home"]
    from_input = str(file) == "-"
    if [str(file), document, str(env_file)].count("-") > 1:
        raise click.UsageError(
            "Standard input can be read once: it is the workflow, its inputs, or the values of its variables."
        )
    try:
        text = sys.stdin.buffer.read() if from_input else read_dsl_file(file)
    except OSError as error:
        raise click.UsageError(f"{file}: cannot be read: {error.strerror}") from None
    wanted = _Wanted(
        file="standard input" if from_input else str(file),
        text=text,
        pairs=pairs_of(pairs),
        document=document_of(document),
        user=given["user"],
        keep=given["keep"] or home is not None,
        as_json=as_json,
        input_is_taken="-" in (str(file), document, str(env_file)),
        question=given["question"],
        save_to=given["save_to"],
    )
    trial = trial_settings(given["fake_models"], given["mocks"])
    settings = settings_of(
        home=home,
        env=env_of(env, env_file),
        providers=given["providers"],
        tools=given["tools"],
        max_seconds=given["timeout"],
        **trial,
    )
    sys.exit(run_async(_run(wanted, settings)))


async def _run(wanted: _Wanted, settings: Settings) -> int:
    ending = Ending()
    if wanted.save_to is not None:
        make_target(wanted.save_to)
    async with AsyncExitStack() as stack:
        if wanted.keep:
            stack.enter_context(sole_owner(settings.home, doing="jikko run", patience=0))
        assembly = await stack.enter_async_context(assembled(settings, in_memory=not wanted.keep, owned=wanted.keep))
        app, workflow = await _published(assembly, wanted)
        values = await _values(assembly, app, workflow, wanted)
        accepted = await _started(assembly, app, values, wanted)
        if isinstance(accepted, Message):
            # Answered by moderation or an annotation.
            _say(accepted.answer.text)
            return 0
        run_id = accepted.record.identity.run_id
        watch = Watch(assembly, accepted.record, ProgressReporter(as_json=wanted.as_json, stopped_by=lambda: ending.by))
        running = asyncio.current_task()
        assert running is not None

        stopping: list[asyncio.Future[None]] = []

        def stop() -> None:
            by = f"{wanted.user} ({ending.by})"
            stopping.append(asyncio.ensure_future(_stop(assembly, app, run_id, by)))

        can_ask = is_conversation() and not wanted.as_json and not wanted.input_is_taken
        try:
            with ending.asked(stop, again=running.cancel):
                end = await watch.to_end_or_pause()
            while isinstance(end, RunPaused) and can_ask and not ending.wanted:
                await _answer(assembly, app, watch, wanted, run_id)
                with ending.asked(stop, again=running.cancel):
                    end = await watch.to_end_or_pause()
        except asyncio.CancelledError:
            return ending.code
        except click.Abort:
            await _stop(assembly, app, run_id, wanted.user)
            click.echo("run stopped by Ctrl-C", err=True)
            return 130
        await assembly.runs.close(0)
        message = await assembly.conversations.message_of_run(run_id)
        paths, unsaved = await _saved(assembly, run_id, wanted)
    if wanted.keep:
        click.echo(f"kept in {settings.home}: jikko runs show {run_id} --home {settings.home}", err=True)
    code = _report(watch, wanted, ending, run_id, None if message is None else message.answer.text, paths)
    if code is ExitCode.FAILED and settings.fake_models:
        click.echo("Models were faked: --mock 'NODE={\"text\": …}' gives what one would say.", err=True)
    if unsaved is not None and code == ExitCode.OK:
        raise unsaved
    if unsaved is not None:
        click.echo(f"not saved: {unsaved.message}", err=True)
    return code


async def _saved(assembly: Assembly, run_id: str, wanted: _Wanted) -> tuple[dict[str, str], Failure | None]:
    """Save the files of a run, and return the result of ``save``; without a folder, print how to get them."""
    found = await files_of(assembly, await assembly.runs.records.any_record(run_id))
    if wanted.save_to is not None:
        paths, unsaved = await save(found.values(), assembly, wanted.save_to)
        for path in paths.values():
            click.echo(printable(f"saved {path}"), err=True)
        if wanted.as_json:
            _say(json.dumps({"files": paths}, ensure_ascii=False))
        return paths, unsaved
    if found:
        count = f"{len(found)} file{'s' if len(found) > 1 else ''}"
        how = f"`jikko runs files {run_id} --to DIR` saves" if wanted.keep else "--save-files DIR saves"
        click.echo(f"the run made {count}: {how} them", err=True)
    return {}, None


async def _started(assembly: Assembly, app: Any, values: Mapping[str, Any], wanted: _Wanted) -> Any:
    """Start the run; or return the message with its answer, if a question needed no run."""
    if wanted.question is None:
        return await assembly.runs.start(app, StartRequest(inputs=values, user=wanted.user))
    question = question_of(wanted.question)
    if question.missing:
        raise Failure(f"no file {', '.join(question.missing)}", exit_code=3, code="invalid_param")
    attached = {"files": [Upload(str(path)) for path in question.files]}
    kind = StartVariable(name="files", label="files", type="file-list")
    sent: Any = await uploaded(attached, [kind], assembly.files, app_id=app.id, user=wanted.user)
    begun = await assembly.chat.turns.begin(
        app,
        TurnRequest(
            query=question.text, inputs=values, user=wanted.user, files=sent["files"], name_wanted=False, streamed=True
        ),
    )
    return begun.run if isinstance(begun, StartOutcome) else begun


async def _published(assembly: Assembly, wanted: _Wanted) -> tuple[Any, Any]:
    """Publish the file as a new version if it changed. Returns the app and its workflow. Raises ``InvalidDocument``:
    the file cannot be imported; it is named as given; ``Failure``: the app's mode does not run."""
    checked = check(wanted.text, source=wanted.file, node_classes=BY_TYPE)
    document, graph = checked.require()
    if document.mode in CHAT_MODES and wanted.question is None:
        message = f"{wanted.file} is a chat app: it answers questions"
        hint = f"Ask one with -q, or talk with it: jikko chat {wanted.file}"
        raise Failure(message, exit_code=3, code="not_workflow_app", hint=hint)
    if document.mode not in CHAT_MODES and wanted.question is not None:
        raise click.BadParameter(f"{wanted.file} is not a chat app, and takes no question", param_hint="'-q'")
    for problem in checked.problems:
        click.echo(f"warning: {problem}", err=True)
    mocks = json.loads(assembly.settings.mocks or "{}")
    if unknown := unknown_mocks([graph], mocks):
        raise click.BadParameter("; ".join(unknown), param_hint="'--mock'")
    name = "workflow" if wanted.file == "standard input" else Path(wanted.file).stem
    published = await assembly.apps.publish_if_changed(wanted.text, source=name)
    await require_names(assembly, published.app)
    return published.app, await assembly.workflows.get(published.app, published.version.id)


async def _values(assembly: Assembly, app: Any, workflow: Any, wanted: _Wanted) -> Mapping[str, Any]:
    read = reader(taken=("the workflow, --inputs or --env-file",) if wanted.input_is_taken else ())
    given = given_inputs(workflow.inputs, wanted.pairs, wanted.document, read)
    file = "-" if wanted.file == "standard input" else wanted.file
    values = accept(given, to=f"jikko run {as_word(file)}")
    return await uploaded(values, workflow.inputs, assembly.files, app_id=app.id, user=wanted.user)


async def _stop(assembly: Assembly, app: Any, run_id: str, user: str) -> None:
    await assembly.runs.control.stop(app.id, run_id, user)


async def _answer(assembly: Assembly, app: Any, watch: Any, wanted: _Wanted, run_id: str) -> None:
    """Ask for the run's open forms, and submit them. Raises ``click.Abort``: Ctrl-C, while nothing runs."""
    record = await assembly.runs.records.any_record(run_id)
    for entry in await assembly.runs.forms.open_forms(record):
        requested = entry.requested
        variables = form_variables(requested.form)
        while True:
            answers, action = ask(requested.form, requested.title or requested.node_id, variables)
            given = given_inputs(variables, list(answers.items()), {}, reader())
            try:
                if given.problems:
                    raise InvalidParam("; ".join(given.problems))
                inputs = await uploaded(given.values, variables, assembly.files, app_id=app.id, user=wanted.user)
                await assembly.runs.forms.submit_form(entry, action, inputs)
            except (InvalidFormData, InvalidParam) as error:
                click.echo(f"not accepted: {error}", err=True)
                continue
            except TooLate as error:
                click.echo(str(error), err=True)
                await assembly.runs.forms.close_expired()
            return


def _say(text: str) -> None:
    click.echo(shown(text))


def _report(watch: Any, wanted: _Wanted, ending: Any, run_id: str, answer: str | None, paths: Mapping[str, str]) -> int:
    """Print the outputs, or the error. Returns the exit code. ``answer``: A chat's, printed instead of the outputs.
    ``paths``: Those of saved files, by id."""
    end = watch.end
    if not isinstance(end, RunFinished):
        forms = list(watch.forms.open.values())
        several = len(forms) > 1
        ways = [line for form in forms for line in how_to_go_on(run_id, form, several=several)] if wanted.keep else []
        if ways:
            hint = "Continue with one of:\n  " + "\n  ".join(ways)
        else:
            hint = "Answer on a terminal, or keep the run with --keep and continue with: jikko runs submit"
        titles = ", ".join(form.title or form.node_id for form in forms)
        raise Failure(f"the run waits for {titles}", exit_code=ExitCode.PAUSED, code="run_paused", hint=hint)
    code = of_run(end.status, end.error)
    if code is not ExitCode.OK and ending.wanted:
        code = ending.code
    if code is ExitCode.OK and not wanted.as_json:
        outputs = with_paths(end.outputs, paths)
        _say(msgspec.json.format(encode_json(outputs)).decode() if answer is None else answer)
    elif code is not ExitCode.OK and wanted.as_json:
        message = f"stopped by {ending.by}" if end.status == "stopped" and ending.wanted else end.error or end.status
        raise Failure(message, exit_code=code, code=f"run_{end.status}")
    return code
