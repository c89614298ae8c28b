"""An OpenAI-compatible model server whose answers depend only on the request.

The reply to a chat is ``Echo: `` and the last message; a message that contains ``RESPOND:text:END`` is answered with
that text, one that contains ``FAIL`` with status 429, one that contains ``SLOW`` after 0.3 s.  A word, with the blanks
after it, is one token and one streamed chunk.  When tools are offered and the reply is a JSON object, it comes as a
call of the first tool (or of the one that ``tool_choice`` names) with that object as arguments.

Embeddings and ``/v1/rerank`` (the wire of Jina and Cohere) are made by ``likeness.py``.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from .echo_server import serve
from .likeness import Refused, relevance, vector_of

JsonObject = dict[str, Any]

MODELS = (
    *("gpt-3.5-turbo", "gpt-4o", "gpt-4o-mini", "gpt-3.5-turbo-instruct"),
    *("text-embedding-3-small", "jina-reranker-v2-base-multilingual"),
)
CREATED = 1767225600
SLOW_SECONDS = 0.3
CHUNK_SECONDS = 0.002


@dataclass(frozen=True)
class Reply:
    """What the model says, in the words it is streamed in, and the tool it calls instead, if any."""

    words: list[str]
    prompt_tokens: int
    tool: str | None = None

    @property
    def text(self) -> str:
        """The whole reply."""
        return "".join(self.words)

    @property
    def usage(self) -> JsonObject:
        """Token counts."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": len(self.words),
            "total_tokens": self.prompt_tokens + len(self.words),
        }


def reply_to(texts: list[str], body: JsonObject) -> Reply:
    """The reply to a prompt of one or more texts."""
    last = texts[-1] if texts else ""
    if "FAIL" in last:
        raise Refused("rate limited")
    if "SLOW" in last:
        time.sleep(SLOW_SECONDS)
    wanted = re.search(r"RESPOND:(.*?):END", last, re.DOTALL)
    words = re.findall(r"\S+\s*", wanted[1] if wanted else f"Echo: {last}")
    return Reply(words, sum(len(t.split()) for t in texts), _tool("".join(words), body))


def text_of(message: JsonObject) -> str:
    """The text of a chat message, whose content may be a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if part.get("type") == "text")
    return content or ""


def _tool(text: str, body: JsonObject) -> str | None:
    """Name of the tool to call, if tools are offered and the reply can be its arguments."""
    tools, choice = body.get("tools") or [], body.get("tool_choice")
    if not tools or choice == "none":
        return None
    try:
        if not isinstance(json.loads(text), dict):
            return None
    except ValueError:
        return None
    return str((choice if isinstance(choice, dict) else tools[0])["function"]["name"])


class ModelHandler(BaseHTTPRequestHandler):
    """The routes below ``/v1``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Health and the list of models."""
        if self.path == "/health":
            self._json({"status": "ok"})
        elif self.path == "/v1/models":
            data = [{"id": m, "object": "model", "created": CREATED, "owned_by": "fake"} for m in MODELS]
            self._json({"object": "list", "data": data})
        else:
            self._error(404, "not_found_error", f"no route {self.path}")

    def do_POST(self) -> None:
        """Chat, completions, embeddings and reranking."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        try:
            match self.path:
                case "/v1/chat/completions":
                    self._answer(body, reply_to([text_of(m) for m in body["messages"]], body), chat=True)
                case "/v1/completions":
                    prompt = body["prompt"]
                    self._answer(body, reply_to(prompt if isinstance(prompt, list) else [prompt], body), chat=False)
                case "/v1/embeddings":
                    self._json(_embeddings(body))
                case "/v1/rerank":
                    self._json(_ranking(body))
                case _:
                    self._error(404, "not_found_error", f"no route {self.path}")
        except Refused as refusal:
            self._error(429, "rate_limit_error", str(refusal))

    def _answer(self, body: JsonObject, reply: Reply, chat: bool) -> None:
        """Send a reply in one piece or as a stream."""
        if body.get("stream"):
            self._stream(_chunks(body, reply, chat))
            return
        choice: JsonObject = {"index": 0, "finish_reason": "tool_calls" if reply.tool else "stop", "logprobs": None}
        if not chat:
            choice["text"] = reply.text
        elif reply.tool:
            choice["message"] = {"role": "assistant", "content": None, "tool_calls": [_call(reply)]}
        else:
            choice["message"] = {"role": "assistant", "content": reply.text, "refusal": None}
        kind = "chat.completion" if chat else "text_completion"
        self._json({**_envelope(body, kind), "choices": [choice], "usage": reply.usage})

    def _stream(self, chunks: Iterator[JsonObject]) -> None:
        """Send server-sent events, ended by ``[DONE]``."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            self._chunk(json.dumps(chunk))
            time.sleep(CHUNK_SECONDS)
        self._chunk("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: str) -> None:
        """One event in one HTTP chunk."""
        content = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def _json(self, value: JsonObject, status: int = 200) -> None:
        """One JSON answer."""
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _error(self, status: int, kind: str, message: str) -> None:
        """An error in OpenAI's form."""
        self._json({"error": {"message": message, "type": kind, "param": None, "code": kind}}, status)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


def _chunks(body: JsonObject, reply: Reply, chat: bool) -> Iterator[JsonObject]:
    """The chunks of a streamed reply: its words, the reason it ends for, and the usage if asked for."""
    kind = "chat.completion.chunk" if chat else "text_completion"

    def chunk(delta: JsonObject, text: str, reason: str | None = None) -> JsonObject:
        content = {"delta": delta} if chat else {"text": text}
        choice = {"index": 0, **content, "finish_reason": reason, "logprobs": None}
        return {**_envelope(body, kind), "choices": [choice]}

    if chat:
        yield chunk({"role": "assistant", "content": ""}, "")
    if reply.tool:
        yield chunk({"tool_calls": [{"index": 0, **_call(reply)}]}, "")
    else:
        for word in reply.words:
            yield chunk({"content": word}, word)
    yield chunk({}, "", "tool_calls" if reply.tool else "stop")
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**_envelope(body, kind), "choices": [], "usage": reply.usage}


def _call(reply: Reply) -> JsonObject:
    """A tool call with the reply as its arguments."""
    return {"id": "call_1", "type": "function", "function": {"name": reply.tool, "arguments": reply.text}}


def _envelope(body: JsonObject, kind: str) -> JsonObject:
    """What all answers of one request have in common."""
    return {"id": "chatcmpl-fake", "object": kind, "created": CREATED, "model": body.get("model")}


def _embeddings(body: JsonObject) -> JsonObject:
    """The vector of each text."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data = [{"object": "embedding", "index": i, "embedding": vector_of(str(t))} for i, t in enumerate(texts)]
    tokens = sum(len(str(t).split()) for t in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": body.get("model"), "data": data, "usage": usage}


def _ranking(body: JsonObject) -> JsonObject:
    """The documents in the order of their scores, each by its place in the request."""
    documents = [str(d.get("text", "") if isinstance(d, dict) else d) for d in body["documents"]]
    scores = [(-relevance(str(body["query"]), document), index) for index, document in enumerate(documents)]
    best = sorted(scores)[: body.get("top_n") or None]
    results = [{"index": index, "relevance_score": -score} for score, index in best]
    tokens = sum(len(d.split()) for d in documents)
    return {"model": body.get("model"), "results": results, "usage": {"total_tokens": tokens}}


if __name__ == "__main__":
    serve(ModelHandler, __doc__, 8198)
