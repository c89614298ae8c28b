"""Model provider with OpenAI's protocol that answers token by token, as the test allows."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class TokenServer:
    """Server that answers every chat with the same tokens."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.prompts: list[list[dict[str, Any]]] = []
        """Messages of each request."""
        self.hold_after: int | None = None
        """Number of tokens before an answer waits; ``None`` for no wait."""
        self._go_on = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def answer(self) -> str:
        return "".join(self.tokens)

    @property
    def providers(self) -> str:
        """Return a providers file."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        entry = {"type": "openai", "base_url": url, "api_key": "sk-x"}
        return json.dumps({"providers": {"langgenius/openai/openai": entry}})

    def go_on(self) -> None:
        """Release all answers."""
        self.hold_after = None
        self._go_on.set()

    def close(self) -> None:
        self.go_on()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                tokens.prompts.append(body["messages"])
                hold_after = tokens.hold_after
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                try:
                    for count, token in enumerate(tokens.tokens):
                        if count == hold_after:
                            tokens._go_on.wait()
                        self._send({"choices": [{"index": 0, "delta": {"content": token}}]})
                    self._send({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
                    self._send(
                        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}
                    )
                    self.wfile.write(b"data: [DONE]\n\n")
                except OSError:
                    pass  # the client was killed

            def _send(self, chunk: dict[str, Any]) -> None:
                whole = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", **chunk}
                self.wfile.write(b"data: " + json.dumps(whole).encode() + b"\n\n")
                self.wfile.flush()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
