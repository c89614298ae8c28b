"""Apps whose runs are heavy work, and parts that they are made of."""

from typing import Any

from benchmarks.load import document, node


def code(node_id: str, text: str, **outputs: str) -> dict[str, Any]:
    declared = {name: {"type": kind, "children": None} for name, kind in outputs.items()}
    return node(node_id, "code", code_language="python3", code=text, variables=[], outputs=declared)


def template(node_id: str, text: str) -> dict[str, Any]:
    return node(node_id, "template-transform", template=text, variables=[])


def heavy(*nodes: dict[str, Any], edges: list[str], inputs: list[str] | None = None) -> dict[str, Any]:
    """An app named ``heavy``; the nodes named in ``inputs`` are texts of its start."""
    variables = [
        {"variable": name, "label": name, "type": "paragraph", "required": False, "max_length": 1 << 24}
        for name in inputs or []
    ]
    return document(
        "heavy", [node("start", "start", variables=variables), *nodes, node("end", "end", outputs=[])], edges
    )


def rounds(kind: str, first: dict[str, Any], *, each: tuple[str, str] = ("start", "x"), **data: Any) -> dict[str, Any]:
    inside = {"isInIteration" if kind == "iteration" else "isInLoop": True, f"{kind}_id": "each"}
    begin = {**node("each-start", f"{kind}-start", **inside), "type": f"custom-{kind}-start", "parentId": "each"}
    inner = node("inner", "variable-aggregator", output_type="string", variables=[list(each)], **inside)
    container = node("each", kind, start_node_id="each-start", **data)
    path = ["start --> first", "first --> each", "each-start --> inner", "each --> end"]
    return heavy(first, container, begin, {**inner, "parentId": "each"}, edges=path, inputs=["x"])


NUMBERS = code("first", "def main():\n    return {'r': {'a': [1] * 100000}}", r="object")
ITERATION: dict[str, Any] = {
    "iterator_selector": ["first", "r", "a"],
    "output_selector": ["inner", "output"],
    "iterator_input_type": "array[number]",
    "output_type": "array[string]",
    "error_handle_mode": "terminated",
    "flatten_output": True,
}
LOOP: dict[str, Any] = {"loop_count": 49_000, "break_conditions": [], "logical_operator": "and", "loop_variables": []}
CONDITION = {
    "variable_selector": ["first", "output"],
    "comparison_operator": "contains",
    "id": "c",
    "varType": "string",
}
CASE = {
    "case_id": "true",
    "logical_operator": "and",
    "conditions": [{**CONDITION, "value": "{{#first.output#}}" * 2000}],
}


def http(url: str) -> dict[str, Any]:
    about = {"authorization": {"type": "no-auth", "config": None}, "headers": "", "params": "", "timeout": {}}
    return node("first", "http-request", method="get", url=url, body={"type": "none", "data": []}, **about)


STRAIGHT = ["start --> first", "first --> end"]
REQUESTS = heavy(http("{{#start.url#}}"), edges=STRAIGHT, inputs=["url"])
MODEL = {"provider": "openai", "name": "m", "mode": "chat", "completion_params": {}}
ASKS = node(
    "first",
    "llm",
    model=MODEL,
    prompt_template=[{"role": "user", "text": "x"}],
    context={"enabled": False},
    vision={"enabled": False},
)
PAPER = {"variable": "paper", "label": "paper", "type": "file", "required": True, "allowed_file_types": ["document"]}
READS = document(
    "heavy",
    [
        node("start", "start", variables=[PAPER]),
        node("first", "document-extractor", variable_selector=["start", "paper"], is_array_file=False),
        node("end", "end", outputs=[]),
    ],
    STRAIGHT,
)
LARGE = code("first", "def main():\n    return {'r': {'a': [[]] * 190000}}", r="object")
ENDLESS_PROGRAM = heavy(code("first", "def main():\n    while True: pass", r="object"), edges=STRAIGHT)
