"""Dify server for reading chats, over a real socket: with recorded or invented answers, and faults."""

import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, uuid5

COMPAT = Path(__file__).parents[1] / "compat"
PICTURE = b"\x89PNG a dot"
AT = 1_700_000_000
Fault = Callable[[str], tuple[int, dict[str, str], bytes] | None]
"""Response to a request, by its path with query, that replaces the server's; ``None`` for no fault."""


def own_id(text: str) -> str:
    return str(uuid5(NAMESPACE_URL, text))


class DifyChats:
    """Conversations of users of one app, with their messages, oldest first."""

    def __init__(self, mode: str = "advanced-chat", key: str = "app-There0123456789abcdefghi") -> None:
        self.mode = mode
        self.key = key
        self.conversations: dict[str, list[dict[str, Any]]] = {}
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.variables: dict[str, list[dict[str, Any]]] = {}
        self.feedbacks: list[dict[str, Any]] | None = []
        self.fault: Fault = lambda path: None
        self.asked: list[tuple[float, str]] = []
        """Time of each request, and its path with query."""
        there = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                there.asked.append((time.monotonic(), self.path))
                status, headers, content = there.fault(self.path) or there.answer(self.path, self.headers)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: Any) -> None:
                """Nothing to say."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def say(self, user: str, conversation: str, query: str, answer: str, **more: Any) -> dict[str, Any]:
        """Add a message to a conversation, which is created if missing. Returns the message."""
        conversation_id = own_id(conversation)
        said = self.messages.setdefault(conversation_id, [])
        at = AT + 60 * len(said)
        if not said:
            made = {"id": conversation_id, "name": conversation, "inputs": {}, "status": "normal", "created_at": at}
            self.conversations.setdefault(user, []).append({**made, "introduction": "", "updated_at": at})
        message = {
            "id": own_id(f"{conversation}/{len(said)}"),
            "conversation_id": conversation_id,
            "inputs": {},
            "query": query,
            "answer": answer,
            "feedback": None,
            "retriever_resources": [],
            "created_at": at,
            "agent_thoughts": [],
            "message_files": [],
            "status": "normal",
            "error": None,
            **more,
        }
        said.append(message)
        return message

    def file(self, name: str, belongs_to: str = "user") -> dict[str, Any]:
        url = f"/files/{own_id(name)}/file-preview?timestamp=1&nonce=2&sign=3"
        kind = {"filename": name, "type": "image", "mime_type": "image/png", "transfer_method": "local_file"}
        return {"id": own_id(name), **kind, "url": url, "size": len(PICTURE), "belongs_to": belongs_to}

    def answer(self, path: str, headers: Any) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/files/"):
            return 200, {"Content-Type": "image/png"}, PICTURE
        if headers["Authorization"] != f"Bearer {self.key}":
            return self._json({"code": "unauthorized", "message": "Access token is invalid"}, 401)
        user, limit = query.get("user", ""), int(query.get("limit", "20"))
        route = parts.path.removeprefix("/v1")
        if route == "/info":
            return self._json({"name": "There", "mode": self.mode})
        if route == "/app/feedbacks" and self.feedbacks is not None:
            start = limit * (int(query["page"]) - 1)
            return self._json({"data": self.feedbacks[start : start + limit]})
        if route == "/conversations":
            return self._page(self.conversations.get(user, []), query.get("last_id"), limit)
        if found := re.fullmatch("/conversations/([^/]+)/variables", route):
            return self._page(self.variables.get(found[1], []), query.get("last_id"), limit)
        if route == "/messages":
            said = self.messages[query["conversation_id"]]
            ids = [each["id"] for each in said]
            end = ids.index(query["first_id"]) if "first_id" in query else len(ids)
            start = max(0, end - limit)
            return self._json({"limit": limit, "has_more": start > 0, "data": said[start:end]})
        return self._json({"code": "not_found", "message": "Not Found"}, 404)

    def _page(self, entries: list[dict[str, Any]], behind: str | None, limit: int) -> tuple[int, dict[str, str], bytes]:
        start = 0 if behind is None else [each["id"] for each in entries].index(behind) + 1
        has_more = len(entries) > start + limit
        return self._json({"limit": limit, "has_more": has_more, "data": entries[start : start + limit]})

    def _json(self, value: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
        return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def recorded(there: DifyChats, suite: str, case: str, user: str) -> list[dict[str, Any]]:
    """Make a server answer as the real Dify did at the end of a recorded case. Returns the recorded messages."""
    steps = json.loads((COMPAT / suite / "cases" / case / "case.json").read_text("utf-8"))["steps"]
    moments = iter(range(AT, AT + 10_000))

    def filled(value: Any) -> Any:
        """Return a recorded value with its variable parts filled in."""
        if isinstance(value, list):
            return [filled(each) for each in value]
        if isinstance(value, dict):
            inner = next((value[name] for name in ("$any_order", "$text") if name in value), None)
            if "$near" in value:
                return value["$near"][0]
            return filled(inner) if inner is not None else {name: filled(each) for name, each in value.items()}
        if value == "«time»":
            return next(moments)
        if not isinstance(value, str):
            return value
        value = value.replace("«server»", there.url).replace("«time»", "1").replace("«signature»", "ab")
        return re.sub("«[^»]+:[^»]+»", lambda found: own_id(found[0]), value)

    messages: list[dict[str, Any]] = []
    for step in steps:
        path, expected = step["request"]["path"], step["expect"]
        if step["request"]["method"] != "GET" or expected["status"] != 200 or "/v1/" not in path:
            continue
        route = path.partition("?")[0].removeprefix("/v1")
        if route == "/messages" and "limit" not in path:
            messages = filled(expected["body"]["data"])
        elif route == "/conversations" and "limit" not in path:
            there.conversations[user] = filled(expected["body"]["data"])
    for message in messages:
        there.messages.setdefault(message["conversation_id"], []).append(message)
        known = [each["id"] for each in there.conversations.setdefault(user, [])]
        if message["conversation_id"] not in known:
            made = {"id": message["conversation_id"], "name": "", "inputs": {}, "created_at": AT}
            there.conversations[user].append(made)
    for other in there.conversations[user]:
        there.messages.setdefault(other["id"], [])
    return messages
