"""An OpenAI-compatible model server whose answers depend only on the request.

The reply to a chat is ``Echo: `` and the last message; a message that contains ``RESPOND:text:END`` is answered with
that text, one that contains ``FAIL`` with status 429, one that contains ``SLOW`` after 0.3 s.  A word, with the
blanks after it, is one token and one streamed chunk.  When tools are offered and the reply is a JSON object, it comes
as a call of the first tool (or of the one that ``tool_choice`` names) with that object as arguments.

Agents: ``SCRIPT:[...]:END`` in a prompt holds what is said in each round, as JSON.  The round is the number of tool
calling answers and of the words ``Observation:`` after the last script; past the end the last entry counts.  An entry
is a text, or ``{"say": text, "calls": [[name, arguments], ...]}``, arguments an object or a text; calls are left out
when no tools are offered, unless the entry has ``"always": true``; the text ``SHOW:PROMPT`` shows the prompt, as
below.  ``SHOW:PROMPT`` in the last message is answered with the whole prompt, a line a message (``role: text``,
pictures as ``<image DETAIL>``), and the names of the tools offered; ``SHOW:PARAMETERS`` with the parameters.  The
question of a script is the last message of the user that is not just ``continue``.  ``HAS:a|b:END`` is answered with
which of the texts stand elsewhere in the prompt.  Where a prompt is one text, its last ``RESPOND:`` or ``HAS:``
counts.  The stream of a reply to a prompt with ``CUT`` breaks off behind its words.

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
    "gpt-3.5-turbo",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-3.5-turbo-instruct",
    "text-embedding-3-small",
    "plain-chat",
    "jina-reranker-v2-base-multilingual",
    "omni-moderation-latest",
)
CREATED = 1767225600
SLOW_SECONDS = 0.3
CHUNK_SECONDS = 0.02

# : Last message of an agent that thinks in text when it continues; the question precedes it.
CONTINUE = "continue"
PARAMETERS = ("temperature", "top_p", "max_tokens", "stop")


class BrokenOff(Exception):
    """The stream is cut off here."""


@dataclass(frozen=True)
class Reply:
    """Reply in streamed words, and the tool called instead, if any."""

    words: list[str]
    prompt_tokens: int
    calls: tuple[tuple[str, str], ...] = ()
    cut: bool = False

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


def reply_to(messages: list[JsonObject], body: JsonObject, *, one_text: bool = False) -> Reply:
    """Return the reply to a prompt of one or more messages. ``one_text``: For completion models."""
    texts = [text_of(m) for m in messages]
    last = texts[-1] if texts else ""
    tokens = sum(len(t.split()) for t in texts)
    if (entry := _scripted(messages)) is not None:
        if entry == "SHOW:PROMPT":
            return Reply(_words(_shown(messages, body)), tokens)
        return _played(entry, tokens, body)
    if "FAIL" in last:
        raise Refused("rate limited")
    if "SLOW" in last:
        time.sleep(SLOW_SECONDS)
    if "SHOW:PROMPT" in last:
        return Reply(_words(_shown(messages, body)), tokens)
    if "SHOW:PARAMETERS" in last:
        return Reply(_words(json.dumps({p: body[p] for p in PARAMETERS if body.get(p)})), tokens)
    if "HAS:" in last:
        return Reply(_words(_found(texts, last)), tokens)
    wanted = re.findall(r"RESPOND:(.*?):END", last, re.DOTALL)
    words = _words(wanted[-1 if one_text else 0] if wanted else f"Echo: {last}")
    tool = _tool("".join(words), body)
    return Reply(words, tokens, ((tool, "".join(words)),) if tool else (), cut="CUT" in last)


def _found(texts: list[str], last: str) -> str:
    """Return the texts of the last question's ``HAS:`` that occur in the prompt."""
    asked = re.findall(r"HAS:(.*?):END", last, re.DOTALL)[-1].split("|")
    rest = re.sub(r"HAS:.*?:END", "", "\n".join(texts), flags=re.DOTALL)
    return " ".join(f"{text}={'yes' if text in rest else 'no'}" for text in asked)


def _words(text: str) -> list[str]:
    """The chunks of a text."""
    return re.findall(r"\S+\s*", text)


def _scripted(messages: list[JsonObject]) -> Any:
    """Return the scripted reply for this round, or ``None`` without a script."""
    for index, message in reversed(list(enumerate(messages))):
        text = text_of(message)
        if message.get("role") != "user" or text == CONTINUE:
            continue
        if (at := text.rfind("SCRIPT:")) < 0:
            return None
        found = re.match(r"SCRIPT:(.*?):END", text[at:], re.DOTALL)
        if found is None:
            return None
        rounds, rest = json.loads(found[1]), [text[at + found.end() :], *(text_of(m) for m in messages[index + 1 :])]
        turn = sum(bool(m.get("tool_calls")) for m in messages[index + 1 :]) + sum(
            t.count("Observation:") for t in rest
        )
        return rounds[min(turn, len(rounds) - 1)]
    return None


def _played(entry: Any, tokens: int, body: JsonObject) -> Reply:
    """Return the reply of a script's entry."""
    if isinstance(entry, str):
        if entry == "FAIL":
            raise Refused("rate limited")
        return Reply(_words(entry), tokens)
    calls = entry.get("calls", []) if body.get("tools") or entry.get("always") else []
    given = tuple((n, a if isinstance(a, str) else json.dumps(a)) for n, a in calls)
    return Reply(_words(entry.get("say", "")), tokens, given)


def _shown(messages: list[JsonObject], body: JsonObject) -> str:
    """Return a prompt as text."""
    lines = []
    for message in messages:
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        media = [
            f"<{p['type'].removesuffix('_url')} {(p.get('image_url') or {}).get('detail', '')}>"
            for p in parts
            if p.get("type") != "text"
        ]
        calls = [f"[{c['function']['name']} {c['function']['arguments']}]" for c in message.get("tool_calls") or []]
        lines.append(f"{message.get('role')}: " + " ".join([*media, text_of(message), *calls]).strip())
    names = [t["function"]["name"] for t in body.get("tools") or []]
    return "\n".join([*lines, *(["tools: " + ", ".join(names)] if names else [])])


def text_of(message: JsonObject) -> str:
    """Return the text of a chat message, whose content may be a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if part.get("type") == "text")
    return content or ""


def _tool(text: str, body: JsonObject) -> str | None:
    """Return the name of the tool to call, if tools are offered and the reply can be its arguments."""
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
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/v1/audio/transcriptions":
            self._json({"text": f"{_file_size(content)} bytes of speech"})
            return
        body = json.loads(content or b"{}")
        try:
            match self.path:
                case "/v1/chat/completions":
                    self._answer(body, reply_to(body["messages"], body), chat=True)
                case "/v1/completions":
                    prompt = body["prompt"]
                    texts = prompt if isinstance(prompt, list) else [prompt]
                    self._answer(
                        body, reply_to([{"role": "user", "content": t} for t in texts], body, one_text=True), chat=False
                    )
                case "/v1/audio/speech":
                    self._bytes(f"MP3:{body['input']}".encode(), "audio/mpeg")
                case "/v1/moderations":
                    flagged = "VIOLENCE" in str(body["input"])
                    self._json(
                        {
                            "id": "modr-fake",
                            "model": body.get("model"),
                            "results": [
                                {
                                    "flagged": flagged,
                                    "categories": {"violence": flagged},
                                    "category_scores": {"violence": float(flagged)},
                                }
                            ],
                        }
                    )
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
        choice: JsonObject = {"index": 0, "finish_reason": "tool_calls" if reply.calls else "stop", "logprobs": None}
        if not chat:
            choice["text"] = reply.text
        elif reply.calls:
            choice["message"] = {
                "role": "assistant",
                "content": reply.text if _says(reply) else None,
                "tool_calls": _calls(reply),
            }
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
        try:
            for chunk in chunks:
                self._chunk(json.dumps(chunk))
                time.sleep(CHUNK_SECONDS)
        except BrokenOff:
            self.close_connection = True
            return
        self._chunk("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: str) -> None:
        """One event in one HTTP chunk."""
        content = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def _json(self, value: JsonObject, status: int = 200) -> None:
        """One JSON answer."""
        self._bytes(json.dumps(value).encode(), "application/json", status)

    def _bytes(self, content: bytes, kind: str, status: int = 200) -> None:
        """One answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _error(self, status: int, kind: str, message: str) -> None:
        """An error in OpenAI's form."""
        self._json({"error": {"message": message, "type": kind, "param": None, "code": kind}}, status)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


def _chunks(body: JsonObject, reply: Reply, chat: bool) -> Iterator[JsonObject]:
    """Yield the chunks of a streamed reply: its words, its finish reason, and the usage if requested."""
    kind = "chat.completion.chunk" if chat else "text_completion"

    def chunk(delta: JsonObject, text: str, reason: str | None = None) -> JsonObject:
        content = {"delta": delta} if chat else {"text": text}
        choice = {"index": 0, **content, "finish_reason": reason, "logprobs": None}
        return {**_envelope(body, kind), "choices": [choice]}

    if chat:
        yield chunk({"role": "assistant", "content": ""}, "")
    if not reply.calls or _says(reply):
        for word in reply.words:
            yield chunk({"content": word}, word)
    if reply.cut:
        raise BrokenOff
    if reply.calls:
        yield chunk({"tool_calls": [{"index": i, **c} for i, c in enumerate(_calls(reply))]}, "")
    yield chunk({}, "", "tool_calls" if reply.calls else "stop")
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**_envelope(body, kind), "choices": [], "usage": reply.usage}


def _says(reply: Reply) -> bool:
    """Return whether a calling reply has a text besides the arguments of its call."""
    return bool(reply.words) and all(reply.text != arguments for _, arguments in reply.calls)


def _calls(reply: Reply) -> list[JsonObject]:
    """Return the tool calls of a reply."""
    return [
        {"id": f"call_{i}", "type": "function", "function": {"name": n, "arguments": a}}
        for i, (n, a) in enumerate(reply.calls, 1)
    ]


def _envelope(body: JsonObject, kind: str) -> JsonObject:
    """Return the fields shared by all answers to a request."""
    return {"id": "chatcmpl-fake", "object": kind, "created": CREATED, "model": body.get("model")}


def _file_size(content: bytes) -> int:
    """Return the size of the file in a multipart body."""
    for part in content.split(b"\r\n--"):
        head, _, data = part.partition(b"\r\n\r\n")
        if b"filename=" in head:
            return len(data)
    return 0


def _embeddings(body: JsonObject) -> JsonObject:
    """Return the vector of each text."""
    texts = [str(t) for t in (body["input"] if isinstance(body["input"], list) else [body["input"]])]
    data = [{"object": "embedding", "index": i, "embedding": vector_of(t)} for i, t in enumerate(texts)]
    tokens = sum(len(t.split()) for t in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": body.get("model"), "data": data, "usage": usage}


def _ranking(body: JsonObject) -> JsonObject:
    """Rank the documents by score, each with its index in the request."""
    documents = [str(d.get("text", "") if isinstance(d, dict) else d) for d in body["documents"]]
    scores = [(-relevance(str(body["query"]), document), index) for index, document in enumerate(documents)]
    best = sorted(scores)[: body.get("top_n") or None]
    results = [{"index": index, "relevance_score": -score} for score, index in best]
    tokens = sum(len(d.split()) for d in documents)
    return {"model": body.get("model"), "results": results, "usage": {"total_tokens": tokens}}


if __name__ == "__main__":
    serve(ModelHandler, __doc__, 8198)
