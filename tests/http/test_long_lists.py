"""Long records are read and answered beside others' requests, and are the same as short ones."""

import json
import threading
from typing import Any

import httpx
import pytest

from jikko.dify.dify_events import encode
from jikko.http import responses
from jikko.runs.reading import run_history
from tests.http.scene import RUN, body

pytestmark = pytest.mark.anyio


async def ran(client: httpx.AsyncClient) -> str:
    answer = await client.post(RUN, json=body())
    assert answer.status_code == 200, answer.text
    run_id: str = answer.json()["workflow_run_id"]
    return run_id


@pytest.mark.parametrize("what", ["node-executions", "events"])
async def test_a_long_list_is_the_same_as_a_short_one_and_made_elsewhere(
    client: httpx.AsyncClient, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await ran(client)
    short = await client.get(f"{RUN}/{run_id}/{what}")
    threads: set[str] = set()

    def noted(value: Any) -> bytes:
        threads.add(threading.current_thread().name)
        return encode(value)

    monkeypatch.setattr(responses, "encode", noted)
    monkeypatch.setattr(responses, "_MAX_INLINE_ENTRIES", 1)
    monkeypatch.setattr(run_history, "_MAX_INLINE_EVENTS", 1)
    long = await client.get(f"{RUN}/{run_id}/{what}")

    assert long.content == short.content
    assert len(json.loads(long.content)["data"]) > 1
    assert {name.rpartition("_")[0] for name in threads} == {"jikko-records"}
