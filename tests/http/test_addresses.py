"""Unknown addresses, unsupported methods, and numbers in queries."""

import httpx
import pytest

from tests.http.scene import RUN, body
from tests.runs.world import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("address", ["/v1/workflows%2Frun", "/v1/workflows%2frun", "/v1%2Fworkflows/run"])
async def test_an_encoded_slash_parts_no_address(client: httpx.AsyncClient, world: World, address: str) -> None:
    answer = await client.post(address, json=body())

    assert answer.status_code == 404
    assert world.script.ran.total() == 0


async def test_other_encoded_characters_are_those_that_they_stand_for(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/workflows/r%75n", json=body())).status_code == 200


async def test_a_refused_method_is_told_which_the_address_has(client: httpx.AsyncClient) -> None:
    addresses = [RUN, "/v1/info", "/openapi.json", "/v1/form/human_input/x"]

    answers = [await client.delete(address) for address in addresses]

    assert {answer.status_code for answer in answers} == {405}
    assert [answer.headers["allow"] for answer in answers] == [
        "OPTIONS, POST",
        "GET, HEAD, OPTIONS",
        "GET, HEAD, OPTIONS",
        "GET, HEAD, OPTIONS, POST",
    ]


@pytest.mark.parametrize("number", ["+-5", "--5", "+", "٣", "5 ", "1e2", "1_0"])
async def test_what_is_no_whole_number_is_refused_in_so_many_words(client: httpx.AsyncClient, number: str) -> None:
    answer = await client.get("/v1/workflows/logs", params={"page": number})

    assert (answer.status_code, answer.json()["message"]) == (400, "page: must be a whole number")


async def test_a_number_may_have_a_sign(client: httpx.AsyncClient) -> None:
    answers = [await client.get("/v1/workflows/logs", params={"page": number}) for number in ("+1", "-1")]

    assert [answer.status_code for answer in answers] == [200, 400]
    assert answers[1].json()["message"] == "page: must lie between 1 and 99999"
