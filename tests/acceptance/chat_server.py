"""Chat API server with scripted answers, chosen by the question or set by a test."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.effort import PATIENCE

Json = dict[str, Any]
CONVERSATION, MESSAGE = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
TASK, RUN = "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"


class ChatServer:
    """Server that echoes each question.

    ``THINK`` holds the answer in a node until ``thought`` is set; ``WAIT`` holds it until it is stopped; ``FAIL`` fails
    the run; ``GONE`` breaks the connection; ``REFUSE`` is a 400; ``REPLACE`` retracts the answer; ``FORM`` waits for a
    form, with ``MAIL`` one that only its recipient can open.
    """

    def __init__(self, *, mode: str = "advanced-chat", **parameters: Any) -> None:
        self.asked: list[Json] = []
        """Bodies of questions."""
        self.uploads: list[bytes] = []
        self.forms: list[Json] = []
        self.stops: list[str] = []
        self.stopped = threading.Event()
        self.thought = threading.Event()
        self.mode = mode
        self.parameters = {"opening_statement": "", "suggested_questions": [], "user_input_form": [], **parameters}
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.stopped.set()
        self.thought.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, body: Json) -> Iterator[Json]:
        """Yield the events of an answer."""
        query = str(body["query"])
        yield self.event("workflow_started", workflow_run_id=RUN, data={"id": RUN})
        if "FAIL" in query:
            yield self.finished("failed", error="the model is gone 🙁")
            return
        if "THINK" in query:
            yield self.event("node_started", workflow_run_id=RUN, data={"node_id": "n", "title": "考える 🤔"})
            self.thought.wait(PATIENCE)
        for word in query.split(" "):
            yield self.event("message", answer=f"{word} ")
        if "REPLACE" in query:
            yield self.event("message_replace", answer="no comment", reason="output_moderation")
        if "WAIT" in query:
            self.stopped.wait(PATIENCE)
            yield self.finished("stopped", error="stopped by user")
            return
        if "FORM" in query:
            token = {"form_token": None} if "MAIL" in query else {}
            yield self.event("human_input_required", workflow_run_id=RUN, data={**self.form(), **token})
            yield self.event("workflow_paused", workflow_run_id=RUN, data={})
            return
        yield self.event("message_end", id=MESSAGE, metadata={"usage": {"total_tokens": 3}})
        yield self.finished("succeeded")

    def rejoined(self) -> Iterator[Json]:
        """Yield the events after a form."""
        yield self.event("workflow_started", workflow_run_id=RUN, data={"id": RUN})
        yield self.event("message_replace", answer=f"{self.asked[-1]['query']} ", reason="")
        yield self.event("message", answer=f"you chose {self.forms[-1]['action']}")
        yield self.event("message_end", id=MESSAGE, metadata={})
        yield self.finished("succeeded")

    @staticmethod
    def event(name: str, **fields: Any) -> Json:
        ids = {"conversation_id": CONVERSATION, "message_id": MESSAGE, "created_at": 1, "task_id": TASK}
        return {"event": name, **ids, **fields}

    @classmethod
    def finished(cls, status: str, error: str | None = None) -> Json:
        data = {"id": RUN, "status": status, "error": error, "total_steps": 3}
        return cls.event("workflow_finished", workflow_run_id=RUN, data=data)

    @staticmethod
    def form() -> Json:
        return {
            "form_id": "f",
            "node_id": "n",
            "node_title": "Approve 承認",
            "form_content": "Shall I?",
            "inputs": [],
            "actions": [{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}],
            "form_token": "token-1",
            "resolved_default_values": {},
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _handler(scripted: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/v1/parameters"):
                self._json(scripted.parameters)
            elif self.path.startswith("/v1/info"):
                self._json({"name": "scripted", "mode": scripted.mode})
            else:
                self._stream(scripted.rejoined())

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != "Bearer app-right":
                return self._json({"code": "unauthorized", "message": "Access token is invalid", "status": 401}, 401)
            if self.path == "/v1/files/upload":
                scripted.uploads.append(content)
                return self._json({"id": f"file-{len(scripted.uploads)}", "mime_type": "image/png"}, 201)
            body = json.loads(content)
            if self.path.endswith("/stop"):
                scripted.stops.append(self.path)
                scripted.stopped.set()
                return self._json({"result": "success"})
            if self.path.startswith("/v1/form/"):
                scripted.forms.append(body)
                return self._json({})
            scripted.asked.append(body)
            if "REFUSE" in body["query"]:
                return self._json({"code": "invalid_param", "message": "that will not do", "status": 400}, 400)
            return self._stream(scripted.answer(body), cut="GONE" in body["query"])

        def _json(self, value: Any, status: int = 200) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stream(self, events: Iterator[Json], *, cut: bool = False) -> None:
            self.protocol_version = "HTTP/1.1"
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            # The connection is closed after each answer; without this header, clients would send the next question into
            # it.
            self.send_header("Connection", "close")
            self.end_headers()
            self._chunk(b"event: ping\n\n")
            for event in events:
                self._chunk(f"data: {json.dumps(event)}\n\n".encode())
                if cut and event["event"] == "message":
                    self.close_connection = True
                    return
            self.wfile.write(b"0\r\n\r\n")

        def _chunk(self, data: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    return Handler
