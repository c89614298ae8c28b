"""Small DSL files for tests of services and routes."""

import json
import re
from typing import Any, Final

Node = dict[str, Any]

_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def dsl(nodes: list[Node], edges: list[str], *, name: str = "test", environment: list[Any] | None = None) -> bytes:
    """Return a DSL file. Edges are ``"a --> b"`` or ``"a --handle--> b"``."""
    found = []
    for text in edges:
        source, *handle, target = (part for raw in text.split("--") if (part := raw.strip(" >")))
        found.append({"source": source, "target": target, "sourceHandle": handle[0] if handle else "source"})
    document = {
        "version": "0.6.0",
        "kind": "app",
        "app": {"name": name, "mode": "workflow"},
        "workflow": {
            "environment_variables": environment or [],
            "graph": {"nodes": nodes, "edges": found},
        },
    }
    # JSON is valid YAML, except for lone surrogates and characters that must be escaped.
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(document, ensure_ascii=False)).encode()


def node(node_id: str, kind: str, **data: Any) -> Node:
    """Return a node of a file."""
    return {"id": node_id, "type": "custom", "data": {"type": kind, "title": node_id, **data}}


def start(*names: str) -> Node:
    """Return a start node with optional text inputs."""
    variables = [{"variable": name, "label": name, "type": "paragraph", "required": False} for name in names]
    return node("start", "start", variables=variables)


def end(**selectors: list[str]) -> Node:
    """Return an end node with these outputs."""
    outputs = [{"variable": name, "value_selector": selector} for name, selector in selectors.items()]
    return node("end", "end", outputs=outputs)


def form(node_id: str = "ask", *, hours: int = 1, **data: Any) -> Node:
    """Return a human-input node with one paragraph and two actions."""
    return node(
        node_id,
        "human-input",
        form_content="About {{#start.q#}}: {{#$output.comment#}}",
        inputs=[{"type": "paragraph", "output_variable_name": "comment"}],
        user_actions=[{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}],
        timeout=hours,
        timeout_unit="hour",
        delivery_methods=[{"type": "webapp", "enabled": True, "id": "1", "config": {}}],
        **data,
    )
