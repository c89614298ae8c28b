"""Files, as clients see them."""

from collections.abc import AsyncIterator

import pytest

from jikko.ids import new_id
from tests.http.scene import client_of
from tests.service.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.close()


async def test_files_of_workflows_have_no_preview(world: World) -> None:
    async with client_of(world, await world.chain()) as client:
        answer = await client.get(f"/v1/files/{new_id()}/preview", params={"as_attachment": "true"})
        without_key = await client.get(f"/v1/files/{new_id()}/preview", headers={"Authorization": ""})

    assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")
    assert answer.json()["message"] == "File not found in message context"
    assert without_key.status_code == 401
