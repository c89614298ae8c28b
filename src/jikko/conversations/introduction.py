"""How an app opens a conversation."""

import re
from collections.abc import Mapping
from typing import Final

from jikko.apps.versions import Workflow
from jikko.lang.render import to_text
from jikko.values import Json

_PLACE: Final = re.compile(r"{{\s*([a-zA-Z_][a-zA-Z0-9_]{0,29})\s*}}")


def introduction(workflow: Workflow, inputs: Mapping[str, Json]) -> str:
    """The opening statement with inputs in the places that name them; places that name none stay.

    Source: Dify 1.15, spec/chatflow.md §6 (``introduction``).
    """
    statement = workflow.document.features.get("opening_statement")
    if not statement:
        return ""

    def filled(place: re.Match[str]) -> str:
        name = place[1]
        if name not in inputs:
            return place[0]
        return "" if inputs[name] is None else to_text(inputs[name])

    return _PLACE.sub(filled, statement)
