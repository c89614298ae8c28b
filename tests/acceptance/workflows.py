"""DSL files for the tests, as JSON, which is valid YAML."""

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

Node = dict[str, Any]


def app(
    name: str, nodes: Iterable[Node], edges: str, *, mode: str = "workflow", version: str = "0.6.0", **workflow: Any
) -> str:
    """Return a file with these nodes.

    Args:
        edges: Separated by spaces: ``a>b``, or ``a:handle>b``; chains: ``a>b>c``.
        workflow: Further keys of the ``workflow`` block, such as ``features``.
    """
    known = list(nodes)
    content = {
        "kind": "app",
        "version": version,
        "app": {"name": name, "mode": mode, "description": f"about {name}"},
        "workflow": {"graph": {"nodes": known, "edges": list(_edges(edges))}, "features": {}, **workflow},
    }
    return json.dumps(content, ensure_ascii=False, indent=1)


def with_environment(text: str, /, **variables: tuple[str, Any]) -> str:
    """Add environment variables to a file: type and value by name."""
    content = json.loads(text)
    content["workflow"]["environment_variables"] = [
        {"name": name, "value_type": kind, "value": value} for name, (kind, value) in variables.items()
    ]
    return json.dumps(content, ensure_ascii=False, indent=1)


def _edges(text: str) -> Iterator[dict[str, Any]]:
    for path in text.split():
        for tail, target in pairwise(path.split(">")):
            yield _edge(f"{tail}>{target.partition(':')[0]}")


def _edge(text: str) -> dict[str, Any]:
    tail, _, target = text.partition(">")
    source, _, handle = tail.partition(":")
    return {"id": text, "source": source, "target": target, "sourceHandle": handle or "source"}


def node(node_id: str, node_type: str, **data: Any) -> Node:
    return {"id": node_id, "data": {"type": node_type, "title": node_id, **data}}


def start(*names: str, required: bool = False) -> Node:
    """Return a start node with a paragraph for each name."""
    return node("start", "start", variables=[_paragraph(name, required) for name in names])


def _paragraph(name: str, required: bool) -> dict[str, Any]:
    return {"variable": name, "label": name, "type": "paragraph", "required": required, "max_length": 4_000_000}


def end(node_id: str = "end", **outputs: str) -> Node:
    """Return an end node. ``x="start.q"`` outputs the variable ``q`` of ``start`` as ``x``."""
    return node(node_id, "end", outputs=[{"variable": name, "value_selector": _at(at)} for name, at in outputs.items()])


def fetch(node_id: str, url: str, **data: Any) -> Node:
    """Return a GET request."""
    return node(
        node_id,
        "http-request",
        method="get",
        url=url,
        authorization={"type": "no-auth", "config": None},
        headers="",
        params="",
        body={"type": "none", "data": []},
        timeout={"max_connect_timeout": 10, "max_read_timeout": 60, "max_write_timeout": 20},
        **data,
    )


def python(node_id: str, code: str, outputs: dict[str, str], /, **arguments: str) -> Node:
    return node(
        node_id,
        "code",
        code_language="python3",
        code=code,
        variables=_variables(arguments),
        outputs={name: {"type": kind, "children": None} for name, kind in outputs.items()},
    )


def template(node_id: str, text: str, /, **variables: str) -> Node:
    return node(node_id, "template-transform", template=text, variables=_variables(variables))


def first_of(node_id: str, *selectors: str) -> Node:
    """Return a variable aggregator."""
    return node(node_id, "variable-aggregator", output_type="string", variables=[_at(at) for at in selectors])


def if_contains(node_id: str, at: str, part: str) -> Node:
    """Return an if-else with the handles ``true`` and ``false``."""
    condition = {"variable_selector": _at(at), "comparison_operator": "contains", "value": part, "varType": "string"}
    return node(node_id, "if-else", cases=[{"case_id": "true", "logical_operator": "and", "conditions": [condition]}])


def form(node_id: str, text: str, hours: int = 1) -> Node:
    """Return a human-input node with the paragraph ``comment`` and the actions ``yes`` and ``no``, valid for some
    ``hours``."""
    return node(
        node_id,
        "human-input",
        form_content=text,
        inputs=[{"type": "paragraph", "output_variable_name": "comment"}],
        user_actions=[{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}],
        timeout=hours,
        timeout_unit="hour",
        delivery_methods=[{"type": "webapp", "enabled": True, "id": "1", "config": {}}],
    )


def iteration(node_id: str, over: str, collect: str, *body: Node, parallel: int = 1) -> list[Node]:
    """Return an iteration with its body, which begins with ``<node_id>-start``."""
    container = node(
        node_id,
        "iteration",
        start_node_id=f"{node_id}-start",
        iterator_selector=_at(over),
        iterator_input_type="array[string]",
        output_selector=_at(collect),
        output_type="array[string]",
        is_parallel=parallel > 1,
        parallel_nums=parallel,
        error_handle_mode="terminated",
        flatten_output=True,
    )
    first = {**node(f"{node_id}-start", "iteration-start"), "type": "custom-iteration-start"}
    inner = [{**entry, "data": {**entry["data"], "isInIteration": True, "iteration_id": node_id}} for entry in body]
    return [container, *({**entry, "parentId": node_id} for entry in (first, *inner))]


def _variables(arguments: dict[str, str]) -> list[dict[str, Any]]:
    return [{"variable": name, "value_selector": _at(at)} for name, at in arguments.items()]


def _at(text: str) -> list[str]:
    return text.split(".")


ASKS = app(
    "Asks",
    [start("q"), form("ask", "About {{#start.q#}}: {{#$output.comment#}}"), end(said="ask.comment")],
    "start>ask ask:yes>end ask:no>end",
)
"""Waits for a comment on its input ``q``."""

ECHO = app("Echo", [start("q"), end(q="start.q")], "start>end")
"""Outputs its input ``q``."""


def triggered(
    name: str = "注文 🧾",
    *,
    code: str = "def main(n):\n    return {'n': 6 // n}",
    node_id: str = "hook",
    cron: str = "0 * * * *",
) -> str:
    """Return an app started by a webhook, which divides 6 by the number ``n`` of the body, and by a schedule."""
    number = [{"name": "n", "type": "number", "required": True}]
    kind = [{"name": "X-Kind", "type": "string", "required": False}]
    nodes = [
        node(node_id, "trigger-webhook", method="post", body=number, headers=kind),
        python("code", code, {"n": "number"}, n=f"{node_id}.n"),
        end(n="code.n"),
        node("clock", "trigger-schedule", mode="cron", cron_expression=cron),
        python("tick", "def main():\n    return {'n': 1}", {"n": "number"}),
    ]
    for each, title in ((nodes[0], "Order \ue000"), (nodes[3], "毎時")):
        each["data"]["title"] = title
    return app(name, nodes, f"{node_id}>code>end clock>tick")
