"""Concise DSL files for tests."""

import json
from typing import Any

from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dsl.fields import Fields
from jikko.dsl.load import Loaded, load

RUNNABLE = frozenset(
    {"start", "end", "if-else", "code", "variable-aggregator", "iteration", "iteration-start", "loop", "loop-start"}
)


def node(node_id: str, kind: str, *, parent: str | None = None, **data: Any) -> dict[str, Any]:
    """Return a node as in a file; ``parent`` is its ``parentId``."""
    wrapper = {"parentId": parent} if parent else {}
    return {"id": node_id, "type": "custom", **wrapper, "data": {"type": kind, "title": node_id.upper(), **data}}


def edges(*arrows: str) -> list[dict[str, Any]]:
    """Parse edges: ``"a --> b"``, ``"if --true--> b"``."""
    found = []
    for arrow in arrows:
        source, _, rest = arrow.partition(" --")
        handle, _, target = rest.partition("> ")
        handle = handle.removesuffix("--").removesuffix("-")
        found.append({"source": source, "target": target, "sourceHandle": handle or "source"})
    return found


def file(nodes: Any, edges: Any = (), *, workflow: dict[str, Any] | None = None, **top: Any) -> str:
    """Return the text of a file. JSON is valid YAML."""
    graph = {"nodes": nodes, "edges": list(edges) if isinstance(edges, tuple) else edges}
    app = {"mode": "workflow", "name": "test"}
    return json.dumps(
        {"version": "0.6.0", "kind": "app", "app": app, "workflow": {"graph": graph, **(workflow or {})}, **top},
        ensure_ascii=False,
    )


def read(text: bytes | str) -> Loaded:
    return load(text, source="test.yml", runnable=RUNNABLE)


def problems(text: bytes | str) -> list[str]:
    """Return a file's problems, fatal or not, as displayed."""
    return list(map(shown, read(text).problems))


def shown(problem: Diagnostic) -> str:
    return str(problem) if not problem.ok else f"warning: {problem}"


def fields(data: dict[str, Any]) -> Fields:
    """Return a node's data for tests of a reader."""
    return Fields("data", data, [])
