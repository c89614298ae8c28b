"""The chat part of the Service API, as a client sees it: Jikko's, or Dify's."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jikko.cli.chat.transport import ResponseHead, Transport
from jikko.cli.failure import Failure
from jikko.exit_codes import ExitCode, of_answer
from jikko.ports.files.file_types import UNKNOWN, mime_type_of

_MAX_EVENT_BYTES = 67_108_864
"""Bytes of an answer that is no stream."""


class ChatService:
    """One app, asked by one user."""

    def __init__(self, transport: Transport, key: str, user: str) -> None:
        self._transport = transport
        self._headers = {"Authorization": f"Bearer {key}"}
        self._user = user

    async def parameters(self) -> dict[str, Any]:
        """The features of the app, and the inputs that it asks for.

        Raises:
            Failure: The server refuses, or does not answer; so all methods.
        """
        return await self._json("GET", f"/v1/parameters?{self._query()}")

    async def mode(self) -> str:
        """The mode of the app."""
        return str((await self._json("GET", "/v1/info")).get("mode"))

    async def upload(self, path: Path) -> dict[str, Any]:
        """Upload a file.

        Returns:
            What stands for it in a request.

        Raises:
            OSError: It cannot be read.
        """
        content = await asyncio.to_thread(path.read_bytes)
        kind = mime_type_of(path.name) or UNKNOWN
        boundary = secrets.token_hex(16)
        name = path.name.replace("\\", "%5C").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        body = b"".join(
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="user"\r\n\r\n{self._user}\r\n'.encode(),
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'.encode(),
                f"Content-Type: {kind}\r\n\r\n".encode(),
                content,
                f"\r\n--{boundary}--\r\n".encode(),
            )
        )
        stored = await self._json(
            "POST", "/v1/files/upload", body, content_type=f"multipart/form-data; boundary={boundary}"
        )
        return {
            "type": _kind(str(stored.get("mime_type") or kind)),
            "transfer_method": "local_file",
            "upload_file_id": stored["id"],
        }

    async def ask(
        self, query: str, inputs: Mapping[str, Any], files: list[dict[str, Any]], conversation_id: str
    ) -> AsyncIterator[dict[str, Any]]:
        """Ask a question, and give the events of its answer as they come."""
        body = {
            "query": query,
            "inputs": dict(inputs),
            "files": files,
            "conversation_id": conversation_id,
            "response_mode": "streaming",
            "user": self._user,
        }
        async for event in self._events("POST", "/v1/chat-messages", json.dumps(body).encode()):
            yield event

    async def stop(self, task_id: str) -> None:
        """Stop an answer."""
        body = json.dumps({"user": self._user}).encode()
        await self._json("POST", f"/v1/chat-messages/{quote(task_id, safe='')}/stop", body)

    async def submit(self, token: str, inputs: Mapping[str, Any], action: str) -> None:
        """Hand in a form that an answer waits for."""
        body = json.dumps({"inputs": dict(inputs), "action": action, "user": self._user}).encode()
        await self._json("POST", f"/v1/form/human_input/{quote(token, safe='')}", body)

    async def rejoined(self, run_id: str) -> AsyncIterator[dict[str, Any]]:
        """The events of a run that goes on; the first ones tell what it has said so far."""
        query = self._query(include_state_snapshot="true")
        async for event in self._events("GET", f"/v1/workflow/{quote(run_id, safe='')}/events?{query}"):
            yield event

    def _query(self, **more: str) -> str:
        return urlencode({"user": self._user, **more})

    async def _json(
        self, method: str, path: str, body: bytes = b"", *, content_type: str = "application/json"
    ) -> dict[str, Any]:
        headers = {**self._headers, "Content-Type": content_type} if body else self._headers
        async with self._transport.send(method, path, headers, body) as answer:
            content = await _whole(answer)
        if answer.status >= 400:
            raise _refused(answer.status, content)
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Failure("The answer is none of the Service API.", exit_code=ExitCode.FAILED, code="no_server")
        return found

    async def _events(self, method: str, path: str, body: bytes = b"") -> AsyncIterator[dict[str, Any]]:
        headers = {**self._headers, "Content-Type": "application/json"} if body else self._headers
        async with self._transport.send(method, path, headers, body) as answer:
            if answer.status >= 400:
                raise _refused(answer.status, await _whole(answer))
            rest = b""
            async for piece in answer.pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if line.startswith(b"data:") and isinstance(event := _decoded(line[5:]), dict):
                        yield event


async def _whole(answer: ResponseHead) -> bytes:
    pieces, size = [], 0
    async for piece in answer.pieces:
        pieces.append(piece)
        size += len(piece)
        if size > _MAX_EVENT_BYTES:
            raise Failure(f"The answer has more than {_MAX_EVENT_BYTES} bytes.", code="no_server")
    return b"".join(pieces)


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _refused(status: int, content: bytes) -> Failure:
    body = _decoded(content)
    if isinstance(body, dict) and "message" in body:
        return Failure(str(body["message"]), exit_code=of_answer(status), code=str(body.get("code") or "failed"))
    return Failure(f"The server answered {status}.", exit_code=of_answer(status), code="failed")


def _kind(mime_type: str) -> str:
    kind = mime_type.partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "document"
