"""Chat apps on the world of the service's tests, and clients that talk to them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from jikko.repositories.app_store import App
from tests.acceptance.workflows import app as app_file
from tests.http.scene import client_of
from tests.runs.world import Process, World

NOTE = {"id": "0199a1b2-0000-7000-8000-0000000000b1", "name": "note", "value_type": "string", "value": ""}
LIST = {"id": "0199a1b2-0000-7000-8000-0000000000b2", "name": "list", "value_type": "array[string]", "value": []}


async def chat_app(
    world: World, nodes: Sequence[dict[str, Any]], edges: str, name: str = "Chat", **workflow: Any
) -> App:
    """Publish a chat app."""
    file = app_file(name, nodes, edges, mode="advanced-chat", **workflow).encode()
    return (await world.apps.publish(file, source=name)).app


class Chat:
    """End user of a chat app."""

    def __init__(self, client: httpx.AsyncClient, user: str = "anna") -> None:
        self.client = client
        self.user = user
        self.conversation_id = ""

    async def ask(self, query: str, /, **more: Any) -> httpx.Response:
        """Ask in the conversation, which the first question creates."""
        answer = await self.client.post("/v1/chat-messages", json=self.body(query, **more))
        if answer.status_code == 200 and answer.headers["content-type"] == "application/json":
            self.conversation_id = answer.json()["conversation_id"]
        return answer

    def body(self, query: str, /, **more: Any) -> dict[str, Any]:
        body: dict[str, Any] = {
            "query": query,
            "inputs": {},
            "user": self.user,
            "conversation_id": self.conversation_id,
        }
        return body | more

    async def stream(self, query: str, /, **more: Any) -> list[dict[str, Any]]:
        """Return the events of a streamed answer."""
        answer = await self.ask(query, response_mode="streaming", **more)
        events = events_of(answer.text)
        for event in events[:1]:
            self.conversation_id = event.get("conversation_id", self.conversation_id)
        return events

    async def messages(self, **more: Any) -> list[dict[str, Any]]:
        """Return the messages of the conversation, oldest first."""
        query = {"user": self.user, "conversation_id": self.conversation_id} | more
        answer = await self.client.get("/v1/messages", params=query)
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    async def variables(self) -> dict[str, str]:
        """Return the variables of the conversation, as texts."""
        answer = await self.client.get(
            f"/v1/conversations/{self.conversation_id}/variables", params={"user": self.user}
        )
        return {entry["name"]: entry["value"] for entry in answer.json()["data"]}

    async def conversations(self, **more: Any) -> list[dict[str, Any]]:
        answer = await self.client.get("/v1/conversations", params={"user": self.user} | more)
        found: list[dict[str, Any]] = answer.json()["data"]
        return found


@asynccontextmanager
async def chat_with(world: World, app: App, process: Process | None = None) -> AsyncIterator[Chat]:
    """End user of an app."""
    async with client_of(world, app, process) as client:
        yield Chat(client)


def events_of(text: str) -> list[dict[str, Any]]:
    """Parse the messages of a stream."""
    return [msgspec.json.decode(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def answer_of(events: Sequence[dict[str, Any]]) -> str:
    """Return the final answer, as a client of the stream sees it."""
    text = ""
    for event in events:
        if event["event"] == "message":
            text += event["answer"]
        elif event["event"] == "message_replace":
            text = event["answer"]
    return text
