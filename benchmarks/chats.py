"""What a turn of a chat takes, and reading conversations of a server that has very many.

    python -m benchmarks.chats [--most 1000000]

Baselines, measured in the same run: for a turn, the run of a workflow of as many nodes; for one in a long conversation,
one in a short conversation. Filling a store with a million messages takes a minute.
"""

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import App, document, figure, imported, node, put, request, serving, start_end
from benchmarks.sizes import sized
from jikko.apps.end_users import end_user
from jikko.ids import new_id
from jikko.repositories.shared_sql import id_text, stored_id

SECONDS = sized(2.0, 0.02)
ROUNDS = sized(5, 1)
LONG, SHORT = sized(1_000, 20), 10
"""Messages of a conversation."""
EACH = 10
"""Messages of each of the very many conversations."""
USERS = 1_000
_MODEL = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
_ALIKE = ("memory", "plain")
"""A chatflow, and an app without a workflow that does the same."""


def start_answer() -> dict[str, Any]:
    """Two nodes."""
    found = document("chat", [node("start", "start", variables=[]), _answer("{{#sys.query#}}")], ["start --> answer"])
    found["app"]["mode"] = "advanced-chat"
    return found


def remembering() -> dict[str, Any]:
    """The same with a model that is told of earlier turns."""
    memory = {"window": {"enabled": True, "size": 10}, "query_prompt_template": "{{#sys.query#}}"}
    prompt = [{"role": "system", "text": "Answer."}]
    llm = node("llm", "llm", model=_MODEL, prompt_template=prompt, memory=memory, context={"enabled": False})
    nodes = [node("start", "start", variables=[]), llm, _answer("{{#llm.text#}}")]
    found = document("memory", nodes, ["start --> llm", "llm --> answer"])
    found["app"]["mode"] = "advanced-chat"
    return found


def without_workflow() -> dict[str, Any]:
    """What ``remembering`` does, as an app without a workflow."""
    config = {"model": _MODEL, "pre_prompt": "Answer."}
    return {"app": {"name": "plain", "mode": "chat"}, "kind": "app", "version": "0.6.0", "model_config": config}


def _answer(text: str) -> dict[str, Any]:
    return node("answer", "answer", answer=text)


def question(mode: str, conversation_id: str = "", query: str = "hello") -> bytes:
    """The body of a turn."""
    body = {"query": query, "inputs": {}, "user": "bench", "response_mode": mode, "auto_generate_name": False}
    return json.dumps({**body, "conversation_id": conversation_id}).encode()


def asked(port: int, key: str, conversation_id: str = "") -> str:
    """Ask once. Returns the conversation."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}/v1/chat-messages"
    with urllib.request.urlopen(urllib.request.Request(url, question("blocking", conversation_id), headers)) as answer:
        found: str = json.loads(answer.read())["conversation_id"]
        return found


async def first_text(port: int, key: str) -> float:
    """Seconds from a question to the first piece of its streamed answer: the median."""
    wanted = request("POST", "/v1/chat-messages", key, question("streaming"))
    times = []
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began, received = time.perf_counter(), b""
        writer.write(wanted)
        while b'"event":"message",' not in received:
            received += await reader.read(65536)
        times.append(time.perf_counter() - began)
        writer.close()
    return statistics.median(times)


def processor(pid: int) -> float:
    """Seconds that a process has used of the processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def turns(pid: int, port: int, apps: dict[str, App]) -> None:
    """A turn, against the run of a workflow. The two take turns, so that both have the same moments of the machine."""
    run = json.dumps({"inputs": {"q": "hello"}, "user": "bench", "response_mode": "blocking"}).encode()
    workflow = request("POST", "/v1/workflows/run", apps["start_end"].key, run)
    turn = request("POST", "/v1/chat-messages", apps["chat"].key, question("blocking"))
    for clients in (1, 32):
        name = f"blocking start->answer, {clients} client{'s' if clients > 1 else ''}"
        await compared(pid, port, name, workflow, turn, clients=clients, aim="<= 1.3 x start->end")
    chatflow, app = (request("POST", "/v1/chat-messages", apps[name].key, question("blocking")) for name in _ALIKE)
    await compared(pid, port, "chat app, 32 clients", chatflow, app, clients=32, aim="<= 1.1 x the same chatflow")
    said = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], "user": "bench"}
    wire = request("POST", "/v1/chat/completions", apps["chat"].key, json.dumps(said).encode())
    await compared(pid, port, "OpenAI's wire, 32 clients", turn, wire, clients=32, aim="<= 1.1 x /v1/chat-messages")
    figure("streaming, 1 client: first message", await first_text(port, apps["chat"].key) * 1000, "ms", aim="<= 3 ms")


async def compared(pid: int, port: int, name: str, base: bytes, ours: bytes, *, clients: int, aim: str) -> None:
    """Figures of a request, with those of another as baseline. The two take turns."""
    for wanted in (base, ours):
        await put(port, wanted, clients=1, seconds=0.5)
    times: list[list[float]] = [[], []]
    costs: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for which, wanted in enumerate((base, ours)):
            before, began = processor(pid), time.perf_counter()
            load = await put(port, wanted, clients=clients, seconds=SECONDS / 2)
            requests = load.per_second * (time.perf_counter() - began)
            times[which].append(load.median * 1000)
            costs[which].append((processor(pid) - before) / requests * 1e6)
    for what, unit, values in (("p50", "ms", times), ("processor", "us", costs)):
        baseline, found = map(statistics.median, values)
        figure(f"{name}, {what}", found, unit, baseline=baseline, aim=aim)


async def long_conversations(port: int, apps: dict[str, App], home: Path) -> None:
    """A turn of a long conversation, against one of a short one."""
    for name in ("chat", "memory"):
        app = apps[name]
        short, long = asked(port, app.key), asked(port, app.key)
        with closing(sqlite3.connect(home / "jikko.db", timeout=30)) as connection, connection:
            for conversation_id, count in ((short, SHORT), (long, LONG)):
                [key] = connection.execute(
                    "SELECT key FROM conversations WHERE conversation_id = ?", (stored_id(conversation_id),)
                ).fetchone()
                add_messages(connection, ((key, at) for at in range(count - 1)))
        # Turns of the two in turn, so that both have the same moments of the machine.
        times: dict[str, list[float]] = {short: [], long: []}
        for _ in range(ROUNDS):
            for conversation_id in (short, long):
                wanted = request("POST", "/v1/chat-messages", app.key, question("blocking", conversation_id))
                times[conversation_id].append((await put(port, wanted, clients=1, seconds=0.2)).median)
        baseline, ours = (statistics.median(times[conversation_id]) * 1000 for conversation_id in (short, long))
        what = "" if name == "chat" else " with a model's memory"
        figure(f"turn{what} after {LONG} messages, p50", ours, "ms", baseline=baseline, aim="<= 1.3 x after 10")


def add_messages(connection: sqlite3.Connection, places: Iterator[tuple[int, int]]) -> None:
    """Add messages: the number of a conversation, and when."""
    details = '{"metadata":{"usage":{"prompt_tokens":7,"completion_tokens":80,"total_tokens":87}}}'
    connection.executemany(
        "INSERT INTO messages (message_id, conversation, run_id, status, created_at, query, answer, error, inputs, "
        "files, details) VALUES (?, ?, ?, 0, ?, ?, ?, NULL, '{}', '', ?)",
        (
            (stored_id(new_id()), key, stored_id(new_id()), at, f"question {at} " * 4, "an answer " * 40, details)
            for key, at in places
        ),
    )


def fill(path: Path, app: App, messages: int) -> list[tuple[str, str]]:
    """Add conversations with N messages in all. Returns some of them, with their users."""
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        [app_key] = connection.execute("SELECT key FROM names WHERE text = ?", (app.id,)).fetchone()
        users = [f"user-{number}" for number in range(USERS)]
        connection.executemany(
            "INSERT INTO end_users (app, session, end_user_id) VALUES (?, ?, ?)",
            ((app_key, user, stored_id(end_user(app.id, user))) for user in users),
        )
        keys = dict(connection.execute("SELECT session, key FROM end_users WHERE app = ?", (app_key,)))
        count = messages // EACH
        connection.executemany(
            "INSERT INTO conversations (conversation_id, app, end_user, turns, title_due, created_at, updated_at, "
            "name, introduction, inputs) VALUES (?, ?, ?, ?, 0, ?, ?, ?, '', '{}')",
            (
                (stored_id(new_id()), app_key, keys[users[at % USERS]], EACH, at, at + at * 7919 % count, f"about {at}")
                for at in range(count)
            ),
        )
        made = connection.execute(
            "SELECT c.key, conversation_id, session FROM conversations c JOIN end_users u ON u.key = c.end_user "
            "WHERE session LIKE 'user-%' ORDER BY c.key"
        ).fetchall()
        add_messages(connection, ((made[at % count][0], at) for at in range(messages)))
        return [(id_text(conversation), user) for _, conversation, user in made[:: max(1, count // 1000)]]


async def reading(port: int, app: App, places: list[tuple[str, str]], stored: int) -> None:
    """First pages of conversations and messages."""
    kinds: dict[str, Callable[[str, str], str]] = {
        "GET /v1/messages, page 1": lambda conversation, user: (
            f"/v1/messages?conversation_id={conversation}&user={user}"
        ),
        "GET /v1/conversations, page 1": lambda conversation, user: f"/v1/conversations?user={user}",
    }
    for name, path in kinds.items():
        wanted = [request("GET", path(*place), app.key) for place in places]
        await put(port, *wanted, clients=1, seconds=1.0)
        found = await put(port, *wanted, clients=1, seconds=SECONDS)
        figure(f"{name}, {stored} messages stored, p50", found.median * 1000, "ms", aim="<= 2 ms")


async def main(most: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        apps = imported(home, start_end(), start_answer(), remembering(), without_workflow())
        with serving(home, JIKKO_FAKE_MODELS="true") as (pid, port):
            await turns(pid, port, apps)
            await long_conversations(port, apps, home)
        places = fill(home / "jikko.db", apps["chat"], most)
        with serving(home) as (_, port):
            await reading(port, apps["chat"], places, most)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=sized(1_000_000, 100))
    uvloop.run(main(parser.parse_args().most))
