"""Slow embedding server with OpenAI's protocol that records its inputs."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.knowledge.scene import vector_of


class EmbeddingServer:
    """Server, with a providers file for it."""

    batch = 8

    def __init__(self, providers: Path, *, seconds: float = 0.02) -> None:
        self.providers = providers
        self.texts: list[str] = []
        """All embedded texts, in order."""
        self._seconds = seconds
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                owner.answer(self, body["input"])

            def log_message(self, *arguments: Any) -> None:
                """Nothing to say."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def answer(self, handler: BaseHTTPRequestHandler, texts: list[str]) -> None:
        self.texts += texts
        time.sleep(self._seconds)
        data = [{"object": "embedding", "index": i, "embedding": list(vector_of(t))} for i, t in enumerate(texts)]
        content = json.dumps(
            {"object": "list", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        ).encode()
        try:
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
        except OSError:
            pass  # the calling process was killed

    def is_done(self, count: int) -> bool:
        """Return whether it has embedded ``count`` different texts."""
        return len(set(self.texts)) >= count

    def __enter__(self) -> Self:
        self._thread.start()
        url = f"http://127.0.0.1:{self._server.server_port}/v1"
        model = {"batch": self.batch}
        entry = {"type": "openai", "base_url": url, "api_key": "k", "models": {"text-embedding-3-small": model}}
        self.providers.write_text(json.dumps({"providers": {"openai": entry}}), encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
