"""API keys: access and transmission."""

import httpx
import pytest

from tests.http.scene import RUN, body, client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio


def sent_as(client: httpx.AsyncClient, text: str) -> dict[str, str]:
    """The header with the key of the client in it, written in another way."""
    key = client.headers["Authorization"].removeprefix("Bearer ")
    return {"Authorization": text.format(key=key)}


@pytest.mark.parametrize("way", ["Basic {key}", "Token {key}", "Digest {key}", "Bearer: {key}", "{key}", "Bearer"])
async def test_a_good_key_that_is_sent_in_another_way_opens_nothing(client: httpx.AsyncClient, way: str) -> None:
    run = (await client.post(RUN, json=body())).json()["workflow_run_id"]
    headers = sent_as(client, way)

    answers = [
        await client.get("/v1/info", headers=headers),
        await client.get(f"{RUN}/{run}", headers=headers),
        await client.get(f"{RUN}/{run}/events", headers=headers),
        await client.post(RUN, json=body(), headers=headers),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(401, "unauthorized")] * 4


@pytest.mark.parametrize("way", ["Bearer {key}", "bearer {key}", "BEARER {key}", "Bearer   {key}  "])
async def test_the_scheme_may_be_in_any_case_and_blanks_do_not_matter(client: httpx.AsyncClient, way: str) -> None:
    run = (await client.post(RUN, json=body())).json()["workflow_run_id"]
    headers = sent_as(client, way)

    answers = [await client.get(path, headers=headers) for path in ("/v1/info", f"{RUN}/{run}")]

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_key_that_was_revoked_no_longer_reads_a_run(world: World) -> None:
    app = await world.chain()
    async with client_of(world, app) as client:
        path = f"{RUN}/{(await client.post(RUN, json=body())).json()['workflow_run_id']}"
        assert (await client.get(path)).status_code == 200

        for key in await world.app_store.keys(app.id):
            await world.app_store.delete_key(app.id, key.id)

        assert (await client.get(path)).status_code == 401
