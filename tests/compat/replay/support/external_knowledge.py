"""External knowledge base by Dify's contract: ``POST …/retrieval``.

The knowledge id selects the answer: ``shop`` searches four texts; ``mirror`` echoes the request in a record; ``empty``,
``bare`` (records without title and metadata), ``broken`` (not JSON), ``odd`` (records are not a list), ``fail`` (500);
any other is unknown (404). The key must be ``ext-key``.
"""

from __future__ import annotations

import json
from typing import Any

from .likeness import relevance

KEY = "Bearer ext-key"

TEXTS = {
    "returns.md": "Goods can be returned within thirty days if the box is unopened.",
    "shipping.md": "Shipping takes three days and is free above fifty euros.",
    "hours.md": "The shop is open from nine to six, closed on Sundays.",
    "warranty.md": "Every lamp has a warranty of two years, batteries of thirty days.",
}


def answer(authorization: str | None, body: bytes) -> tuple[int, Any]:
    """Return status and body of the answer to a request."""
    if authorization != KEY:
        return 403, {"error_code": 1002, "error_msg": "Authorization failed"}
    try:
        asked = json.loads(body)
        name, query, setting = asked["knowledge_id"], str(asked["query"]), asked["retrieval_setting"]
    except (ValueError, KeyError, TypeError):
        return 400, {"error_code": 1001, "error_msg": "Invalid request"}
    match name:
        case "shop":
            return 200, {"records": _search(query, setting)}
        case "mirror":
            text = json.dumps(asked, sort_keys=True)
            return 200, {
                "records": [{"content": text, "score": 0.5, "title": "mirror", "metadata": {"path": "/mirror"}}]
            }
        case "empty":
            return 200, {"records": []}
        case "bare":
            return 200, {"records": [{"content": "bare one", "score": 0.75}, {"content": "bare two", "score": 0.25}]}
        case "broken":
            return 200, b"<html>no json</html>"
        case "odd":
            return 200, {"records": "none"}
        case "fail":
            return 500, {"error_code": 500, "error_msg": "out of order"}
    return 404, {"error_code": 2001, "error_msg": "The knowledge does not exist"}


def _search(query: str, setting: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the texts that match the query well enough, best first."""
    scored = sorted(((relevance(query, text), title) for title, text in TEXTS.items()), reverse=True)
    best = [(s, t) for s, t in scored if s >= (setting.get("score_threshold") or 0.0)][: setting.get("top_k") or 4]
    return [
        {"content": TEXTS[t], "score": s, "title": t, "metadata": {"path": f"/docs/{t}", "pages": 1}} for s, t in best
    ]
