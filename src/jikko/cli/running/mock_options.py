"""Options for trying workflows, ``--mock NODE=JSON`` and ``--fake-models``; and those of retries."""

import json
from collections.abc import Sequence
from typing import Any, Final

import click

from jikko.cli.options import together
from jikko.cli.running.given_inputs import no_json, read_text

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


def _bad(message: str, option: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint=f"'{option}'")
