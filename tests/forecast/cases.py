"""Failing workflows, each with one reason that is known before the run."""

import json
from dataclasses import dataclass, field
from typing import Any

from jikko.diagnostics.translations import worded
from tests.acceptance.workflows import (
    Node,
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
)


@dataclass(frozen=True)
class Case:
    """File with the reports of check and run."""

    text: str
    at: str
    """Id of the failing node; ``""`` if the run is refused."""
    cause: str
    messages: tuple[str, ...]
    """Messages of both, ignoring case."""
    inputs: dict[str, Any] = field(default_factory=dict)


def one(middle: Node, **environment: tuple[str, Any]) -> str:
    """Return a workflow of a start with the input ``q``, the node ``middle``, and an end; environment variables as
    (type, value)."""
    return having(
        app("One", [start("q"), middle, end(q="start.q")], f"start>{middle['id']} {middle['id']}>end"), environment
    )


def having(text: str, environment: dict[str, tuple[str, Any]]) -> str:
    content = json.loads(text)
    content["workflow"]["environment_variables"] = [
        {"id": name, "name": name, "value_type": kind, "value": value} for name, (kind, value) in environment.items()
    ]
    return json.dumps(content, ensure_ascii=False, indent=1)


def tool(node_id: str = "tool", **data: Any) -> Node:
    named = {"provider_id": "google_translate", "provider_name": "google_translate", "tool_name": "translate"}
    return node(node_id, "tool", **{**named, **data})


def llm(
    node_id: str = "llm", provider: str = "deepseek", name: str = "deepseek-chat", prompt: str = "{{#start.q#}}"
) -> Node:
    return node(
        node_id,
        "llm",
        model={"provider": provider, "name": name, "mode": "chat", "completion_params": {}},
        prompt_template=[{"role": "user", "text": prompt}],
        context={"enabled": False, "variable_selector": []},
        vision={"enabled": False},
    )


def javascript(code: str) -> Node:
    return {
        **node("code", "code", code_language="javascript", code=code, variables=[], outputs={"r": {"type": "string"}})
    }


def code(text: str) -> Node:
    return python("code", text, {"r": "string"})


def with_key(request: Node, key: str) -> Node:
    config = {"type": "bearer", "api_key": key, "header": ""}
    return {**request, "data": {**request["data"], "authorization": {"type": "api-key", "config": config}}}


def with_body(request: Node, kind: str) -> Node:
    return {**request, "data": {**request["data"], "body": {"type": kind, "data": []}}}


def with_headers(request: Node, lines: str) -> Node:
    return {**request, "data": {**request["data"], "headers": lines}}


TOOL = (
    "the tool google_translate/translate needs the plugin langgenius/google_translate, which is not installed",
    "jikko plugins install langgenius/google_translate",
)
BACK = "def main():\n    return {'r': 'x'}\n"
_SELECTION = {"variable": "s", "label": "s", "type": "select", "required": True, "options": []}

FAILING: dict[str, Case] = {
    "a main that wants more than it is given": (
        Case(
            one(code("def main(a):\n    return {'r': a}\n")),
            "code",
            "code",
            ("missing 1 required positional argument: 'a'",),
        )
    ),
    "a tool": Case(one(tool()), "tool", "tool", TOOL),
    "a tool whose title is Japanese": Case(one(tool("翻訳")), "翻訳", "tool", TOOL),
    "an agent": Case(
        one(
            node(
                "agent",
                "agent",
                agent_strategy_provider_name="langgenius/agent/agent",
                agent_strategy_name="ReAct",
                agent_parameters={"tools": {"type": "constant", "value": [{"tool_name": "current_time"}]}},
            )
        ),
        "agent",
        "tool",
        ("the agent strategy ReAct needs the plugin langgenius/agent", "function_calling: choose that"),
    ),
    "a knowledge base": Case(
        one(node("k", "knowledge-retrieval", query_variable_selector=["start", "q"], dataset_ids=["x"])),
        "k",
        "knowledge",
        ("multiple_retrieval_config is required",),
    ),
    "an option that an old tool node cannot choose": Case(
        one(
            tool(
                provider_id="time",
                provider_name="time",
                tool_name="current_time",
                tool_configurations={"timezone": "Mars/Base"},
            )
        ),
        "tool",
        "tool",
        ("the value of the parameter timezone",),
    ),
    "a tool in an iteration": Case(
        app(
            "Rounds",
            [
                start("q"),
                python("list", "def main():\n    return {'r': ['a', 'b']}", {"r": "array[string]"}),
                *iteration("each", "list.r", "tool.text", tool()),
                end(r="each.output"),
            ],
            "start>list list>each each-start>tool each>end",
        ),
        "tool",
        "tool",
        TOOL,
    ),
    "a tool behind both branches": Case(
        app(
            "Rejoin",
            [start("q"), if_contains("if", "start.q", "a"), template("x", "x"), template("y", "y"), tool(), end()],
            "start>if if:true>x if:false>y x>tool y>tool tool>end",
        ),
        "tool",
        "tool",
        TOOL,
    ),
    "a tool that another one that fails leads to": Case(
        app(
            "Fails twice",
            [start("q"), tool("first", error_strategy="fail-branch"), tool(), end()],
            "start>first first:source>end first:fail-branch>tool tool>end",
        ),
        "tool",
        "tool",
        TOOL,
    ),
    "a library for HTTP": Case(
        one(code("import json, aiohttp\n" + BACK)), "code", "import", ("'aiohttp'", worded("program.http_modules"))
    ),
    "a part of a library": Case(
        one(code("from pandas.core import frame\n" + BACK)),
        "code",
        "import",
        ("'pandas", "`jikko packages install pandas` installs it"),
    ),
    "a library of another name": Case(
        one(code("from sklearn import svm\n" + BACK)),
        "code",
        "import",
        ("'sklearn'", "`jikko packages install scikit-learn` installs it"),
    ),
    "a library that cannot be locked": Case(
        one(code("import torch\n" + BACK)),
        "code",
        "import",
        ("'torch'", "the package torch cannot be used by programs: it works with threads"),
    ),
    "a library that main imports": Case(
        one(code("def main():\n    import numpy as np\n    return {'r': 'x'}")),
        "code",
        "import",
        ("'numpy'", "`jikko packages install numpy` installs it"),
    ),
    "a part of the standard library that programs do not have": Case(
        one(code("import tkinter\n" + BACK)), "code", "import", ("'tkinter'", worded("program.stdlib_modules"))
    ),
    "text that is no Python": Case(one(code("def main(:\n  return 1")), "code", "code", ("invalid syntax", "line 1")),
    "a program without main": Case(one(code("def mian():\n  return 1")), "code", "code", ("define a function main",)),
    "a module of Node.js": Case(
        one(javascript("const _ = require('lodash');\nfunction main() { return {r: 'x'}; }")),
        "code",
        "import",
        ("lodash", worded("program.javascript_modules")),
    ),
    "an import of JavaScript": Case(
        one(javascript("import _ from 'lodash';\nfunction main() { return {r: 'x'}; }")),
        "code",
        "import",
        (worded("program.javascript_modules"),),
    ),
    "a provider without a line": Case(
        one(llm()),
        "llm",
        "model",
        ("is not set up", '"deepseek": {type: openai, api_key: "${DEEPSEEK_API_KEY}"}'),
    ),
    "a provider whose key is not set": Case(
        one(llm(provider="openai")), "llm", "model", ("needs NO_SUCH_KEY, not set in the environment",)
    ),
    "a model file that is not there": Case(one(llm(provider="local")), "llm", "model", ("no model file", "none.gguf")),
    "no model": Case(one(llm(name="")), "llm", "model", ("no model is chosen in this node",)),
    "a loopback address": Case(
        one(fetch("get", "http://127.0.0.1:9/{{#start.q#}}")),
        "get",
        "address",
        ("The address 127.0.0.1 may not be reached: it is loopback", "allows addresses, this one by 127.0.0.1/32"),
    ),
    "a loopback address in disguise": Case(
        one(fetch("get", "http://2130706433:9/")), "get", "address", ("The address 127.0.0.1 may not be reached",)
    ),
    "localhost": Case(
        one(fetch("get", "http://localhost:9/")), "get", "address", ("may not be reached: it is loopback",)
    ),
    "a private address in an environment variable": Case(
        one(fetch("get", "{{#env.BASE#}}/x?q={{#start.q#}}"), BASE=("string", "https://10.0.0.8:8443")),
        "get",
        "address",
        ("The address 10.0.0.8 may not be reached: it is private",),
    ),
    "a body of no item": Case(
        one(with_body(fetch("get", "https://example.com/{{#start.q#}}"), "json")),
        "get",
        "request",
        ("json body type should have exactly one item",),
    ),
    "an address without http": Case(
        one(fetch("get", "example.com/x")), "get", "address", ("url should start with http:// or https://",)
    ),
    "a secret that is empty": Case(
        one(with_key(fetch("get", "https://example.com/"), "{{#env.token#}}"), token=("secret", "")),
        "get",
        "secret",
        ("API key is required for authorization but was empty",),
    ),
    "a key of an author who left a hint in its place": Case(
        one(with_key(fetch("get", "https://example.com/"), "你的key-{{#start.q#}}")),
        "get",
        "header",
        ("header 'Authorization' cannot be sent: names and values of headers must be ASCII",),
    ),
    "a hint of an author in an environment variable": Case(
        one(with_headers(fetch("get", "https://example.com/"), "X-Tea: {{#env.tea#}}"), tea=("string", "ここに鍵🔑")),
        "get",
        "header",
        ("header 'X-Tea' cannot be sent: names and values of headers must be ASCII",),
    ),
    "headers that are written as JSON": Case(
        one(with_headers(fetch("get", "https://example.com/"), '{\n "X-Tea": "{{#start.q#}}"\n}')),
        "get",
        "header",
        ("'{' cannot be sent: it is not a header name",),
    ),
    "a selection without options": Case(
        app("Select", [node("start", "start", variables=[_SELECTION]), end()], "start>end"),
        "",
        "inputs",
        ("s in input form must be one of the following: []",),
        {"s": "text"},
    ),
}

_CAUGHT = "try:\n    import pandas\nexcept ImportError:\n    pandas = None\n"

RUNNING: dict[str, str] = {
    "a page without an address, which is what is answered": one(
        tool(
            provider_type="builtin",
            provider_id="webscraper",
            provider_name="webscraper",
            tool_name="webscraper",
            tool_parameters={},
        )
    ),
    "a default value on error": one(
        tool(error_strategy="default-value", default_value=[{"key": "text", "type": "string", "value": "x"}])
    ),
    "a way around": app(
        "Around",
        [start("q"), tool(error_strategy="fail-branch"), end("bad"), end()],
        "start>tool tool:source>end tool:fail-branch>bad",
    ),
    "an iteration that goes on after failed rounds": app(
        "Rounds",
        [
            start("q"),
            python("list", "def main():\n    return {'r': ['a', 'b']}", {"r": "array[string]"}),
            *[
                {**part, "data": {**part["data"], "error_handle_mode": "continue-on-error"}}
                for part in iteration("each", "list.r", "tool.text", tool())
            ],
            end(r="each.output"),
        ],
        "start>list list>each each-start>tool each>end",
    ),
    "an import whose failure is caught": one(code(_CAUGHT + BACK)),
    "a module in a comment": one(
        javascript(
            "// const x = require('axios')\n/* import y from 'y' */\nfunction main() { return {r: \"require('z')\"}; }"
        )
    ),
    "modules of the standard library": one(code("import os.path, json as j\nfrom collections import abc\n" + BACK)),
    "a node that nothing leads to": app("Alone", [start("q"), tool(), end(q="start.q")], "start>end"),
    "a question that is a secret": one(
        node(
            "ask",
            "knowledge-retrieval",
            query_variable_selector=["env", "secret"],
            dataset_ids=[],
            retrieval_mode="multiple",
            multiple_retrieval_config={"top_k": 3, "reranking_enable": False},
        ),
        secret=("secret", "x"),
    ),
    "an output that there is only once the program failed": app(
        "Defaults",
        [
            start("q"),
            python("code", "def main():\n    return {'r': 1 / 0}", {"r": "number"}),
            if_contains("if", "code.why", "x"),
            end(),
        ],
        "start>code>if if:true>end if:false>end",
    ).replace(
        '"type": "code",',
        '"type": "code", "error_strategy": "default-value", '
        '"default_value": [{"key": "why", "type": "string", "value": "x"}],',
    ),
    "a secret that no node needs": one(first_of("x", "start.q"), unused=("secret", "")),
}
"""Files with an apparent reason to fail that do not."""

MAY_FAIL = app(
    "Branches",
    [start("q"), if_contains("if", "start.q", "難"), tool(), end("hard", t="tool.text"), end(q="start.q")],
    "start>if if:true>tool tool>hard if:false>end",
)
"""Fails if its input ``q`` contains 難."""
