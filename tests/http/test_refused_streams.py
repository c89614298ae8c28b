"""A streaming start that is refused once its answer has begun: the refusal comes as a run that failed."""

import json

import httpx
import pytest

from jikko.repositories.app_store import App
from tests.http.scene import RUN, body
from tests.runs.world import World

pytestmark = pytest.mark.anyio


async def test_it_begins_and_ends_as_a_failed_run_of_nobody(client: httpx.AsyncClient, world: World, app: App) -> None:
    answer = await client.post(RUN, json=body("streaming", q=["値"]))

    assert answer.status_code == 200
    assert answer.text.startswith("event: ping\n\ndata: ")
    started, finished = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: ")]
    run = started["workflow_run_id"]
    assert started == {
        "event": "workflow_started",
        "task_id": run,
        "workflow_run_id": run,
        "data": {
            "id": run,
            "workflow_id": app.workflow_id,
            "inputs": {"q": ["値"]},
            "created_at": int(world.now),
            "reason": "initial",
        },
    }
    data = finished.pop("data")
    assert finished == {"event": "workflow_finished", "task_id": run, "workflow_run_id": run}
    assert "q" in data.pop("error")
    assert data == {
        "id": run,
        "workflow_id": app.workflow_id,
        "status": "failed",
        "outputs": None,
        "elapsed_time": 0.0,
        "total_tokens": 0,
        "total_steps": 0,
        "created_by": {},
        "created_at": int(world.now),
        "finished_at": int(world.now),
        "exceptions_count": 1,
        "files": [],
    }


async def test_nothing_is_kept_of_it(client: httpx.AsyncClient) -> None:
    answer = await client.post(RUN, json=body("streaming", q=["x"]))
    run = json.loads(answer.text.partition("data: ")[2].partition("\n")[0])["workflow_run_id"]

    assert (await client.get(f"{RUN}/{run}")).status_code == 404
    assert (await client.get("/v1/workflows/logs")).json()["total"] == 0
