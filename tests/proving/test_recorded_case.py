"""Cases that are made of recorded runs."""

import json
from typing import Any

from jikko.events import FormClosed
from jikko.proving.recorded_case import recorded_case
from jikko.proving.verdict import NodeNames
from jikko.values import FILE_IDENTITY, Json


def closed(action: str | None, **data: Json) -> FormClosed:
    return FormClosed(
        at=0.0, execution_id="e", node_id="Ask", title="Ask", form_id="f", action_id=action, data=dict(data)
    )


def test_each_form_keeps_its_answers_and_its_files_in_order() -> None:
    file: Any = {"dify_model_identity": FILE_IDENTITY, "related_id": "1"}
    events = [closed("yes", note="@all 良い", seen=file, all=[file]), closed("no", tags=["@a", "b"]), closed(None)]

    case = recorded_case("a", events, NodeNames({"Ask": ""}), {"1": "a.files/手紙.txt"})

    assert case["forms"] == {
        "Ask": [
            {
                "action": "yes",
                "values": {"note": "@@all 良い", "seen": "@a.files/手紙.txt", "all": ["@a.files/手紙.txt"]},
            },
            {"action": "no", "values": {"tags": ["@a", "b"]}},
            "timeout",
        ]
    }
    assert json.loads(json.dumps(case)) == case
