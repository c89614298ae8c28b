"""Cases that are made of recorded runs."""

import json
from typing import Any

from jikko.events import Event, FormClosed, NodeFinished, RunRetried, RunStarted
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


def ended(node_id: str, node_type: str, **outputs: Json) -> NodeFinished:
    return NodeFinished(
        at=0.0,
        execution_id=node_id,
        node_id=node_id,
        node_type=node_type,
        title=node_id,
        index=1,
        started_at=0.0,
        elapsed=0.0,
        status="succeeded",
        outputs=dict(outputs),
    )


def test_outputs_that_were_given_to_a_repeated_run_are_mocks() -> None:
    """The nodes would give others."""
    events: list[Event] = [
        RunStarted(at=0.0, inputs={"q": "別"}, system={}, mocks={"judge": {"text": "良い 🎉"}}),
        ended("start", "start", q="別"),
        ended("look", "template-transform", output="given"),
        ended("plain", "template-transform", output="its own"),
        RunRetried(at=0.0, run_id="r", from_nodes=["judge"], replaced={"look": ["output"], "start": ["q"]}),
        ended("judge", "code", text="良い 🎉"),
    ]
    case = recorded_case("a", events, NodeNames({"look": "Look up"}), {})

    assert case["mocks"] == {"Look up": [{"outputs": {"output": "given"}}], "judge": [{"outputs": {"text": "良い 🎉"}}]}
