"""Whether what the clients of the soak were told holds in the end."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.soak_apps import DATASET, EVERY
from benchmarks.soak_clients import Findings, Given
from jikko.repositories.shared_sql import id_text

PATIENCE: Final = 30.0
"""Seconds within which what was accepted is done once no more comes."""


async def lost(given: Given, findings: Findings) -> list[str]:
    """What is wrong with that of which clients were told."""
    wrong: list[str] = []
    runs = iter(findings.expected.items())
    asked = {(app, conversation, user) for app, conversation, user, _ in findings.messages.values()}
    conversations = iter(sorted(asked))
    kept: dict[str, str] = {}
    async with aiohttp.ClientSession(base_url=given.at.url, timeout=aiohttp.ClientTimeout(total=60)) as session:

        async def got(path: str, app: str, **query: Any) -> Any:
            async with session.get(path, headers=given.headers(app), params=query) as answer:
                return (
                    await answer.json() if answer.status == 200 else {"status": f"answer {answer.status}", "data": []}
                )

        async def look_at_runs() -> None:
            for run_id, expected in runs:
                path, app = f"/v1/workflows/run/{run_id}", findings.apps[run_id]

                async def status(path: str = path, app: str = app) -> str:
                    return str((await got(path, app))["status"])

                found = await settled(status, expected)
                if found not in expected or findings.reported.get(run_id, found) != found:
                    wrong.append(
                        f"{run_id} of {app}: {found}, expected {expected}, reported {findings.reported.get(run_id)}"
                    )

        async def look_at_conversations() -> None:
            for app, conversation, user in conversations:
                page = await got("/v1/messages", app, conversation_id=conversation, user=user, limit=100)
                kept.update({message["id"]: message["answer"] for message in page["data"]})

        await asyncio.gather(*(look_at_runs() for _ in range(8)), *(look_at_conversations() for _ in range(8)))
        wrong += [
            f"message {message_id} of {app}: is {kept.get(message_id)!r}, told {told!r}"
            for message_id, (app, _, _, told) in findings.messages.items()
            if kept.get(message_id) != told
        ]
        for document, batch in findings.batches.items():

            async def indexed(batch: str = batch) -> str:
                page = await got(f"/v1/datasets/{DATASET}/documents/{batch}/indexing-status", "dataset")
                return ",".join(each["indexing_status"] for each in page["data"])

            if (found := await settled(indexed, ("completed",))) != "completed":
                wrong.append(f"document {document}: {found}")
    return wrong


async def settled(status: Callable[[], Awaitable[str]], wanted: tuple[str, ...]) -> str:
    """A status once it is a wanted one; what it is after some time otherwise."""
    until = time.monotonic() + PATIENCE
    # No event tells of it: the server is asked over HTTP, as its clients do.
    while (found := await status()) not in wanted and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    return found


def lost_calls(home: Path, findings: Findings) -> list[str]:
    """What is wrong with calls of the webhook and due times, once the server has stopped."""
    with closing(sqlite3.connect(home / "jikko.db")) as database:
        calls = database.execute(
            "SELECT sender, count(*), sum(r.status = 2) FROM deliveries d LEFT JOIN runs r ON r.run_id = d.run_id "
            "WHERE verdict = 'accepted' GROUP BY sender"
        ).fetchall()
        times = database.execute("SELECT due, count, state, why, run_id FROM due_times ORDER BY due").fetchall()
        statuses = {id_text(run): status for run, status in database.execute("SELECT run_id, status FROM runs")}
    known = {sender: (count, ended) for sender, count, ended in calls}
    wrong = [f"call {name}: {known.get(name)}" for name in findings.taken if known.get(name) != (1, 1)]
    wrong += [f"call {name} ran {count} times" for name, (count, _) in known.items() if count > 1]
    missing = round((times[-1][0] - times[0][0]) / EVERY) + 1 - sum(time[1] for time in times)
    wrong += [f"{missing} due times are missing"] if missing else []
    # The last one may have been under way when the server stopped.
    wrong += [f"due time {row}" for row in times[:-1] if row[2] != "started" or statuses.get(row[4]) != 2]
    findings.noted["due times"] = len(times)
    return wrong
