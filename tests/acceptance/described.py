"""Dify's own description of its Service API, and a check of responses against it.

``dify_service_api.json`` contains the description of responses: schemas of bodies, codes of errors. Two changes were
made: ``nullable`` is spelled as in JSON Schema, and ``oneOf`` became ``anyOf``, since the description's alternatives
are not exclusive.
"""

import json
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator

DESCRIPTION: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("dify_service_api.json").read_text(encoding="utf-8")
)
"""By operation, such as ``GET /info``, and status."""

NULL_AT_DIFY = {"GET /site": {"chat_color_theme", "description", "copyright", "privacy_policy"}}
"""Fields that are null in a real Dify 1.15, contrary to its description."""
CODES_OF_DIFY = {"POST /audio-to-text": "invalid_param"}
"""Code of a real Dify 1.15 that its description does not have."""
_OF_RUNS = {"created_by", "exceptions_count", "files"}
LEFT_OUT_BY_DIFY = {
    "POST /workflows/run": _OF_RUNS,
    "POST /workflows/{workflow_id}/run": _OF_RUNS,
    "GET /messages": {
        "message_tokens",
        "answer_tokens",
        "total_tokens",
        "provider_response_latency",
        "total_price",
        "currency",
    },
}
"""Fields of ``data``, or of its entries, that a real Dify 1.15 omits, contrary to its description."""


def check(operation: str, status: int, answer: httpx.Response) -> None:
    """Fail unless a response is as described."""
    described = DESCRIPTION[operation][str(status)]
    assert answer.status_code == status, answer.text
    if status >= 400:
        body = answer.json()
        assert set(body) == {"code", "message", "status"}, body
        assert body["status"] == status, body
        assert body["code"] in [*described["codes"], CODES_OF_DIFY.get(operation)], body
        return
    if status == 204:
        assert answer.content == b""
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    if media_type != "application/json":
        assert media_type in described["media_types"]
        return
    found = problems(operation, described["schema"], answer.json())
    assert not found, found


def problems(operation: str, schema: dict[str, Any], body: Any) -> list[str]:
    """Return the contradictions to the description, and missing fields."""
    found = [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).iter_errors(body)
        if not (error.instance is None and set(error.path) <= NULL_AT_DIFY.get(operation, set()))
    ]
    found += [f"$.{name} is missing" for name in schema.get("properties", {}) if name not in body]
    data = schema.get("properties", {}).get("data", {})
    left_out = LEFT_OUT_BY_DIFY.get(operation, set())
    entries = body["data"] if data.get("type") == "array" else [body.get("data", {})]
    names = data.get("items", data).get("properties", {}).keys() - left_out
    return found + [f"$.data: {name} is missing" for each in entries for name in names if name not in each]
