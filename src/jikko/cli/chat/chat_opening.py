"""The beginning of a conversation: the app's opening, and the inputs that it wants."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from jikko.cli.command_failure import Failure
from jikko.cli.running.given_inputs import accept, reader
from jikko.client.async_client import AsyncClient
from jikko.dsl.fields import Fields
from jikko.dsl.start_variables import read_start_variables
from jikko.inputs.given import Upload, described, given_inputs
from jikko.terminal_text import printable


def inputs_of(
    parameters: Mapping[str, Any], pairs: list[tuple[str, str]], document: Mapping[str, Any], *, ask: bool, to: str
) -> Mapping[str, Any]:
    """The inputs of every turn, with ``Upload`` for files of this machine.

    Args:
        ask: Whether what is missing may be asked for.
        to: The beginning of a command that talks with the app.

    Raises:
        Failure: Some are missing or wrong: all of them.
    """
    entries = [entry for item in parameters.get("user_input_form") or [] for entry in item.values()]
    variables = read_start_variables(Fields("", {"variables": entries}, []))
    read = reader(taken=("the questions",))
    given = given_inputs(variables, pairs, document, read)
    if ask and given.missing and not given.wrong:
        more = [
            (variable.name, click.prompt(f"{variable.label or variable.name} ({described(variable)})", err=True))
            for variable in given.missing
        ]
        given = given_inputs(variables, [*pairs, *more], document, read)
    return accept(given, to=to)


async def sent(service: AsyncClient, value: Any) -> Any:
    """An input as a request has it: files of this machine are uploaded. Raises ``Failure``: a file cannot be read or
    uploaded."""
    if isinstance(value, list):
        return [await sent(service, item) for item in value]
    if not isinstance(value, Upload):
        return value
    try:
        return await service.upload(Path(value.path))
    except OSError as error:
        raise Failure(
            f"{value.path}: cannot be read: {error.strerror or error}", exit_code=3, code="invalid_param"
        ) from None


def say_opening(parameters: Mapping[str, Any]) -> None:
    """Show the opening statement and the questions that it suggests, on standard error."""
    statement = str(parameters.get("opening_statement") or "")
    for line in statement.splitlines():
        click.echo(printable(line), err=True)
    for question in parameters.get("suggested_questions") or []:
        click.echo(click.style(f"  · {printable(str(question))}", dim=True), err=True)
