"""Options for trying workflows: ``-i NAME=VALUE``, ``--inputs``, ``--mock NODE=JSON``, ``--fake-models``; and those of
retries."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from jikko.cli.command_failure import Failure
from jikko.cli.options import together
from jikko.values import MAX_DEPTH, is_too_deep

inputs_options = together(
    click.option(
        "-i",
        "--input",
        "pairs",
        multiple=True,
        metavar="NAME=VALUE",
        help="An input, parsed by its type; NAME=@FILE passes a file or its text, @@ is an @. Repeatable.",
    ),
    click.option(
        "--inputs", "document", metavar="FILE", help="All inputs as a JSON object: a file, - or the JSON itself."
    ),
)
"""Options of commands that take inputs."""


def pairs_of(pairs: Sequence[str], form: str = "NAME=VALUE", option: str = "-i") -> list[tuple[str, str]]:
    """Split pairs into names and texts, in their order. ``form``: Form of each pair in the help."""
    found = []
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise _bad(f"{pair!r} is not {form}", option)
        found.append((name, value))
    return found


def document_of(given: str | None) -> dict[str, Any]:
    """Return the JSON object of ``--inputs``: a file, ``-`` for standard input, or, starting with ``{``, the object
    itself."""
    if not given:
        return {}
    import json

    try:
        text = given if given.lstrip()[:1] in ("{", "[") else read_text(given.removeprefix("@"))
        value = json.loads(text)
        if is_too_deep(value):
            raise RecursionError
    except RecursionError:
        raise _bad(f"is nested deeper than {MAX_DEPTH} levels") from None
    except OSError as error:
        raise _bad(f"{given} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise _bad(no_json(error)) from None
    if not isinstance(value, dict):
        raise _bad("must be a JSON object")
    return value


def no_json(error: ValueError) -> str:
    """Return the position of a JSON error: ``is not JSON (line 1, column 2)``."""
    from json import JSONDecodeError

    where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, JSONDecodeError) else ""
    return "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"is not JSON{where}"


def read_text(path: str) -> str:
    """Read a text file, ``-`` for standard input, keeping its line ends. Raises ``OSError``, ``ValueError``: it is
    unreadable, or not UTF-8."""
    return (sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()).decode("utf-8-sig")


def reader(*, taken: Sequence[str] = ()) -> Callable[[str], str]:
    """Return a reader of files for inputs. ``taken``: Existing uses of standard input, in words."""
    users = list(taken)

    def read(path: str) -> str:
        if path == "-":
            if users:
                raise click.UsageError(f"Standard input can be read only once, and {users[0]} reads it.")
            users.append("another input")
        return read_text(path)

    return read


def accept(given: Any, *, to: str) -> Mapping[str, Any]:
    """Return the values if complete; unknown ones give a warning. ``to``: Start of a correct command. Raises
    ``Failure``: values are missing or wrong; reports all."""
    for unknown in given.unknown:
        click.echo(f"warning: {unknown}; it is ignored", err=True)
    if given.problems:
        lines = given.problems if len(given.problems) == 1 else ["invalid inputs:", *given.problems]
        hint = f"Example: {to} {given.example}" if given.example else ""
        raise Failure("\n  ".join(lines), exit_code=3, code="invalid_param", hint=hint)
    values: Mapping[str, Any] = given.values
    return values


mock_option = click.option(
    "--mock",
    "mocks",
    multiple=True,
    metavar="NODE=JSON",
    help="Outputs of a node (id or title) that does not run; NODE=@FILE reads them. Repeatable.",
)
trial_options = together(
    click.option("--fake-models", is_flag=True, help="Answer for all models, without a provider or key."), mock_option
)
"""Options of commands that run workflows."""
retry_options = together(
    click.option("--from", "from_node", metavar="NODE_ID", help="The node to run again.  [default: those that failed]"),
    click.option("--current", is_flag=True, help="With the app's current version; changed nodes run again."),
    mock_option,
    click.option(
        "--values",
        multiple=True,
        metavar="NODE=JSON",
        help="Outputs that replace a node's recorded ones, for nodes that run again; for the start node: inputs. "
        "NODE=@FILE reads them. Repeatable.",
    ),
)
"""Options of commands that repeat a run."""
OLD_SERVER: Final = "The server is older, and would ignore --mock and --values: nothing was repeated. Update it first."


def trial_settings(fake_models: bool, mocks: Sequence[str]) -> dict[str, Any]:
    """Return the settings behind the options; ``None`` for missing ones."""
    outputs = outputs_by_node(mocks, "--mock")
    return {"fake_models": fake_models or None, "mocks": json.dumps(outputs) if outputs else None}


def outputs_by_node(given: Sequence[str], option: str) -> dict[str, dict[str, Any]]:
    """Parse texts NODE=JSON into outputs by node. ``option``: The option's name, for errors."""
    outputs: dict[str, Any] = {}
    for pair in given:
        node, sign, text = pair.partition("=")
        if not sign or not node:
            raise _bad(f"{pair!r} is not NODE=JSON", option)
        try:
            value = json.loads(read_text(text[1:]) if text.startswith("@") else text)
        except OSError as error:
            raise _bad(f"{text[1:]} cannot be read: {error.strerror or error}", option) from None
        except RecursionError:
            raise _bad(f"what stands for {node!r} is nested too deeply", option) from None
        except ValueError as error:
            raise _bad(f"what stands for {node!r} {no_json(error)}", option) from None
        if not isinstance(value, dict):
            raise _bad(f"what stands for {node!r} must be a JSON object: the outputs of the node by name", option)
        if node in outputs:
            raise _bad(f"{node!r} is given twice", option)
        outputs[node] = value
    return outputs


def _bad(message: str, option: str = "--inputs") -> click.BadParameter:
    return click.BadParameter(message, param_hint=f"'{option}'")
