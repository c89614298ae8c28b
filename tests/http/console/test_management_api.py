"""The management API: the operations of the console, for scripts, below an address of its own."""

import httpx
import pytest

from tests.http.console.scene import API, MANAGEMENT, OWN_PAGE, Scene, decoded
from tests.http.console.test_runs import ECHO, ran

pytestmark = pytest.mark.anyio


async def test_scripts_and_the_page_reach_the_same_operations(scene: Scene) -> None:
    paths: dict[str, set[tuple[str, str]]] = {API: set(), MANAGEMENT: set()}
    for operation in scene.operations:
        for beginning, found in paths.items():
            if operation.key == "console" and operation.path.startswith(beginning):
                found.add((operation.method, operation.path.removeprefix(beginning)))
    assert paths[API] == paths[MANAGEMENT]
    assert ("GET", "/runs/{run_id}") in paths[MANAGEMENT]


async def test_a_script_reads_and_changes_by_its_token(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    run = await ran(operator, echo, q="見積もり 🧾")
    found = decoded(await operator.get(f"{MANAGEMENT}/runs/{run['id']}"))
    assert found == decoded(await operator.get(f"{API}/runs/{run['id']}"))
    assert (await operator.delete(f"{MANAGEMENT}/runs/{run['id']}")).status_code == 204
    assert (await operator.get(f"{API}/runs/{run['id']}")).status_code == 404


async def test_a_cookie_needs_the_consoles_own_page_there_too(scene: Scene) -> None:
    async with await scene.browser() as client:
        made = await client.post(f"{MANAGEMENT}/tokens", json={"name": "x"}, headers={"X-Jikko-Console": ""})
        assert (made.status_code, made.json()["code"]) == (403, "wrong_origin")
        cookie = (await client.delete(f"{API}/session")).headers["set-cookie"]
    assert "Path=/console;" in cookie  # browsers send it to nothing below /api


@pytest.mark.parametrize("host", ["jikko.internal", "10.0.0.1:8000", "evil.example"])
async def test_a_token_is_taken_at_any_name_of_the_server(scene: Scene, operator: httpx.AsyncClient, host: str) -> None:
    assert (await operator.get(f"{MANAGEMENT}/apps", headers={"Host": host})).status_code == 200
    async with scene.client(**OWN_PAGE) as nobody:
        assert (await nobody.get(f"{MANAGEMENT}/apps", headers={"Host": host})).status_code == 421


async def test_no_page_of_another_site_reads_it_and_nothing_is_kept(scene: Scene, operator: httpx.AsyncClient) -> None:
    answer = await operator.get(f"{MANAGEMENT}/apps", headers={"Origin": "http://evil.example"})
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for each in (answer, await operator.options(f"{MANAGEMENT}/apps", headers=asked)):
        assert not [name for name in each.headers if name.startswith("access-control")]
        assert (each.headers["cache-control"], each.headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_its_description_is_a_page_too(scene: Scene) -> None:
    async with scene.client() as client:
        page = await client.get("/api/docs", headers={"Host": "jikko.internal"})
        description = await client.get("/api/openapi.json", headers={"Host": "jikko.internal"})
        script = await client.get("/api/docs/reference.js")
        other = await client.get("/api/docs/../../secret")
        nothing = await client.get(f"{MANAGEMENT}/nothing")
    assert description.json()["info"]["title"] == "Jikko management"
    assert len(page.headers.get_list("content-security-policy")) == 1
    assert (page.status_code, script.status_code, other.status_code, nothing.status_code) == (200, 200, 404, 404)
    assert "Jikko management" in page.text
    assert 'data-path="/api/v1/runs/{run_id}/stop"' in page.text
    assert 'data-base="../"' in page.text  # its paths begin one level above the page
    assert "Bearer jko_" in page.text


@pytest.mark.parametrize(
    "address", [f"{MANAGEMENT}/nothing/日本", f"{MANAGEMENT}/runs/a%2Fb", f"{API}/nothing", "/mcp/manage/x"]
)
async def test_an_address_that_there_is_not_is_an_error_that_programs_read(
    operator: httpx.AsyncClient, address: str
) -> None:
    answer = await operator.get(address)

    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (404, "not_found", 404)
