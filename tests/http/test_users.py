"""Owners of runs and files: the ``user`` of a request, wherever it is sent."""

import httpx
import pytest

from tests.http.scene import RUN, body

pytestmark = pytest.mark.anyio

LONGEST = "u" * 255


async def uploaded(client: httpx.AsyncClient, user: str) -> httpx.Response:
    return await client.post("/v1/files/upload", data={"user": user}, files={"file": ("a.txt", b"hello", "text/plain")})


async def started(client: httpx.AsyncClient, user: str) -> httpx.Response:
    return await client.post(RUN, json={**body(q="x"), "user": user})


@pytest.mark.parametrize("user", ["anna", "an\0na", "\0anna\0"])
async def test_a_file_belongs_to_the_user_who_starts_runs_under_the_same_name(
    client: httpx.AsyncClient, user: str
) -> None:
    owner = (await uploaded(client, user)).json()["created_by"]
    run = (await started(client, user)).json()["workflow_run_id"]

    logs = (await client.get("/v1/workflows/logs")).json()["data"]
    assert [(entry["workflow_run"]["id"], entry["created_by_end_user"]["id"]) for entry in logs] == [(run, owner)]
    # Nor does it matter how the user is spelled to listen to the run.
    assert (await client.get(f"/v1/workflow/{run}/events", params={"user": user})).status_code == 200


@pytest.mark.parametrize("user", ["", "\0", "\0\0"])
async def test_a_user_of_nothing_is_none(client: httpx.AsyncClient, user: str) -> None:
    owner = (await uploaded(client, user)).json()["created_by"]
    run = await started(client, user)
    listening = await client.get(f"/v1/workflow/{owner}/events", params={"user": user})

    for refused in (run, listening):
        assert (refused.status_code, refused.json()["message"]) == (400, "Arg user must be provided.")
    assert (await client.get(f"/v1/end-users/{owner}")).json()["session_id"] == "DEFAULT-USER"


async def test_a_user_has_at_most_255_characters(client: httpx.AsyncClient) -> None:
    assert [(await uploaded(client, user)).status_code for user in (LONGEST, LONGEST + "u")] == [201, 400]
    assert [(await started(client, user)).status_code for user in (LONGEST, LONGEST + "u")] == [200, 400]
