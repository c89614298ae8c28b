"""The crowd of the soak: clients of all kinds, and what they were told."""

import asyncio
import dataclasses
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import aiohttp
import httpx
import openai

from benchmarks.load import App
from benchmarks.soak_apps import DATASET, TOKEN

GONE: Final = (
    aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError, openai.APIConnectionError,
    httpx.TransportError,
)  # fmt: skip
"""What a client sees of a server that was killed."""
TURNS: Final = 8
"""Of a conversation; then another begins."""
DOCUMENTS: Final = 4
"""That a client keeps; then the oldest is deleted."""


class Refused(Exception):
    """503 with ``Retry-After``: nothing of it is kept, and a client sends it again (docs/reliability.md).

    Its text is the code and the message of the answer.
    """


class Address(Protocol):
    url: str
    """Empty: no server is there just now."""
    launched: float
    """When the server was launched last, by the monotonic clock."""


@dataclasses.dataclass
class Findings:
    """What clients saw."""

    expected: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """By run id: the statuses that it may end with."""
    apps: dict[str, str] = dataclasses.field(default_factory=dict)
    reported: dict[str, str] = dataclasses.field(default_factory=dict)
    """By run id: the status that a client was told."""
    messages: dict[str, tuple[str, str, str, str]] = dataclasses.field(default_factory=dict)
    """By message id: app, conversation, user and answer, as they were told."""
    taken: list[str] = dataclasses.field(default_factory=list)
    """Ids of calls of the webhook that were answered with 200."""
    batches: dict[str, str] = dataclasses.field(default_factory=dict)
    """Of documents that were accepted, by their ids."""
    ways: Counter[str] = dataclasses.field(default_factory=Counter)
    refused: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    """Refusals for the moment, by request, code and message: the seconds from the launch of the server to each."""
    noted: Counter[str] = dataclasses.field(default_factory=Counter)
    """What is no client's request."""
    errors: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Given:
    """What all clients know of the server."""

    at: Address
    apps: dict[str, App]
    webhook: str
    dataset_key: str

    def headers(self, app: str) -> dict[str, str]:
        """Those of a client of an app, of the dataset or of the console."""
        key = {"dataset": self.dataset_key, "console": TOKEN}.get(app) or self.apps[app].key
        return {"Authorization": f"Bearer {key}"}

    async def make_dataset(self) -> None:
        """Make the dataset that apps search. Raises ``ClientResponseError``: it is not made."""
        body = {"id": DATASET, "name": "文書", "indexing_technique": "economy"}
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            await session.post(f"{self.at.url}/v1/datasets", json=body, headers=self.headers("dataset"))


class Client:
    """One of the crowd."""

    _numbers = itertools.count()

    def __init__(self, given: Given, findings: Findings, dice: random.Random) -> None:
        self._given = given
        self._findings = findings
        self._dice = dice
        self._url = ""
        self._user = f"ユーザー {next(self._numbers)} 🙂"
        self._conversations: dict[str, tuple[str, int]] = {}
        """By app: the one that goes on, and its turns so far."""
        self._documents: list[str] = []
        self._until = 0.0

    def ways(self) -> tuple[Callable[[], Awaitable[object]], ...]:
        """What it does, equally often."""
        return (
            self.block, self.stream, self.accept, self.stop, self.leave, self.fail, self.tool, self.form, self.upload,
            self.chat, self.chat_and_leave, self.agent, self.openai, self.search, self.learn, self.call,
        )  # fmt: skip

    async def work(self, until: float, every: float = 0.0) -> None:
        """Do one thing after the other.

        Args:
            every: Seconds from the beginning of one to that of the next, at least.
        """
        due = time.monotonic() + self._dice.random() * every
        self._until = until
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as self._session:
            while time.monotonic() < until:
                way = self._dice.choice(self.ways())
                # Kept: while the server is launched anew, there is none.
                self._url = self._given.at.url or self._url
                if self._given.at.url:
                    try:
                        await way()
                        self._findings.ways[way.__name__] += 1
                    except Refused as refusal:
                        self._note(way.__name__, refusal)
                        self._conversations.clear()
                    except GONE:
                        self._findings.ways["cut off by a kill"] += 1
                        self._conversations.clear()
                    except Exception as error:
                        self._findings.errors.append(f"{way.__name__}: {type(error).__name__}: {error}")
                # What was missed while there was no server is not made up for.
                due = max(due + every, time.monotonic() - every)
                await asyncio.sleep(max(0.0 if self._given.at.url else 0.05, due - time.monotonic()))

    def _note(self, way: str, refusal: Refused) -> None:
        seconds = self._findings.refused.setdefault(f"{way}: {refusal}", [])
        seconds.append(round(time.monotonic() - self._given.at.launched))

    def _ask(self, method: str, path: str, app: str, **options: Any) -> Any:
        return self._session.request(method, f"{self._url}{path}", headers=self._given.headers(app), **options)

    async def _json(self, method: str, path: str, app: str, status: int = 200, **options: Any) -> Any:
        async with self._ask(method, path, app, **options) as answer:
            await _expect(answer, status)
            body = await answer.text()
            return json.loads(body) if body else None

    @asynccontextmanager
    async def _messages(self, path: str, app: str, **body: Any) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """The messages of a stream. Leaving the block hangs up."""
        streaming = {**body, "inputs": body.get("inputs", {}), "user": self._user, "response_mode": "streaming"}
        async with self._ask("POST", path, app, json=streaming) as answer:
            await _expect(answer, 200)
            yield (json.loads(line[6:]) async for line in answer.content if line.startswith(b"data: "))
            answer.close()

    def _body(self, mode: str, **inputs: Any) -> dict[str, Any]:
        return {"inputs": inputs or {"q": "hello"}, "user": self._user, "response_mode": mode}

    def _saw(self, run_id: str, app: str, *statuses: str) -> str:
        self._findings.expected[run_id] = statuses
        self._findings.apps[run_id] = app
        return run_id

    async def block(self, app: str = "chain10", status: str = "succeeded", **inputs: Any) -> Any:
        body = await self._json("POST", "/v1/workflows/run", app, json=self._body("blocking", **inputs))
        run_id = self._saw(body["workflow_run_id"], app, status)
        self._findings.reported[run_id] = body["data"]["status"]
        return body["data"]

    async def fail(self) -> None:
        await self.block("failing", "failed")

    async def tool(self) -> None:
        found = (await self.block("tools", q="道具"))["outputs"]
        assert found == {"zone": "2024-07-02 08:00:00", "text": "道具 🙂道具 🙂"}, found

    async def search(self) -> None:
        await self.block("searching", q="word3")

    async def stream(self, leave_after: int | None = None) -> None:
        seen = 0
        async with self._messages("/v1/workflows/run", "chain10", inputs={"q": "hello"}) as messages:
            async for message in messages:
                if message["event"] == "ping":
                    continue
                run_id = self._saw(message["workflow_run_id"], "chain10", "succeeded")
                seen += 1
                if message["event"] == "workflow_finished":
                    self._findings.reported[run_id] = message["data"]["status"]
                if seen == leave_after:
                    return

    async def leave(self) -> None:
        await self.stream(self._dice.randint(1, 5))

    async def accept(self) -> str:
        body = await self._json("POST", "/v1/workflows/run", "chain10", 202, json=self._body("async"))
        return self._saw(body["workflow_run_id"], "chain10", "succeeded")

    async def stop(self) -> None:
        run_id = await self.accept()
        self._findings.expected[run_id] = ("stopped", "succeeded")
        await self._json("POST", f"/v1/workflows/run/{run_id}/stop", "chain10", json={"user": self._user})

    async def form(self) -> None:
        data = await self.block("asks", "paused")
        run_id, [reason] = data["id"], data["reasons"]
        self._findings.expected[run_id] = ("paused", "succeeded")
        del self._findings.reported[run_id]
        answer = {"inputs": {"comment": "そう"}, "action": "yes", "user": self._user}
        await self._json("POST", f"/v1/form/human_input/{reason['form_token']}", "asks", json=answer)
        self._saw(run_id, "asks", "succeeded")

    async def upload(self) -> None:
        text = f"内容 🙂 {self._dice.random()}"
        form = aiohttp.FormData({"user": self._user})
        form.add_field("file", text.encode(), filename="請求書.txt", content_type="text/plain")
        uploaded = await self._json("POST", "/v1/files/upload", "reads", 201, data=form)
        file = {"type": "document", "transfer_method": "local_file", "upload_file_id": uploaded["id"]}
        found = (await self.block("reads", file=file))["outputs"]
        assert found == {"text": text}, found

    async def chat(self, app: str = "chat", leave_after: int | None = None) -> None:
        conversation, turns = self._conversations.pop(app, ("", 0))
        asked = {"query": f"質問 {turns}", "conversation_id": conversation, "auto_generate_name": False}
        told, message_id, seen = "", "", 0
        async with self._messages("/v1/chat-messages", app, **asked) as messages:
            async for message in messages:
                seen += 1
                conversation = message.get("conversation_id") or conversation
                message_id = message.get("message_id") or message_id
                if message["event"] in ("message", "agent_message"):
                    told += message["answer"]
                elif message["event"] == "message_replace":
                    told = message["answer"]
                elif message["event"] == "message_end":
                    self._findings.messages[message_id] = (app, conversation, self._user, told)
                    if turns + 1 < TURNS:
                        self._conversations[app] = (conversation, turns + 1)
                elif message["event"] == "error":
                    raise RuntimeError(str(message))
                if seen == leave_after:
                    return

    async def chat_and_leave(self) -> None:
        await self.chat(leave_after=self._dice.randint(1, 5))

    async def agent(self) -> None:
        await self.chat("agent")

    async def openai(self) -> None:
        """A client that was written for OpenAI's API. Raises ``Refused``."""
        try:
            await self._ask_as_openai()
        except openai.InternalServerError as error:
            if error.status_code == 503 and "retry-after" in error.response.headers:
                raise Refused(f"{error.code}: {error.message}") from error
            raise

    async def _ask_as_openai(self) -> None:
        key = self._given.apps["chat"].key
        async with openai.AsyncOpenAI(base_url=f"{self._url}/v1", api_key=key, max_retries=0) as client:
            said: Any = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], "user": self._user}
            if self._dice.random() < 0.5:
                answer = await client.chat.completions.create(**said)
                assert answer.choices[0].message.content
            else:
                pieces = [piece async for piece in await client.chat.completions.create(**said, stream=True)]
                assert pieces[-1].choices[0].finish_reason == "stop"

    async def learn(self) -> None:
        """Have a text indexed; forget an older one."""
        text = " ".join(f"word{self._dice.randint(1, 50)} thing{place}" for place in range(20))
        body = {
            "name": f"文書 {self._dice.getrandbits(64):x}.txt",
            "text": text,
            "indexing_technique": "economy",
            "process_rule": {"mode": "automatic"},
        }
        path = f"/v1/datasets/{DATASET}"
        found = await self._json("POST", f"{path}/document/create-by-text", "dataset", json=body)
        self._documents.append(found["document"]["id"])
        self._findings.batches[found["document"]["id"]] = found["batch"]
        if len(self._documents) > DOCUMENTS:
            oldest = self._documents.pop(0)
            del self._findings.batches[oldest]
            await self._json("DELETE", f"{path}/documents/{oldest}", "dataset", 204)

    async def call(self) -> None:
        """Call the webhook under one id until a server takes it, as senders do."""
        name = f"call-{self._dice.getrandbits(64):x}"
        while True:
            try:
                async with self._session.post(
                    f"{self._given.at.url or self._url}{self._given.webhook}",
                    json={"q": name},
                    headers={"Idempotency-Key": name},
                ) as answer:
                    await _expect(answer, 200)
                    self._findings.taken.append(name)
                    return
            except (*GONE, Refused) as error:
                if isinstance(error, Refused):
                    self._note("call", error)
                if time.monotonic() > self._until:
                    return
                await asyncio.sleep(0.1)


async def _expect(answer: aiohttp.ClientResponse, status: int) -> None:
    """Raise ``Refused`` or ``RuntimeError`` at any other status."""
    if answer.status == 503 and "Retry-After" in answer.headers:
        body = await answer.json()
        raise Refused(f"{body['code']}: {body['message']}")
    if answer.status != status:
        raise RuntimeError(f"{answer.status} {(await answer.text())[:200]}")


async def look(given: Given, findings: Findings) -> None:
    """Keep the console open: the list of runs as it changes, and its pages. Never ends by itself."""
    headers, forever = given.headers("console"), aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(headers=headers, timeout=forever) as session:
        while True:
            url = f"{given.at.url}/console/api"
            try:
                if given.at.url:
                    async with session.get(f"{url}/runs?limit=50") as page, session.get(f"{url}/runs/stream") as stream:
                        if (page.status, stream.status) != (200, 200):
                            findings.errors.append(f"console: {page.status}, {stream.status}")
                        async for line in stream.content:
                            findings.noted["changes of the console's list"] += line.startswith(b"data: ")
            except GONE:
                pass
            await asyncio.sleep(0.1)
