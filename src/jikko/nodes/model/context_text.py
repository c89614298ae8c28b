"""The context of a prompt: texts that were found for it."""

from jikko.nodes.contract import NodeFailure
from jikko.values import UNSET, Json, Unset


def context_text(value: Json | Unset) -> str:
    """The text that stands for ``{{#context#}}``; ``""`` if the value is neither a text nor a list.

    Raises:
        NodeFailure: A list has an element without ``content``.

    Source: Dify 1.15, spec/nodes.md, llm.
    """
    if value is UNSET or value is None:
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    lines: list[str] = []
    for position, item in enumerate(value):
        if isinstance(item, str):
            lines.append(item)
            continue
        if not isinstance(item, dict) or "content" not in item:
            raise NodeFailure(
                f"The context cannot be used: element {position} is no text and has no 'content'.",
                kind="InvalidContextStructureError",
            )
        if item.get("summary"):
            lines.append(str(item["summary"]))
        lines.append(str(item["content"]))
    return "\n".join(lines).strip()
