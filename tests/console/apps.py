"""Apps shown by the console in its tests."""

import json

from tests.acceptance.workflows import (
    ASKS,
    app,
    end,
    fetch,
    first_of,
    if_contains,
    iteration,
    node,
    python,
    start,
    template,
    triggered,
)

ICONS = {"Fails": "🚨", "Rounds": "🔁", "Asks": "💶", "Talks": "🍓", "Waits": "⏳", "Greets": "👋", "Hostile": "🦠"}
ROUNDS = 100
MANY_ROUNDS = 2_400
"""About 9,600 events, four per round."""
MOST_ROUNDS = 25_000
"""About 100,000 events."""
FAILS = 41
"""Index of the failing round, from 0."""
HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
LARGE_NUMBER = 2**53 + 1
"""Integer that JavaScript's numbers cannot represent."""
_FILE = {
    "variable": "letter",
    "label": "Letter",
    "type": "file",
    "required": False,
    "max_length": 3,
    "allowed_file_types": ["document"],
    "allowed_file_upload_methods": ["local_file"],
}
_ITEMS = "def main():\n    return {'items': [str(n) for n in range(%d)]}\n"
_SO_MANY = "def main(n):\n    return {'items': [str(i) for i in range(int(n))]}\n"
_JUDGE = """
def main(item):
    if int(item) == %d:
        raise ValueError('no score for ' + item)
    return {'score': item}
"""
_HOSTILE = f"""
def main():
    end = 'THE' + ' END'
    return {{
        'markup': {HOSTILE!r},
        'turned': 'safe\\u202egpj.exe',
        'nothing': 'a\\x00\\x07b',
        'long': 'x' * 200_000 + end,
        'named': {{'a\\u202eb': {LARGE_NUMBER}}},
    }}
"""


def placed(text: str) -> str:
    """Lay out a file's nodes side by side, those of a container inside it."""
    content = json.loads(text)
    nodes = content["workflow"]["graph"]["nodes"]
    x = 30
    for entry in nodes:
        if entry.get("parentId"):
            continue
        wide = entry["data"]["type"] == "iteration"
        entry |= {"position": {"x": x, "y": 280}, "width": 560 if wide else 244, "height": 180 if wide else 90}
        x += entry["width"] + 60
    inner = 24
    for entry in nodes:
        if entry.get("parentId"):
            small = entry["data"]["type"].endswith("-start")
            entry |= {"position": {"x": inner, "y": 70}, "width": 44 if small else 244, "height": 48 if small else 90}
            inner += entry["width"] + 40
    content["app"] |= {
        "icon_type": "emoji",
        "icon": ICONS.get(content["app"]["name"], "🌱"),
        "icon_background": "#FFEAD5",
    }
    return json.dumps(content, ensure_ascii=False, indent=1)


def console_apps(echo: str) -> dict[str, str]:
    """Return the apps by file name.

    Args:
        echo: Address of the echo server.
    """
    fails = {**python("judge", "def main():\n    return 1 / 0\n", {"text": "string"})}
    fails["data"] |= {
        "title": "Check policy",
        "retry_config": {"retry_enabled": True, "max_retries": 2, "retry_interval": 100},
    }
    judge = python("judge", _JUDGE % FAILS, {"score": "string"}, item="each.item")
    each = iteration("each", "split.items", "judge.score", judge, parallel=4)
    each[0]["data"] |= {"title": "Each item", "error_handle_mode": "remove-abnormal-output"}
    apps = {
        "greets": app(
            "Greets",
            [
                start("name", required=True),
                if_contains("polite", "start.name", "Dr"),
                template("formal", "Good day, {{ name }}.", name="start.name"),
                template("plain", "Hello, {{ name }}!", name="start.name"),
                end("end-formal", text="formal.output"),
                end("end-plain", text="plain.output"),
            ],
            "start>polite polite:true>formal>end-formal polite:false>plain>end-plain",
        ),
        "fails": app(
            "Fails",
            [start("q"), fails, template("reply", "{{ t }}", t="judge.text"), end(text="reply.output")],
            "start>judge>reply>end",
        ),
        "asks": ASKS,
        # Due only in leap years, so that no run starts by itself.
        "orders": triggered("Orders", cron="0 9 29 2 *"),
        "rounds": app(
            "Rounds",
            [start("q"), python("split", _ITEMS % ROUNDS, {"items": "array[string]"}), *each, end(got="each.output")],
            "start>split>each>end each-start>judge",
        ),
        "many": app(
            "Many",
            [
                start("q"),
                python("split", _ITEMS % MANY_ROUNDS, {"items": "array[string]"}),
                *iteration("each", "split.items", "pick.output", first_of("pick", "each.item"), parallel=4),
                end(got="each.output"),
            ],
            "start>split>each>end each-start>pick",
        ),
        "counts": app(
            "Counts",
            [
                start("n"),
                python("split", _SO_MANY, {"items": "array[string]"}, n="start.n"),
                *iteration("each", "split.items", "pick.output", first_of("pick", "each.item"), parallel=10),
                end(got="start.n"),
            ],
            "start>split>each>end each-start>pick",
        ),
        "waits": app(
            "Waits",
            [
                start("name"),
                fetch("first", f"{echo}/hold/{{{{#start.name#}}}}/1"),
                fetch("second", f"{echo}/hold/{{{{#start.name#}}}}/2"),
                end(text="second.body"),
            ],
            "start>first>second>end",
        ),
        "hostile": app(
            "Hostile",
            [
                start("q"),
                python(
                    "hostile",
                    _HOSTILE,
                    {"named": "object"} | dict.fromkeys(("markup", "turned", "nothing", "long"), "string"),
                ),
                end(markup="hostile.markup", long="hostile.long"),
            ],
            "start>hostile>end",
        ),
        "reads": app(
            "Reads",
            [
                node("start", "start", variables=[_FILE, {**_FILE, "variable": "more", "type": "file-list"}]),
                node("text", "document-extractor", variable_selector=["start", "letter"], is_array_file=False),
                end(text="text.text", letter="start.letter"),
            ],
            "start>text>end",
        ),
        "chat": app(
            "Talks",
            [node("start", "start", variables=[]), node("answer", "answer", answer="You said: {{#sys.query#}}")],
            "start>answer",
            mode="advanced-chat",
        ),
    }
    return {name: placed(text) for name, text in apps.items()}
