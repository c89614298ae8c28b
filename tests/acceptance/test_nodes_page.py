"""docs/nodes.md: each node example runs, with the documented output."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml

from jikko.nodes.registry import BY_TYPE
from tests.acceptance.processes import Command
from tests.acceptance.workflows import app, end, node, python
from tests.page_blocks import ROOT, blocks

PAGE: Final = "docs/nodes.md"
INPUTS: Final = {"text": "Ada wrote the first program.", "count": 3, "paper": "@paper.txt"}
GIVEN: Final = python(
    "given",
    "def main():\n    return {'words': ['rain', 'sun', 'snow'], 'order': {'id': 7, 'total': 12.5}}",
    {"words": "array[string]", "order": "object"},
)
FILE: Final = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["local_file"]}
START: Final = node(
    "start",
    "start",
    variables=[
        {"variable": "text", "label": "text", "type": "paragraph", "required": True, "max_length": 1000},
        {"variable": "count", "label": "count", "type": "number", "required": False},
        {"variable": "paper", "label": "paper", "type": "file", "required": False, **FILE},
    ],
)
WITHOUT_AN_EXAMPLE: Final = {"assigner", "trigger-webhook", "trigger-schedule", "trigger-plugin"}
"""They write, or begin a run: other pages have theirs."""
HANDLES: Final = {"if-else": ["many", "false"], "question-classifier": ["people", "things"], "human-input": ["approve"]}
OUTSIDE: Final = {
    "models": [
        {"prompt": {"contains": "About people"}, "answer": '{"category_id": "people", "category_name": ""}'},
        {"prompt": {"contains": "Answer in one word."}, "answer": "Ada"},
        {"answer": '{"person": "Ada"}'},
    ],
    "http": [{"url": "https://shop.example/orders/3", "text": '{"id":3}'}],
    "tools": [{"tool": "time/current_time", "text": "18:00"}],
    "knowledge": [{"passages": [{"title": "history.md", "content": "Ada Lovelace, 1843.", "score": 0.9}]}],
    "forms": {"Review": {"action": "Approve", "values": {"remark": "よい"}}},
}


def of_block(example: Any, name: str, case: dict[str, Any]) -> str:
    """A workflow with the example between ``given`` and an end; fills in what the case needs."""
    nodes = example if isinstance(example, list) else [{"id": name, "data": example}]
    data, first = nodes[0]["data"], nodes[0]["id"]
    kind = data["type"]
    mode = "workflow"
    if kind == "start":
        case["inputs"].pop("paper")
        return app(name, [{"id": "start", "data": data}, end(out="start.text")], "start>end")
    body = "".join(f" {two['id']}>{three['id']}" for two, three in pairwise(nodes[1:]))
    edges = f"start>given>{first}{body}"
    known = [START, GIVEN, *nodes]
    if kind == "answer":
        mode = "advanced-chat"
        case |= {"turns": [{"say": "?"}]}
    elif kind != "end":
        known.append(end("over", text="start.text"))
        edges += "".join(f" {first}:{handle}>over" for handle in HANDLES.get(kind, ["source"]))
    return app(name, known, edges, mode=mode)


def test_each_example_puts_out_what_the_page_shows(tmp_path: Path) -> None:
    (tmp_path / "paper.txt").write_text("日本語 or any script", encoding="utf-8")
    found = blocks(PAGE, "yaml", "json")
    kinds = set[str]()
    for number, (shown, outputs) in enumerate(zip(found[::2], found[1::2], strict=True)):
        example = yaml.safe_load(shown.text)
        nodes = example if isinstance(example, list) else [{"data": example}]
        kinds |= {one["data"]["type"] for one in nodes}
        name = f"example{number}"
        expected = {nodes[0]["data"]["title"]: {"outputs": json.loads(outputs.text)}}
        case: dict[str, Any] = {"name": shown.first_line, "inputs": dict(INPUTS), "expect": {"nodes": expected}}
        (tmp_path / f"{name}.yml").write_text(of_block(example, name, case), encoding="utf-8")
        used = {key: value for key, value in OUTSIDE.items() if key != "forms" or "human-input" in shown.text}
        (tmp_path / f"{name}.test.yml").write_text(json.dumps({"cases": [{**case, **used}]}), encoding="utf-8")

    outcome = Command(tmp_path / "home")("test", tmp_path)

    assert outcome.code == 0, outcome.out + outcome.err
    assert kinds | WITHOUT_AN_EXAMPLE >= {kind for kind in BY_TYPE if kind != "loop-end"}
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    assert [kind for kind in kinds | WITHOUT_AN_EXAMPLE - {"trigger-plugin"} if f" {kind}" not in text] == []
