"""SIGKILL of a server amid many streams, with a model that answers differently when asked again: every run resumes, and
reconnecting clients end up with the record's text.

The seed is printed; ``TEST_SEED`` sets it. ``TEST_KILLS`` and ``TEST_STREAMS`` set the number of kills and streams.
"""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, node, start
from tests.effort import PATIENCE, trusted

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("TEST_KILLS") or 3)
STREAMS = int(os.environ.get("TEST_STREAMS") or 12)
TOKENS = 50
TOKEN_SECONDS = 0.03
SAME = ("Wer ", "weiß ", "日本語 ", "🔑 ", "", " ")
"""Words that every answer may have in the same place."""


class Model:
    """A provider over OpenAI's protocol that never gives the same answer twice."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._numbers = count()
        self.answers: set[str] = set()
        """All that it was about to say."""

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """The address of its API."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=1024)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
            number, same = next(self._numbers), self._dice.randrange(TOKENS)
            words = [SAME[at % len(SAME)] if at < same else f"{number}.{at} " for at in range(TOKENS)]
            self.answers.add("".join(words))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            for word in words:
                writer.write(_chunk({"content": word}))
                await writer.drain()
                await asyncio.sleep(TOKEN_SECONDS)  # its pace, and nothing that is waited for
            writer.write(_chunk({}, "stop") + b"data: [DONE]\n\n")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the server was killed
        finally:
            writer.close()


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    whole = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(whole).encode() + b"\n\n"


@dataclass
class Seen:
    """What a client has of one run."""

    run_id: str = ""
    message_id: str = ""
    conversation_id: str = ""
    text: str = ""
    position: int = -1
    is_over: bool = False
    came_late: bool = False
    """Whether it came back when the run had ended, to an end without the text before it."""
    replaced: list[int] = field(default_factory=list)
    """Positions at which its text was replaced."""


class Place:
    """One server after the other, and the clients that look for it."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = keys
        self.http = httpx.AsyncClient(verify=trusted(), timeout=PATIENCE, limits=httpx.Limits(max_connections=None))
        self.url = ""
        self.is_there = asyncio.Event()

    async def messages(self, key: str, method: str, path: str, **options: Any) -> AsyncIterator[tuple[int, Any]]:
        """Position and data of each message of a stream, as long as it holds."""
        headers = {"Authorization": f"Bearer {key}", **options.pop("headers", {})}
        await self.is_there.wait()
        position = -1
        try:
            async with self.http.stream(method, self.url + path, headers=headers, **options) as answer:
                assert answer.status_code in (200, 204), await answer.aread()
                async for line in answer.aiter_lines():
                    if line.startswith("id: "):
                        position = int(line[4:])
                    elif line.startswith("data: "):
                        yield position, json.loads(line[6:])
        except httpx.TransportError:
            await asyncio.sleep(0.01)

    async def get(self, key: str, path: str) -> Any:
        answer = await self.http.get(self.url + path, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def follow_log(self, seen: Seen) -> None:
        """Follow the log of a new run of a workflow, by position."""
        key = self.keys[0]
        body = {"inputs": {}, "user": "anna", "response_mode": "async"}
        answer = await self.http.post(
            f"{self.url}/v1/workflows/run", json=body, headers={"Authorization": f"Bearer {key}"}
        )
        seen.run_id = answer.json()["workflow_run_id"]
        path = f"/v1/workflows/run/{seen.run_id}/events"
        while not seen.is_over:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": str(seen.position)}
            if seen.position < 0:
                del headers["Last-Event-ID"]
            async for position, event in self.messages(key, "GET", path, headers=headers):
                assert position == seen.position + 1, "a gap"
                seen.position = position
                match event["event"]:
                    case "text_chunk":
                        seen.text += event["text"]
                    case "text_replaced":
                        seen.text = event["text"]
                        seen.replaced.append(position)
                    case "run_finished":
                        seen.is_over = True

    async def chat(self, seen: Seen) -> None:
        """Have a turn of a chat, and rejoin it with what happened so far, which may be less than what was seen."""
        key = self.keys[1]
        body = {"inputs": {}, "query": "?", "user": "anna", "response_mode": "streaming", "auto_generate_name": False}
        stream = self.messages(key, "POST", "/v1/chat-messages", json=body)
        while not seen.is_over:
            has_text = not seen.run_id
            async for _, message in stream:
                seen.run_id = message.get("workflow_run_id") or seen.run_id
                seen.conversation_id = message.get("conversation_id") or seen.conversation_id
                match message["event"]:
                    case "message":
                        seen.text += message["answer"]
                    case "message_replace":
                        seen.text, has_text = message["answer"], True
                    case "workflow_finished":
                        seen.is_over, seen.came_late = True, not has_text
            assert seen.run_id or not seen.text
            if not seen.run_id:
                return  # cut off before it was told of a run
            query = "user=anna&include_state_snapshot=true&continue_on_pause=true"
            stream = self.messages(key, "GET", f"/v1/workflow/{seen.run_id}/events?{query}")


@pytest.mark.slow
async def test_clients_of_killed_streams_end_up_with_the_text_of_the_record(tmp_path: Path) -> None:
    seed = int(os.environ.get("TEST_SEED") or random.randrange(1 << 30))
    print(f"TEST_SEED={seed}")
    dice, model = random.Random(seed), Model(seed)
    async with model.served() as address:
        providers = {"providers": {"openai": {"type": "openai", "base_url": address, "api_key": "k"}}}
        (tmp_path / "providers.json").write_text(json.dumps(providers))
        settings = {"JIKKO_PROVIDERS": str(tmp_path / "providers.json")}
        place = Place(_import(tmp_path))
        replaced = late = 0
        try:
            for _ in range(KILLS):
                server = await asyncio.to_thread(Server, tmp_path / "home", settings=settings)
                place.url = server.url
                place.is_there.set()
                all_seen = [Seen() for _ in range(STREAMS)]
                clients = [
                    asyncio.create_task((place.chat if number % 2 else place.follow_log)(seen))
                    for number, seen in enumerate(all_seen)
                ]
                await _until_half_speak(all_seen, clients)
                await asyncio.sleep(dice.uniform(0, TOKENS * TOKEN_SECONDS / 2))  # the moment itself is chance
                place.is_there.clear()
                await asyncio.to_thread(server.kill)
                server = await asyncio.to_thread(Server, tmp_path / "home", settings=settings)
                place.url = server.url
                place.is_there.set()
                async with asyncio.timeout(2 * PATIENCE):
                    await asyncio.gather(*clients)
                for number, seen in enumerate(all_seen):
                    if seen.run_id:
                        await _judge(place, model, seen, is_chat=bool(number % 2))
                replaced += sum(bool(seen.replaced) for seen in all_seen)
                late += sum(seen.came_late for seen in all_seen)
                assert await asyncio.to_thread(server.stop) == 0
        finally:
            await place.http.aclose()
            await asyncio.to_thread(server.close)
    print(f"{KILLS} kills of {STREAMS} streams; text was replaced in {replaced}, {late} came back too late")
    # Otherwise the kills hit nothing, and the test says nothing.
    assert replaced > 0


async def _until_half_speak(all_seen: list[Seen], clients: list["asyncio.Task[None]"]) -> None:
    async with asyncio.timeout(PATIENCE):
        while sum(bool(seen.text) for seen in all_seen) <= STREAMS / 2:
            for client in clients:
                if client.done():
                    client.result()
            await asyncio.sleep(0.01)


async def _judge(place: Place, model: Model, seen: Seen, *, is_chat: bool) -> None:
    key = place.keys[is_chat]
    detail = await place.get(key, f"/v1/workflows/run/{seen.run_id}")
    assert detail["status"] == "succeeded", detail
    if is_chat:
        path = f"/v1/messages?user=anna&conversation_id={seen.conversation_id}"
        [message] = (await place.get(key, path))["data"]
        final = message["answer"]
    else:
        final = detail["outputs"]["answer"]
    assert final in model.answers
    assert seen.came_late or seen.text == final
    log = (await place.get(key, f"/v1/workflows/run/{seen.run_id}/events"))["data"]
    assert [event["id"] for event in log] == list(range(len(log)))
    assert sum(event["event"] == "text_replaced" for event in log) <= sum(
        event["event"] == "run_recovered" for event in log
    )
    assert len(seen.replaced) <= 1


def _import(folder: Path) -> list[str]:
    """Keys of a workflow and of a chat that both show what a model says."""
    model = {"provider": "openai", "name": "m", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "user", "text": "?"}]
    llm = node("llm", "llm", model=model, prompt_template=prompt, context={"enabled": False})
    (folder / "workflow.yml").write_text(app("Workflow", [start(), llm, end(answer="llm.text")], "start>llm>end"))
    answer = node("answer", "answer", answer="{{#llm.text#}}")
    (folder / "chat.yml").write_text(app("Chat", [start(), llm, answer], "start>llm>answer", mode="advanced-chat"))
    imported = Command(folder / "home").json("apps", "import", folder / "workflow.yml", folder / "chat.yml")
    return [entry["api_key"] for entry in imported]
