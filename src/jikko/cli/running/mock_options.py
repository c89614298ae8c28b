"""The options ``--mock NODE=JSON`` and ``--fake-models``: to try workflows without what they need."""

import json
from collections.abc import Sequence
from typing import Any

import click

from jikko.cli.options import together
from jikko.cli.running.given_inputs import no_json, read_text

trial_options = together(
    click.option("--fake-models", is_flag=True, help="Answer for all models, without a provider or key."),
    click.option(
        "--mock",
        "mocks",
        multiple=True,
        metavar="NODE=JSON",
        help="Outputs of a node (id or title) that does not run; NODE=@FILE reads them. Repeatable.",
    ),
)
"""Of a command that runs workflows."""


def trial_settings(fake_models: bool, mocks: Sequence[str]) -> dict[str, Any]:
    """The settings that the options stand for; ``None`` for what was not given."""
    return {"fake_models": fake_models or None, "mocks": _mocks(mocks)}


def _mocks(given: Sequence[str]) -> str | None:
    if not given:
        return None
    outputs: dict[str, Any] = {}
    for pair in given:
        node, sign, text = pair.partition("=")
        if not sign or not node:
            raise _bad(f"{pair!r} is not NODE=JSON")
        try:
            value = json.loads(read_text(text[1:]) if text.startswith("@") else text)
        except OSError as error:
            raise _bad(f"{text[1:]} cannot be read: {error.strerror or error}") from None
        except RecursionError:
            raise _bad(f"what stands for {node!r} is nested too deeply") from None
        except ValueError as error:
            raise _bad(f"what stands for {node!r} {no_json(error)}") from None
        if not isinstance(value, dict):
            raise _bad(f"what stands for {node!r} must be a JSON object: the outputs of the node by name")
        if node in outputs:
            raise _bad(f"{node!r} is given twice")
        outputs[node] = value
    return json.dumps(outputs)


def _bad(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="'--mock'")
