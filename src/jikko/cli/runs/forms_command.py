"""Commands ``jikko runs forms|submit``, for forms that runs wait for."""

import shlex
import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_run
from jikko.cli.options import assembled, existing, with_assembly, with_settings
from jikko.cli.output import show_entry, took
from jikko.cli.running.form_questions import action_of, content_of, entry_of, how_to_go_on
from jikko.cli.running.given_inputs import accept, document_of, inputs_options, pairs_of, reader
from jikko.cli.runs.remote import Server, acting, reached
from jikko.cli.runs.run_commands import executed_here
from jikko.exit_codes import ExitCode
from jikko.inputs.given import described, given_inputs
from jikko.inputs.local_files import uploaded
from jikko.inputs.run_inputs import form_variables
from jikko.runs.reading.short_ids import run_of
from jikko.settings import Settings
from jikko.terminal_text import printable, shown


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@with_assembly
async def forms(assembly: Assembly, run_id: str, as_json: bool) -> None:
    """Show the forms that a RUN waits for, and how to submit them."""
    record = await run_of(assembly.store, run_id)
    found = [entry.requested for entry in await assembly.runs.forms.open_forms(record)]
    for request in found:
        if as_json:
            identity = record.identity
            click.echo(entry_of(identity.run_id, request.form_id, request.node_id, request.title, request.form))
            continue
        left = took(max(0.0, request.expires_at - time.time()))
        click.echo(printable(f"{request.title or request.node_id}  (form {request.form_id}, open for {left})"))
        for line in content_of(request.form):
            click.echo(f"  {line}")
        for variable in form_variables(request.form):
            click.echo(shown(f"  -i {variable.name}=…  {described(variable)}"))
        for action in request.form["actions"]:
            click.echo(printable(f"  --action {action['id']}  {action['title']}"))
        for line in how_to_go_on(record.identity.run_id, request, several=len(found) > 1):
            click.echo(shown(line))
    if not found and not as_json and sys.stdout.isatty():
        click.echo(f"the run does not wait for a form ({record.status})")


@click.command()
@acting
@click.option("--form", "which", metavar="FORM", help="Id, node or title of the form.  [default: the only open one]")
@click.option("--action", metavar="ID", help="The action to take.  [default: the only one]")
@inputs_options
@with_settings
async def submit(
    settings: Settings,
    run_id: str,
    which: str | None,
    action: str | None,
    pairs: tuple[str, ...],
    document: str | None,
    user: str,
    as_json: bool,
) -> int:
    """Submit a form that a RUN waits for. The run continues in the server; without a server here, to its end.

    Then the exit code is the run's.
    """
    given = (pairs_of(pairs), document_of(document))
    read = reader(taken=("--inputs",) if document == "-" else ())
    async with reached(existing(settings), run_id, user=user) as (where, run):
        if not isinstance(where, Server):
            form, chosen, inputs = await _filled(where, run, which, action, given, read)
            await where.runs.forms.submit_form(form, chosen, inputs)
            return await executed_here(where, run, as_json)
        async with assembled(settings) as assembly:
            record = await assembly.runs.records.any_record(run)
            form, chosen, inputs = await _filled(assembly, record, which, action, given, read)
        token = form.requested.form.get("form_token")
        if not token:
            message = "the form cannot be submitted through the server: its node has no delivery by web app"
            raise Failure(message, exit_code=ExitCode.CONFLICT, code="conflict", hint="Stop the server first.")
        await where.post(f"/v1/form/human_input/{token}", {"inputs": inputs, "action": chosen})
    entry = {"workflow_run_id": run, "form_id": form.requested.form_id, "action": chosen}
    show_entry(entry, f"submitted; jikko runs follow {run}", as_json=as_json)
    return 0


async def _filled(
    assembly: Assembly, record: Any, which: str | None, action: str | None, given: Any, read: Any
) -> tuple[Any, str, dict[str, Any]]:
    """Return the form, the action, and the inputs with their files uploaded. Raises ``Failure``: the choice is
    ambiguous, or the inputs do not fit."""
    form = _meant(await assembly.runs.forms.open_forms(record), which, record)
    chosen = action_of(form.requested.form, action)
    variables = form_variables(form.requested.form)
    pairs, document = given
    identity = record.identity
    begin = ["jikko", "runs", "submit", identity.run_id, *(["--form", which] if which else []), "--action", chosen]
    values = accept(given_inputs(variables, pairs, document, read), to=shlex.join(begin))
    return form, chosen, await uploaded(values, variables, assembly.files, app_id=identity.app_id, user=identity.user)


def _meant(found: Sequence[Any], which: str | None, record: Any) -> Any:
    fitting = [
        form
        for form in found
        if which is None
        or which in (form.requested.node_id, form.requested.title)
        or form.requested.form_id.startswith(which)
    ]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{form.requested.title or form.requested.node_id} ({form.requested.form_id})" for form in found)
    if not found:
        raise Failure(
            f"the run does not wait for a form ({record.status})", exit_code=ExitCode.CONFLICT, code="conflict"
        )
    if fitting:
        raise Failure(f"choose a form with --form: {listed}", exit_code=ExitCode.USAGE, code="usage")
    raise Failure(f"no form {which!r}; the run waits for {listed}", exit_code=ExitCode.NOT_FOUND, code="not_found")
