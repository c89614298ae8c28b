"""Requests with data that is hard to store: answered identically by every store."""

from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import quote

Asked = tuple[str, str, str, dict[str, Any]]
"""App of the key, method, address, and options of ``httpx``. Names in braces are filled in."""
TEXTS = {
    "nul": "a\x00b",
    "half": "\ud800x",
    "private": "\ue000\U000f0000 🌸 é ﷺ Ⅷ",
    "signs": "%_'\"\\ {{#x#}} ${1} $1 \u2028\x07\x1b[31m",
    "long": Random(1).randbytes(40_000).hex(),
    "spaces": "  \n\t ",
    "empty": "",
}
IDS = ("%00", "0199A1B2-0000-7000-8000-000000000000", "y" * 3_000, "日本")
NUMBERS = ("0", "-1", "1", "99999999999", "999999999", "x", "1.5", "")
MEASURES = (*NUMBERS, "1e308", "nan", "-1e308", "253402300800", "9223372036854775807", "9223372036854775808")
FIELDS = ("keyword", "user", "error", "failed_at", "model", "retry", "status", "app", "version", "conversation")
"""Run filters that take texts."""


def hard_requests() -> Iterator[Asked]:
    """Yield all requests."""
    yield from _runs()
    yield from _chats()
    yield from _datasets()
    yield from _console()
    for id_ in IDS:
        yield "echo", "GET", f"/v1/workflows/run/{id_}", {}
        yield "echo", "GET", f"/v1/end-users/{id_}", {}
        yield "echo", "POST", f"/v1/workflows/tasks/{id_}/stop", {"json": {"user": "someone"}}
        yield "asks", "GET", f"/v1/form/human_input/{id_}", {}
        yield "chat", "GET", "/v1/messages", {"params": {"conversation_id": id_, "user": "someone"}}
        yield "chat", "GET", f"/v1/files/{id_}/preview", {}
        yield "chat", "PUT", f"/v1/apps/annotations/{id_}", {"json": {"question": "q", "answer": "a"}}
        yield "chat", "GET", f"/v1/apps/annotation-reply/enable/status/{id_}", {}
        yield "dataset", "GET", f"/v1/datasets/{id_}", {}
        yield "dataset", "GET", f"/v1/datasets/{{dataset}}/documents/{id_}", {}
        yield "dataset", "GET", f"/v1/datasets/{{dataset}}/documents/{id_}/indexing-status", {}
        yield "console", "GET", f"/console/api/runs/{id_}", {}
        yield "console", "GET", f"/console/api/apps/{id_}", {}
        yield "console", "GET", f"/console/api/deliveries/{id_}", {}
        yield "console", "POST", f"/console/api/triggers/{id_}/pause", {"json": {}}
        yield (
            "console",
            "GET",
            "/console/api/deliveries",
            {"params": {"app": id_, "trigger": id_, "cursor": f"1_{id_}"}},
        )


def _runs() -> Iterator[Asked]:
    for name, text in TEXTS.items():
        yield "echo", "POST", "/v1/workflows/run", {"json": {"inputs": {"q": text}, "user": "someone"}}
        yield "echo", "POST", "/v1/workflows/run", {"json": {"inputs": {"q": "?"}, "user": text}}
        for field in ("keyword", "created_by_end_user_session_id", "created_by_account", "status"):
            yield "echo", "GET", "/v1/workflows/logs", {"params": {field: text[:2_000]}}
        headers = {"Idempotency-Key": text.encode("utf-8", "replace").hex()[:300]}
        body = {"inputs": {"q": name}, "user": "someone"}
        yield "echo", "POST", "/v1/workflows/run", {"json": body, "headers": headers}
        file = {"file": (f"{text[:300]}.txt", b"x", "text/plain")}
        yield "echo", "POST", "/v1/files/upload", {"files": file, "data": {"user": text[:300]}}
    users: list[Any] = ["🌸" * 255, "🌸" * 256, 1, 1.5, True, None, [], {}]
    for user in users:
        yield "echo", "POST", "/v1/workflows/run", {"json": {"inputs": {"q": "?"}, "user": user}}
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59+14:00", "x", "2026-02-30"):
        for field in ("created_at__before", "created_at__after"):
            yield "echo", "GET", "/v1/workflows/logs", {"params": {field: moment}}
    for number in NUMBERS:
        for field in ("page", "limit"):
            yield "echo", "GET", "/v1/workflows/logs", {"params": {field: number}}
            yield "chat", "GET", "/v1/apps/annotations", {"params": {field: number}}
            yield "chat", "GET", "/v1/app/feedbacks", {"params": {field: number}}
            yield "dataset", "GET", "/v1/datasets", {"params": {field: number}}
            yield "dataset", "GET", "/v1/datasets/{dataset}/documents", {"params": {field: number}}
            yield "dataset", "GET", "/v1/datasets/{dataset}/documents/{document}/segments", {"params": {field: number}}


def _chats() -> Iterator[Asked]:
    one = "/v1/conversations/{conversation}"
    for text in TEXTS.values():
        asked = {"query": text, "inputs": {"topic": text}, "user": "someone"}
        yield "chat", "POST", "/v1/chat-messages", {"json": asked}
        yield "chat", "POST", "/v1/chat-messages", {"json": {**asked, "conversation_id": "{conversation}"}}
        yield "chat", "POST", f"{one}/name", {"json": {"name": text, "user": "someone"}}
        rating = {"rating": "dislike", "content": text, "user": "someone"}
        yield "chat", "POST", "/v1/messages/{message}/feedbacks", {"json": rating}
        yield "chat", "POST", "/v1/apps/annotations", {"json": {"question": text, "answer": text}}
        yield "chat", "GET", "/v1/apps/annotations", {"params": {"keyword": text[:2_000]}}
        yield "chat", "PUT", f"{one}/variables/{{variable}}", {"json": {"value": text, "user": "someone"}}
        yield "chat", "GET", f"{one}/variables", {"params": {"variable_name": text[:2_000], "user": "someone"}}
        yield "chat", "GET", "/v1/conversations", {"params": {"user": text[:200] or "someone"}}
    for order in ("created_at", "-created_at", "updated_at", "-updated_at", "name"):
        yield "chat", "GET", "/v1/conversations", {"params": {"user": "someone", "sort_by": order}}
    yield "chat", "GET", "/v1/app/feedbacks", {}
    yield (
        "chat",
        "GET",
        one.replace("/{conversation}", ""),
        {"params": {"user": "someone", "last_id": "{conversation}"}},
    )


def _datasets() -> Iterator[Asked]:
    documents = "/v1/datasets/{dataset}/documents"
    rule = {"indexing_technique": "economy", "process_rule": {"mode": "automatic"}}
    for name, text in TEXTS.items():
        yield "dataset", "POST", "/v1/datasets", {"json": {"name": f"{name}{text}"[:40], "description": text[:400]}}
        yield "dataset", "GET", "/v1/datasets", {"params": {"keyword": text[:2_000]}}
        yield "dataset", "GET", "/v1/datasets", {"params": {"tag_ids": text[:2_000]}}
        new = {"name": f"{name}{text}"[:250], "text": f"owl {text}", **rule}
        yield "dataset", "POST", "/v1/datasets/{dataset}/document/create-by-text", {"json": new}
        yield "dataset", "GET", documents, {"params": {"keyword": text[:2_000]}}
        segment = {"content": f"bee {text}", "keywords": [text, f"key {name}"]}
        yield "dataset", "POST", f"{documents}/{{document}}/segments", {"json": {"segments": [segment]}}
        yield "dataset", "GET", f"{documents}/{{document}}/segments", {"params": {"keyword": text[:2_000]}}
        yield "dataset", "GET", f"{documents}/{{document}}/segments", {"params": {"status": text[:2_000]}}
        yield "dataset", "POST", "/v1/datasets/{dataset}/retrieve", {"json": {"query": text[:250] or "owl"}}
        yield "dataset", "POST", "/v1/datasets/{dataset}/metadata", {"json": {"name": text[:255], "type": "string"}}
        yield "dataset", "POST", "/v1/datasets/tags", {"json": {"name": text[:50]}}
        yield "dataset", "GET", f"{documents}/{quote(text[:50] or name, safe='', errors='replace')}/indexing-status", {}
    yield "dataset", "GET", "/v1/datasets/{dataset}/metadata", {}
    yield "dataset", "GET", "/v1/datasets/tags", {}
    yield "dataset", "GET", documents, {}
    yield "dataset", "GET", f"{documents}/{{document}}/segments", {"params": {"limit": "100"}}
    for query in ("owl", "bee", "key nul", "ÄPFEL", "owls' night"):
        yield "dataset", "POST", "/v1/datasets/{dataset}/retrieve", {"json": {"query": query}}


def _console() -> Iterator[Asked]:
    app = "/console/api/apps/{app}"
    for name, text in TEXTS.items():
        yield "console", "GET", f"{app}/conversations", {"params": {"user": text[:2_000]}}
        yield "console", "POST", f"{app}/keys", {"json": {"name": text}}
        yield "console", "POST", "/console/api/tokens", {"json": {"name": f"{name} {text}"[:100], "role": "viewer"}}
        yield "console", "POST", f"{app}/environment", {"json": {"values": {"word": text}}}
        yield "console", "GET", f"{app}/environment", {}
    yield from _lists_of_runs()
    for number in MEASURES:
        yield "console", "GET", "/console/api/deliveries", {"params": {"after": number, "before": number}}
    yield "console", "GET", "/console/api/tokens", {}
    yield "console", "GET", "/console/api/runs", {"params": {"limit": "200"}}


def _lists_of_runs() -> Iterator[Asked]:
    lists = [f"/console/api/runs{path}" for path in ("", "/histogram", "/stream")]
    for number in MEASURES:
        for field in ("min_elapsed", "min_tokens", "min_cost", "after", "before"):
            for path in lists:
                yield "console", "GET", path, {"params": {field: number}}
        for path, field in (("", "limit"), ("", "cursor"), ("/histogram", "buckets"), ("/charts", "hours")):
            yield "console", "GET", f"/console/api/runs{path}", {"params": {field: number}}
        for field in ("after", "before"):
            yield "console", "GET", "/console/api/runs/charts", {"params": {field: number, "hours": "8784"}}
    for text in (*(text[:2_000] for text in TEXTS.values()), *IDS, "repeats", "repeated", "failed,failed,"):
        for field in FIELDS:
            for path in lists:
                yield "console", "GET", path, {"params": {field: text}}
        yield "console", "GET", "/console/api/runs/stream", {"params": {"newest": text, "min_tokens": "1"}}
        yield "console", "GET", "/console/api/runs", {"params": {"cursor": text}}
        for field in ("by", "app"):
            yield "console", "GET", "/console/api/runs/charts", {"params": {field: text}}
    for by in ("app", "version", "model", "user"):
        yield "console", "GET", "/console/api/runs/charts", {"params": {"by": by}}
