"""Asynchronous client of the Service API, Jikko's or Dify's."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from jikko.client.answering import (
    STREAM_ENDS,
    Attempts,
    accept,
    as_object,
    decoded,
    entries,
    error_in,
    events_in,
    is_unknown,
    no_answer,
    not_service,
    only_jikko,
    whole,
    with_query,
)
from jikko.client.answers import ChatReply, FlowRun, RunEvent, ServiceError, reply_of, run_of
from jikko.client.service_transport import AppTransport, HttpTransport, Transport
from jikko.ids import new_id
from jikko.ports.files.file_types import UNKNOWN, mime_type_of

_START_SECONDS = 45.0
"""Timeout of one attempt to start a run, whose first events are written and no more."""


class AsyncClient:
    """One app of a server, accessed by its API key, for one user.

    Every method raises ``ServiceError`` if the server refuses, or does not answer. Methods that only Jikko supports say
    so, and raise one with the code ``not_jikko`` elsewhere.
    """

    def __init__(
        self, url: str = "", key: str = "", *, user: str = "python", app: Any = None, timeout: float | None = None
    ) -> None:
        """Args:
        url: Address of the server, with or without a trailing ``/v1``.
        key: API key of the app, or of the datasets.
        user: End user, who owns conversations, files and runs.
        app: ASGI application of this process, instead of a server.
        timeout: Seconds for an answer that is not a stream; by default unlimited.
        """
        if bool(url) == (app is not None):
            raise ValueError("give either url, the address of a server, or app, an ASGI application")
        if url and not url.startswith(("http://", "https://")):
            raise ValueError(f"url: {url!r} is not the address of a server, such as http://localhost:8000")
        self.user = user
        self._transport: Transport = HttpTransport(url) if app is None else AppTransport(app)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *ended: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Call any operation of the Service API without a method here: datasets, annotations, audio, …

        Args:
            path: Path on the server: ``/v1/datasets``.

        Returns:
            The answer's JSON value; ``None`` if it has none.
        """
        sent = b"" if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        content = await self._sent(method, with_query(path, query or {}), {**kind, **(headers or {})}, sent)
        if not content:
            return None
        found = decoded(content)
        if found is None:
            raise not_service("JSON")
        return found

    async def parameters(self) -> dict[str, Any]:
        """Return the app's features and inputs."""
        return await self._object("GET", "/v1/parameters", query=self._of_user())

    async def info(self) -> dict[str, Any]:
        """Return the app's name, description and mode."""
        return await self._object("GET", "/v1/info")

    async def run(
        self, inputs: Mapping[str, Any], *, files: Sequence[Mapping[str, Any]] = (), idempotency_key: str = ""
    ) -> FlowRun:
        """Run the workflow, and wait for its end or pause.

        Args:
            files: From ``upload``; files of inputs belong in the inputs.
            idempotency_key: Jikko only: the same key is the same run.
        """
        body = {"inputs": dict(inputs), "files": list(files), "response_mode": "blocking", "user": self.user}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return run_of(await self._object("POST", "/v1/workflows/run", body, headers=headers))

    async def start(self, inputs: Mapping[str, Any], *, idempotency_key: str = "") -> FlowRun:
        """Start the workflow, and return once the run is durable. Jikko only.

        A server that is silent for 45 seconds, or away, is asked again, for a minute: with the same key, so that there
        is one run.
        """
        body = {"inputs": dict(inputs), "response_mode": "async", "user": self.user}
        headers = {"Idempotency-Key": idempotency_key or new_id()}
        waits = Attempts()
        while True:
            try:
                async with asyncio.timeout(_START_SECONDS if self._timeout is None else None):
                    return run_of(await self._object("POST", "/v1/workflows/run", body, headers=headers))
            except TimeoutError:
                await waits.next(no_answer(_START_SECONDS))
            except ServiceError as error:
                if error.status == 400 and "response_mode" in str(error):
                    raise only_jikko("start") from None
                await waits.next(error)

    async def events(self, run_id: str, *, after: int = -1) -> AsyncIterator[RunEvent]:
        """Yield the log of a run as it is written, across pauses, until the run ends. Jikko only.

        A lost connection is resumed after the last event: none is missed or repeated. ``after``: Position of the last
        known event.
        """
        waits = Attempts()
        path = f"/v1/workflows/run/{quote(run_id, safe='')}/events"
        while True:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": str(after)} if after >= 0 else {})}
            try:
                async with self._transport.send("GET", path, {**self._headers, **headers}, idle=True) as answer:
                    if answer.status == 204:
                        return
                    await accept(answer, path)
                    if "event-stream" not in answer.media_type:
                        raise only_jikko("events")
                    waits.accepted()
                    async for event in events_in(answer.pieces):
                        if event.id is None:
                            raise error_in(event) if event.kind == "error" else only_jikko("events")
                        waits.begin()
                        after = event.id
                        yield event
                        if event.kind == "run_finished":
                            return
                # The server stopped, or the run moved to another one.
                await waits.next(ServiceError(f"the stream of run {run_id} ends without the run's end", 0, "no_server"))
            except ServiceError as error:
                await waits.next(only_jikko("events") if is_unknown(error) else error)

    async def stream(
        self, inputs: Mapping[str, Any], *, files: Sequence[Mapping[str, Any]] = ()
    ) -> AsyncIterator[RunEvent]:
        """Run the workflow, and yield Dify's events as they come. A lost connection is an error: see ``events``."""
        body = {"inputs": dict(inputs), "files": list(files), "response_mode": "streaming", "user": self.user}
        async for event in self._stream("POST", "/v1/workflows/run", body):
            yield event

    async def result(self, run_id: str) -> FlowRun:
        """Return a run in its current state."""
        return run_of(await self._object("GET", f"/v1/workflows/run/{quote(run_id, safe='')}"))

    async def retry(self, run_id: str, *, from_node: str = "", current_version: bool = False) -> FlowRun:
        """Retry a run from its failed node, or from a given one, and wait for its end. Jikko only."""
        body = {
            "user": self.user,
            "current_version": current_version,
            **({"from_node_id": from_node} if from_node else {}),
        }
        try:
            return run_of(await self._object("POST", f"/v1/workflows/run/{quote(run_id, safe='')}/retry", body))
        except ServiceError as error:
            raise (only_jikko("retry") if is_unknown(error) else error) from None

    async def stop(self, task_id: str) -> None:
        """Stop a workflow run by its task id, which equals the run id in Jikko."""
        await self.request("POST", f"/v1/workflows/tasks/{quote(task_id, safe='')}/stop", {"user": self.user})

    async def upload(self, file: Path | str | bytes, *, name: str = "") -> dict[str, Any]:
        """Upload a file.

        Args:
            file: Path or content.
            name: By default that of the path; its suffix determines the type.

        Returns:
            Its reference for inputs, and for ``files`` of a question.

        Raises:
            OSError: It cannot be read.
        """
        content = file if isinstance(file, bytes) else await asyncio.to_thread(Path(file).read_bytes)
        name = name or ("file" if isinstance(file, bytes) else Path(file).name)
        kind = mime_type_of(name) or UNKNOWN
        boundary = secrets.token_hex(16)
        name = name.replace("\\", "%5C").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        body = b"".join(
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="user"\r\n\r\n{self.user}\r\n'.encode(),
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'.encode(),
                f"Content-Type: {kind}\r\n\r\n".encode(),
                content,
                f"\r\n--{boundary}--\r\n".encode(),
            )
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        stored = as_object(decoded(await self._sent("POST", "/v1/files/upload", headers, body)))
        media = str(stored.get("mime_type") or kind).partition("/")[0]
        return {
            "type": media if media in ("image", "audio", "video") else "document",
            "transfer_method": "local_file",
            "upload_file_id": stored["id"],
        }

    async def download(self, file: Mapping[str, Any] | str) -> bytes:
        """Download a file.

        Args:
            file: A file of the outputs, with its ``url``; or the id of a conversation's file.
        """
        if isinstance(file, str):
            return await self._sent("GET", with_query(f"/v1/files/{quote(file, safe='')}/preview", self._of_user()))
        # The URL is signed. It may be another server's, which must not see the key.
        return await self._sent("GET", str(file.get("url") or file.get("remote_url") or "/"), key=False)

    async def chat(
        self,
        query: str,
        *,
        conversation_id: str = "",
        inputs: Mapping[str, Any] | None = None,
        files: Sequence[Mapping[str, Any]] = (),
    ) -> ChatReply:
        """Ask a chat app a question, and wait for the answer."""
        body = self._question(query, conversation_id, inputs, files, "blocking")
        return reply_of(await self._object("POST", "/v1/chat-messages", body))

    async def chat_stream(
        self,
        query: str,
        *,
        conversation_id: str = "",
        inputs: Mapping[str, Any] | None = None,
        files: Sequence[Mapping[str, Any]] = (),
    ) -> AsyncIterator[RunEvent]:
        """Ask a chat app a question, and yield Dify's events as they come. See ``rejoin``."""
        body = self._question(query, conversation_id, inputs, files, "streaming")
        async for event in self._stream("POST", "/v1/chat-messages", body):
            yield event

    async def rejoin(self, run_id: str) -> AsyncIterator[RunEvent]:
        """Yield Dify's events of a running run; the first ones repeat its past."""
        query = self._of_user(include_state_snapshot="true")
        async for event in self._stream("GET", with_query(f"/v1/workflow/{quote(run_id, safe='')}/events", query)):
            yield event

    async def stop_chat(self, task_id: str) -> None:
        """Stop an answer."""
        await self.request("POST", f"/v1/chat-messages/{quote(task_id, safe='')}/stop", {"user": self.user})

    async def conversations(self, *, limit: int = 20, last_id: str = "") -> list[dict[str, Any]]:
        """Return the user's conversations, latest first. ``last_id``: Last one of the previous page."""
        query = self._of_user(limit=limit, **({"last_id": last_id} if last_id else {}))
        return entries(await self._object("GET", "/v1/conversations", query=query))

    async def messages(self, conversation_id: str, *, limit: int = 20, first_id: str = "") -> list[dict[str, Any]]:
        """Return a conversation's messages, oldest first. ``first_id``: First one of the later page."""
        query = self._of_user(
            limit=limit, conversation_id=conversation_id, **({"first_id": first_id} if first_id else {})
        )
        return entries(await self._object("GET", "/v1/messages", query=query))

    async def submit_form(self, token: str, inputs: Mapping[str, Any], action: str) -> None:
        """Submit a form that a run waits for.

        Args:
            token: ``form_token`` of the event ``human_input_required``.
            action: Id of the button.
        """
        body = {"inputs": dict(inputs), "action": action, "user": self.user}
        await self.request("POST", f"/v1/form/human_input/{quote(token, safe='')}", body)

    async def search(
        self, dataset_id: str, query: str, *, retrieval_model: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Search a dataset, best matches first, with a key of datasets. ``retrieval_model``: Search settings as in the
        API; by default the dataset's."""
        path = f"/v1/datasets/{quote(dataset_id, safe='')}/retrieve"
        body = {"query": query, **({} if retrieval_model is None else {"retrieval_model": dict(retrieval_model)})}
        return entries(await self._object("POST", path, body), "records")

    def _of_user(self, **more: Any) -> dict[str, Any]:
        return {"user": self.user, **more}

    def _question(
        self,
        query: str,
        conversation_id: str,
        inputs: Mapping[str, Any] | None,
        files: Sequence[Mapping[str, Any]],
        mode: str,
    ) -> dict[str, Any]:
        return {
            "query": query,
            "inputs": dict(inputs or {}),
            "files": list(files),
            "conversation_id": conversation_id,
            "response_mode": mode,
            "user": self.user,
        }

    async def _object(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        return as_object(await self.request(method, path, body, **more))

    async def _sent(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"", *, key: bool = True
    ) -> bytes:
        sent = {**(self._headers if key else {}), **(headers or {})}
        try:
            async with asyncio.timeout(self._timeout):
                async with self._transport.send(method, path, sent, body) as answer:
                    await accept(answer, path)
                    return await whole(answer)
        except TimeoutError:
            raise no_answer(self._timeout) from None

    async def _stream(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> AsyncIterator[RunEvent]:
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        sent = b"" if body is None else json.dumps(body).encode()
        async with self._transport.send(method, path, headers, sent, idle=True) as answer:
            await accept(answer, path)
            if "event-stream" not in answer.media_type:
                raise not_service("a stream")
            has_end = False
            async for event in events_in(answer.pieces):
                has_end = has_end or event.kind in STREAM_ENDS
                yield event
            if not has_end:
                raise ServiceError("the stream ends without the run's end", 0, "no_server")
