"""MCP server (streamable HTTP) whose tools return every kind of content.

``/mcp`` answers with JSON, ``/mcp/stream`` with an event stream, ``/mcp/guarded`` only if the header ``X-Token`` is
``secret``, ``/mcp/broken`` always with status 500; queries are ignored. The tool ``echo`` returns its arguments.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from http.server import BaseHTTPRequestHandler
from typing import Any

from .echo_server import PNG, serve

JsonObject = dict[str, Any]

PROTOCOL = "2025-06-18"
SERVER = {"name": "conformance", "version": "1"}
PATHS = {"/mcp", "/mcp/stream", "/mcp/guarded", "/mcp/broken"}


def _schema(required: list[str], **properties: str) -> JsonObject:
    """Return the JSON schema of an object with the given types of properties."""
    return {
        "type": "object",
        "properties": {k: {"type": t, "description": f"the {k}"} for k, t in properties.items()},
        "required": required,
    }


_ECHO = _schema(["text"], text="string", count="integer", ratio="number", flag="boolean", items="array", extra="object")
_TABLE = _schema(["city", "celsius"], city="string", celsius="number", tags="array", more="object")
_NONE = _schema([])

# : Description, input schema, and output schema if declared, of each tool.
TOOLS: dict[str, tuple[str, JsonObject, JsonObject | None]] = {
    "echo": ("tells its arguments", _ECHO, None),
    "say": ("says a text", _schema(["text"], text="string"), None),
    "several": ("two texts", _NONE, None),
    "object": ("a JSON object as text", _NONE, None),
    "objects": ("JSON objects in an array as text", _NONE, None),
    "numbers": ("a JSON array of numbers as text", _NONE, None),
    "almost": ("a text that looks like JSON", _NONE, None),
    "image": ("a picture", _NONE, None),
    "audio": ("a sound", _NONE, None),
    "page": ("an embedded text", _NONE, None),
    "archive": ("an embedded file", _NONE, None),
    "link": ("a link to a resource", _NONE, None),
    "weather": ("structured content", _schema(["city"], city="string"), _TABLE),
    "loose": ("structured content that is not declared", _NONE, None),
    "nothing": ("no content", _NONE, None),
    "refuse": ("an error of the tool", _NONE, None),
    "fail": ("an error of the protocol", _NONE, None),
    "costly": ("tells of its usage", _NONE, None),
    "sleep": ("takes its time", _schema(["seconds"], seconds="number"), None),
}


class ProtocolError(Exception):
    """An answer with a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _text(text: str) -> JsonObject:
    """A text."""
    return {"type": "text", "text": text}


def _encoded(content: bytes) -> str:
    """Bytes in JSON."""
    return base64.b64encode(content).decode()


def call(name: str, arguments: JsonObject, headers: dict[str, str]) -> JsonObject:
    """Return the result of a tool."""
    match name:
        case "echo":
            return {"content": [_text(json.dumps({"arguments": arguments, "token": headers.get("x-token")}))]}
        case "say":
            return {"content": [_text(str(arguments.get("text")))]}
        case "several":
            return {"content": [_text("one "), _text("two")]}
        case "object":
            return {"content": [_text(json.dumps({"a": 1, "b": [True, None]}))]}
        case "objects":
            return {"content": [_text(json.dumps([{"a": 1}, {"a": 2}]))]}
        case "numbers":
            return {"content": [_text(json.dumps([1, 2.5, "x"]))]}
        case "almost":
            return {"content": [_text("{not: json}")]}
        case "image":
            return {"content": [_text("a dot"), {"type": "image", "data": _encoded(PNG), "mimeType": "image/png"}]}
        case "audio":
            return {"content": [{"type": "audio", "data": _encoded(b"RIFF0000WAVE"), "mimeType": "audio/x-wav"}]}
        case "page":
            resource = {"uri": "memo://page", "mimeType": "text/plain", "text": "embedded text"}
            return {"content": [{"type": "resource", "resource": resource}]}
        case "archive":
            resource = {
                "uri": "memo://archive",
                "mimeType": "application/zip",
                "blob": _encoded(b"PK\x05\x06" + bytes(18)),
            }
            return {"content": [{"type": "resource", "resource": resource}]}
        case "link":
            return {"content": [{"type": "resource_link", "uri": "memo://page", "name": "page"}, _text("see above")]}
        case "weather":
            table = {"city": arguments["city"], "celsius": 21.5, "tags": ["dry", "warm"], "more": {"wind": 3}}
            return {"content": [_text(json.dumps(table))], "structuredContent": table}
        case "loose":
            return {"content": [_text("loose")], "structuredContent": {"a": 1}}
        case "nothing":
            return {"content": []}
        case "refuse":
            return {"content": [_text("no such city")], "isError": True}
        case "fail":
            raise ProtocolError(-32000, "the tool broke")
        case "costly":
            usage = {
                "prompt_tokens": 3,
                "completion_tokens": 4,
                "total_tokens": 7,
                "total_price": "0.5",
                "currency": "EUR",
            }
            return {"content": [_text("done")], "_meta": {"usage": usage}}
        case "sleep":
            time.sleep(float(arguments["seconds"]))
            return {"content": [_text("awake")]}
    raise ProtocolError(-32602, f"unknown tool {name}")


def answer(message: JsonObject, headers: dict[str, str]) -> JsonObject:
    """Return the result of a request."""
    parameters = message.get("params") or {}
    match message["method"]:
        case "initialize":
            return {"protocolVersion": PROTOCOL, "capabilities": {"tools": {}}, "serverInfo": SERVER}
        case "ping":
            return {}
        case "tools/list":
            return {
                "tools": [
                    {"name": n, "description": d, "inputSchema": i} | ({"outputSchema": o} if o else {})
                    for n, (d, i, o) in TOOLS.items()
                ]
            }
        case "tools/call":
            return call(parameters["name"], parameters.get("arguments") or {}, headers)
    raise ProtocolError(-32601, f"unknown method {message['method']}")


class McpHandler(BaseHTTPRequestHandler):
    """One endpoint per behaviour."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer health checks; the server sends no messages by itself."""
        self._send(200 if self.path == "/health" else 405, b'{"status": "ok"}')

    def do_DELETE(self) -> None:
        """End a session."""
        self._send(200, b"")

    def do_POST(self) -> None:
        """Handle a message of the client."""
        message = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        headers = {k.lower(): v for k, v in self.headers.items()}
        path = self.path.split("?")[0]
        if path == "/mcp/broken":
            self._send(500, b'{"error": "broken"}')
        elif path == "/mcp/guarded" and headers.get("x-token") != "secret":
            self._send(403, b'{"error": "forbidden"}')
        elif path not in PATHS:
            self._send(404, b'{"error": "no such path"}')
        elif "id" not in message:
            self._send(202, b"")
        else:
            try:
                reply: JsonObject = {"result": answer(message, headers)}
            except ProtocolError as error:
                reply = {"error": {"code": error.code, "message": str(error)}}
            content = json.dumps({"jsonrpc": "2.0", "id": message["id"], **reply})
            session = {"Mcp-Session-Id": uuid.uuid4().hex} if message["method"] == "initialize" else {}
            if path == "/mcp/stream":
                self._send(200, f"event: message\ndata: {content}\n\n".encode(), "text/event-stream", session)
            else:
                self._send(200, content.encode(), "application/json", session)

    def _send(
        self, status: int, content: bytes, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        """One answer."""
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


if __name__ == "__main__":
    serve(McpHandler, __doc__, 8197)
