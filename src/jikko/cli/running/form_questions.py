"""Forms of runs on the command line: shown, filled in by options, or asked for on a terminal."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from jikko.cli.command_failure import Failure
from jikko.events import FormRequested
from jikko.terminal_text import printable, shown

_PLACE: Final = re.compile(r"\{\{#\$output\.([^{}]+)#\}\}")


def say_form(form: Mapping[str, Any], title: str) -> None:
    """Print a form on standard error, as its user sees it."""
    click.echo(click.style(printable(title), bold=True), err=True)
    for line in content_of(form):
        click.echo(f"  {line}", err=True)


def content_of(form: Mapping[str, Any]) -> list[str]:
    """Return the lines of a form, safe to print, with bracketed names for its inputs."""
    return [printable(line) for line in _PLACE.sub(r"[\1]", str(form["form_content"])).splitlines()]


def ask(form: Mapping[str, Any], title: str, variables: Sequence[Any]) -> tuple[dict[str, str], str]:
    """Ask for each input of a form, then for the action. Blocks.

    Args:
        variables: Its inputs, from ``form_variables``.

    Returns:
        The inputs, as texts like those of ``-i``, and the action.

    Raises:
        click.Abort: Ctrl-C.
    """
    say_form(form, title)
    defaults = {**_constants(form), **(form.get("resolved_default_values") or {})}
    answers: dict[str, str] = {}
    for variable in variables:
        kind = click.Choice(variable.options) if variable.options else str
        label = f"{variable.name} (path of a file)" if variable.type in ("file", "file-list") else variable.name
        answer = click.prompt(label, default=defaults.get(variable.name), type=kind, err=True)
        is_path = variable.type in ("file", "file-list") and not answer.startswith(("@", "http://", "https://"))
        answers[variable.name] = f"@{answer}" if is_path or answer.startswith("@") else answer
    actions = [action["id"] for action in form["actions"]]
    for action in form["actions"]:
        click.echo(printable(f"  {action['id']}: {action['title']}"), err=True)
    chosen: str = click.prompt("action", type=click.Choice(actions), default=actions[0], err=True)
    return answers, chosen


def _constants(form: Mapping[str, Any]) -> dict[str, str]:
    defaults = ((field.get("output_variable_name"), field.get("default")) for field in form.get("inputs") or [])
    return {
        str(name): default["value"]
        for name, default in defaults
        if isinstance(default, dict) and default.get("type") == "constant" and isinstance(default.get("value"), str)
    }


def action_of(form: Mapping[str, Any], given: str | None) -> str:
    """Return the chosen action. Raises ``Failure``: none is given and there are several, or the id is unknown."""
    actions = [action["id"] for action in form["actions"]]
    if given in actions:
        return str(given)
    if given is None and len(actions) == 1:
        return str(actions[0])
    listed = ", ".join(f"{action['id']} ({action['title']})" for action in form["actions"])
    wrong = "choose an action with --action" if given is None else f"no action {given!r}"
    raise Failure(f"{wrong}: {listed}", exit_code=3, code="invalid_form_data")


def how_to_go_on(run_id: str, requested: FormRequested, *, several: bool) -> list[str]:
    """Return a submit command for each action, naming the form if the run waits for several."""
    inputs = " ".join(f"-i {entry['output_variable_name']}=…" for entry in requested.form["inputs"])
    which = f"--form {requested.form_id}" if several else ""
    return [
        " ".join(filter(None, ("jikko runs submit", run_id, which, inputs, f"--action {action['id']}")))
        for action in requested.form["actions"]
    ]


def entry_of(run_id: str, form_id: str, node_id: str, title: str, form: Mapping[str, Any]) -> str:
    """Return a form as a line of JSON."""
    entry = {
        "workflow_run_id": run_id,
        "form_id": form_id,
        "node_id": node_id,
        "title": title,
        "form_content": form["form_content"],
        "inputs": form["inputs"],
        "resolved_default_values": form.get("resolved_default_values") or {},
        "actions": form["actions"],
        "expiration_time": form["expiration_time"],
    }
    return shown(json.dumps(entry, ensure_ascii=False))
