"""Apps with unusual runs: names that are long, right-to-left or without glyphs, large values, files, agents,
knowledge."""

import json
from typing import Any

from tests.acceptance.workflows import app, end, fetch, first_of, iteration, node, python, start, template
from tests.console.apps import placed
from tests.strategies.agents import agent, tool

LONG = "Überprüfung der eingereichten Rückerstattungsanträge " * 4
"""212 characters, which must not overflow the frame."""
UNBROKEN = "W" * 240
ARABIC = "مراجعة طلبات الاسترداد"
PRIVATE = "\ue000\uf8ff私用領域\U000f0000"
FAMILY = "👩‍👩‍👧‍👦🏳️‍🌈"
LARGE = 1_000_000
"""Characters of a value."""
WEEKDAY = ("weekday", {"year": 2024, "month": 2, "day": 29})

_LARGE = f"""
def main():
    text = '行\\u00e9\\U0001f353' * {LARGE // 3} + 'THE ' + 'END'
    return {{'text': text, 'names': [{PRIVATE!r}, {ARABIC!r}, {FAMILY!r}]}}
"""
_ODD = """
def main(x):
    if x == '2':
        raise ValueError('no score for ' + x)
    return {'y': x}
"""
_FILE = {
    "variable": "picture",
    "label": "Picture",
    "type": "file-list",
    "required": True,
    "max_length": 5,
    "allowed_file_types": ["image", "document"],
    "allowed_file_upload_methods": ["local_file"],
}
INPUTS: list[dict[str, Any]] = [
    {"variable": "line", "label": "One line", "type": "text-input", "required": True, "max_length": 20},
    {"variable": "text", "label": "Some text", "type": "paragraph", "required": False, "max_length": 500},
    {"variable": "size", "label": "Size", "type": "select", "required": True, "options": ["small", "large"]},
    {"variable": "count", "label": "How many", "type": "number", "required": True},
    {"variable": "sure", "label": "Sure", "type": "checkbox", "required": False},
    {"variable": "more", "label": "More", "type": "json_object", "required": False},
    {**_FILE, "variable": "letter", "label": "Letter", "type": "file", "required": False, "max_length": 1},
    {**_FILE, "variable": "pictures", "label": "Pictures", "required": False},
]
"""One variable of each kind in forms."""


def _titled(entry: dict[str, Any], title: str) -> dict[str, Any]:
    return {**entry, "data": {**entry["data"], "title": title}}


def gallery_apps(echo: str, dataset: str) -> dict[str, str]:
    """Return the apps by file name.

    Args:
        echo: Address of the echo server.
        dataset: Id of the queried dataset.
    """
    lost = fetch("lost", f"{echo.rpartition(':')[0]}:9/", error_strategy="default-value")
    lost["data"] |= {
        "title": "Ask the warehouse",
        "default_value": [{"key": "body", "type": "string", "value": "nobody"}],
    }
    again = python("judge", "def main():\n    raise ValueError('the policy is missing')\n", {"text": "string"})
    again["data"]["title"] = "Check policy"
    odd = python("odd", _ODD, {"y": "string"}, x="each.item")
    each = iteration("each", "split.items", "odd.y", odd, parallel=4)
    each[0]["data"]["error_handle_mode"] = "continue-on-error"
    broken = python("judge", "def main():\n    return 1 / 0\n", {"text": "string"})
    asked = {**agent(tool("weekday"), query={"type": "constant", "value": "{{#sys.query#}}"}), "title": "Agent"}
    found = node(
        "found",
        "knowledge-retrieval",
        dataset_ids=[dataset],
        query_variable_selector=["start", "q"],
        retrieval_mode="multiple",
        multiple_retrieval_config={"top_k": 3, "reranking_enable": False},
    )
    apps = {
        "exceptions": app("Exceptions", [start("q"), lost, end(text="lost.body")], "start>lost>end"),
        "again": app("Again", [start("q"), again, end(text="judge.text")], "start>judge>end"),
        "handled": app(
            "Handled",
            [
                start("q"),
                python("split", "def main():\n    return {'items': list('0123')}\n", {"items": "array[string]"}),
                *each,
                _titled(broken, "Check policy"),
                end(text="judge.text"),
            ],
            "start>split>each>judge>end each-start>odd",
        ),
        "large": app(
            "Large",
            [
                start("q"),
                python("make", _LARGE, {"text": "string", "names": "array[string]"}),
                end(text="make.text", names="make.names"),
            ],
            "start>make>end",
        ),
        "long": app(
            LONG,
            [
                _titled(start("q"), UNBROKEN),
                _titled(template("say", f"{ARABIC} {{{{ q }}}} {FAMILY}", q="start.q"), LONG),
                _titled(first_of("pick", "say.output"), f"{PRIVATE} {FAMILY}"),
                _titled(end(text="pick.output"), ARABIC),
            ],
            "start>say>pick>end",
        ),
        "arabic": app(f"{ARABIC} {FAMILY} {PRIVATE}", [start("q"), end(text="start.q")], "start>end"),
        "files": app(
            "Pictures",
            [node("start", "start", variables=[_FILE]), end(pictures="start.picture")],
            "start>end",
        ),
        "inputs": app(
            "Everything",
            [
                node("start", "start", variables=INPUTS),
                template(
                    "say",
                    "{{ line }}/{{ size }}/{{ count }}",
                    line="start.line",
                    size="start.size",
                    count="start.count",
                ),
                end(text="say.output"),
            ],
            "start>say>end",
        ),
        "wide": app(
            "Wide",
            [start("q"), *(template(f"t{n}", "{{ q }}", q="start.q") for n in range(30)), end(text="t29.output")],
            ">".join(["start", *(f"t{n}" for n in range(30)), "end"]),
        ),
        "finds": app("Finds", [start("q"), found, end(found="found.result")], "start>found>end"),
        "agent": app(
            "Counts days",
            [
                start(),
                node("agent", "agent", **{k: v for k, v in asked.items() if k != "type"}),
                node("answer", "answer", answer="{{#agent.text#}}"),
            ],
            "start>agent>answer",
            mode="advanced-chat",
        ),
    }
    return {name: placed(text) for name, text in apps.items()}


def providers(model: str) -> str:
    """Return a providers file with a test's model server."""
    entry = {"type": "openai", "base_url": model, "api_key": "key"}
    return json.dumps({"providers": {"langgenius/openai/openai": entry}})
