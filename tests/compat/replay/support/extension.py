"""API-based extension by Dify's contract: one endpoint for moderation and for external data.

A question or an input with ``BAD`` is refused, one with ``SWAP`` rewritten; an answer with ``SECRET`` is refused, one
with ``MASK`` rewritten. External data echoes the request. ``BROKEN`` returns status 500. The key must be ``ext-key``.
"""

from __future__ import annotations

import json
from typing import Any

KEY = "Bearer ext-key"


def answer(authorization: str | None, body: bytes) -> tuple[int, Any]:
    """Return status and body of the answer to a request."""
    if authorization != KEY:
        return 403, {"message": "wrong key"}
    asked = json.loads(body)
    given = asked.get("params") or {}
    if "BROKEN" in json.dumps(given):
        return 500, {"message": "out of order"}
    match asked["point"]:
        case "ping":
            return 200, {"result": "pong"}
        case "app.moderation.input":
            return 200, _input(given.get("inputs") or {}, str(given.get("query") or ""))
        case "app.moderation.output":
            return 200, _output(str(given.get("text")))
        case "app.external_data_tool.query":
            told = {"variable": given.get("tool_variable"), "inputs": given.get("inputs"), "query": given.get("query")}
            return 200, {"result": json.dumps(told, sort_keys=True)}
    return 404, {"message": "no such point"}


def _input(inputs: dict[str, Any], query: str) -> dict[str, Any]:
    """Moderate a question."""
    text = " ".join([query, *(str(v) for v in inputs.values())])
    if "BAD" in text:
        return {"flagged": True, "action": "direct_output", "preset_response": "The extension refuses."}
    if "SWAP" in text:
        swapped = {k: str(v).replace("SWAP", "swapped") for k, v in inputs.items()}
        return {"flagged": True, "action": "overridden", "inputs": swapped, "query": query.replace("SWAP", "swapped")}
    return {"flagged": False, "action": "direct_output"}


def _output(text: str) -> dict[str, Any]:
    """Moderate an answer."""
    if "SECRET" in text:
        return {"flagged": True, "action": "direct_output", "preset_response": "The extension hides it."}
    if "MASK" in text:
        return {"flagged": True, "action": "overridden", "text": text.replace("MASK", "masked")}
    return {"flagged": False, "action": "direct_output"}
