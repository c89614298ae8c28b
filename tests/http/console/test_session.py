"""Sign-in to the console."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from jikko.cluster.alone import Alone
from jikko.errors import InvalidSettings
from jikko.http.app import create_app
from tests.http.console.scene import API, MANAGEMENT, OWN_PAGE, Clock, Scene, console_on, decoded

pytestmark = pytest.mark.anyio

HOURS = 3600.0
PROXY = {"trusted_proxies": ("127.0.0.1",)}
PUBLIC = {"public_url": "https://jikko.example:443/jikko"}


async def test_a_link_opens_it_once(scene: Scene) -> None:
    ticket = await scene.access.ticket("operator")
    async with scene.client(**OWN_PAGE) as client, scene.client(**OWN_PAGE) as other:
        signed_in = decoded(await client.post(f"{API}/session", json={"ticket": ticket}))
        again = await other.post(f"{API}/session", json={"ticket": ticket})

        scopes = signed_in.pop("scopes")
        assert signed_in == {"role": "operator", "name": "link", "expires_at": scene.clock.now + 12 * HOURS}
        assert "tokens:write" in scopes
        assert again.status_code == 401
        assert decoded(await client.get(f"{API}/session"))["server"]["now"] == scene.clock.now


async def test_a_link_is_no_good_after_five_minutes(scene: Scene) -> None:
    ticket = await scene.access.ticket("operator")
    scene.clock.now += 301
    async with scene.client(**OWN_PAGE) as client:
        assert (await client.post(f"{API}/session", json={"ticket": ticket})).status_code == 401


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(scene: Scene) -> None:
    ticket = await scene.access.ticket("viewer")
    async with scene.client(**OWN_PAGE) as client:
        cookie = (await client.post(f"{API}/session", json={"ticket": ticket})).headers["set-cookie"]
    assert "HttpOnly; SameSite=Strict" in cookie
    assert "; Path=/console;" in cookie
    assert "Secure" not in cookie


async def test_over_https_the_cookie_stays_there(tmp_path: Path) -> None:
    url = "https://jikko.example/below"
    async with console_on(tmp_path, public_url=url) as scene:
        ticket = await scene.access.ticket("viewer")
        headers = OWN_PAGE | {"Origin": "https://jikko.example"}
        async with scene.client("http://jikko.example", **headers) as client:
            answer = await client.post(f"{API}/session", json={"ticket": ticket})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Secure-jikko_console=")
    assert "; Path=/below/console;" in cookie
    assert cookie.endswith("; Secure")


async def test_a_token_begins_a_session_that_ends_with_it(scene: Scene) -> None:
    entry, token = await scene.access.new_token("Anna", "viewer")
    async with scene.client(**OWN_PAGE) as client:
        assert decoded(await client.post(f"{API}/session", json={"token": token}))["name"] == "Anna"
        assert decoded(await client.get(f"{API}/session"))["role"] == "viewer"
        await scene.access.revoke(entry.id)
        assert (await client.get(f"{API}/session")).status_code == 401


@pytest.mark.parametrize("name", ["token", "ticket"])
@pytest.mark.parametrize("given", [5, None, ["a"], {}], ids=repr)
async def test_what_opens_it_is_a_text(scene: Scene, name: str, given: object) -> None:
    async with scene.client(**OWN_PAGE) as client:
        answer = await client.post(f"{API}/session", json={name: given})

    assert (answer.status_code, answer.json()["message"]) == (400, f"{name}: must be a text")


async def test_the_token_of_the_settings_opens_it_until_it_is_another(tmp_path: Path) -> None:
    first, second = "a" * 40, "b" * 40
    async with console_on(tmp_path, console_token=first) as scene, scene.client(**OWN_PAGE) as client:
        assert decoded(await client.post(f"{API}/session", json={"token": first}))["name"] == "JIKKO_CONSOLE_TOKEN"
        cookies = dict(client.cookies)
    for token, status in ((first, 200), (second, 401)):
        async with console_on(tmp_path, console_token=token) as scene, scene.client() as client:
            client.cookies.update(cookies)
            assert (await client.get(f"{API}/session")).status_code == status


async def test_a_short_token_in_the_settings_keeps_the_server_from_starting(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="a secure token has at least 32"):
        async with console_on(tmp_path, console_token="secret"):
            pass


async def test_api_keys_of_apps_open_nothing(scene: Scene) -> None:
    async with scene.client(**OWN_PAGE) as client:
        refused = await client.post(f"{API}/session", json={"token": "app-" + "x" * 32})
        assert refused.status_code == 401
        assert (await client.get(f"{API}/session", headers={"Authorization": "Bearer app-x"})).status_code == 401


async def test_a_session_is_over_when_it_is_idle_or_old(scene: Scene) -> None:
    async with await scene.browser() as client:
        for _ in range(16):
            scene.clock.now += 10 * HOURS
            assert (await client.get(f"{API}/session")).status_code == 200
        scene.clock.now += 10 * HOURS
        assert (await client.get(f"{API}/session")).status_code == 401
    async with await scene.browser() as client:
        scene.clock.now += 12 * HOURS + 61
        assert (await client.get(f"{API}/session")).status_code == 401


async def test_a_session_holds_with_another_worker(scene: Scene, tmp_path: Path) -> None:
    async with (
        await scene.browser() as client,
        console_on(tmp_path / "home", scene.clock) as other,
        other.client() as elsewhere,
    ):
        elsewhere.cookies.update(dict(client.cookies))
        assert (await elsewhere.get(f"{API}/session")).status_code == 200
        assert (await client.delete(f"{API}/session")).status_code == 204
        assert (await elsewhere.get(f"{API}/session")).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Jikko-Console": ""},
        {"X-Jikko-Console": "2"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:8001"},
        {"Origin": "https://localhost:8000"},
        {"Origin": "https://localhost:8000", "X-Forwarded-Proto": "https"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[malformed"},
    ],
)
async def test_pages_of_other_sites_change_nothing(scene: Scene, headers: dict[str, str]) -> None:
    ticket = await scene.access.ticket("operator")
    async with await scene.browser() as client:
        for call in (
            client.post(f"{API}/session", json={"ticket": ticket}, headers=headers),
            client.delete(f"{API}/session", headers=headers),
            client.post(f"{API}/tokens", json={"name": "mine"}, headers=headers),
        ):
            answer = await call
            assert (answer.status_code, answer.json()["code"]) == (403, "wrong_origin")
        assert await scene.access.tokens() == []


@pytest.mark.parametrize(
    "headers", [{"X-Jikko-Console": ""}, {"Origin": "http://evil.example"}], ids=["no header", "foreign"]
)
async def test_no_changing_operation_takes_a_cookie_from_a_page_of_another_site(
    scene: Scene, headers: dict[str, str]
) -> None:
    changing = [operation for operation in scene.operations if operation.method not in ("GET", "HEAD")]
    async with await scene.browser() as client:
        for operation in changing:
            if operation.path.startswith(API):
                path = operation.path.replace("{", "").replace("}", "")
                answer = await client.request(operation.method, path, content=b"{}", headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (403, "wrong_origin"), operation
        assert decoded(await client.get(f"{API}/session"))["role"] == "operator"
    assert {operation.method for operation in changing} >= {"POST", "DELETE"}


@pytest.mark.parametrize(
    ("settings", "base_url", "forwarded", "origin", "status"),
    [
        ({}, "http://localhost:80", {}, "http://localhost", 204),
        ({}, "https://localhost", {}, "https://localhost", 204),
        ({}, "https://localhost", {}, "http://localhost", 403),
        (PROXY, "http://localhost:8000", {"X-Forwarded-Proto": "https"}, "https://localhost:8000", 204),
        (PROXY, "http://localhost:8000", {"X-Forwarded-Proto": "https"}, "http://localhost:8000", 403),
        (PUBLIC, "http://jikko.example", {}, "https://jikko.example", 204),
        (PUBLIC, "http://jikko.example", {}, "http://jikko.example", 403),
        (PUBLIC, "http://localhost:8000", {}, "http://localhost:8000", 204),
    ],
)
async def test_a_page_is_the_consoles_own_at_the_scheme_under_which_it_is_reached(
    tmp_path: Path, settings: dict[str, Any], base_url: str, forwarded: dict[str, str], origin: str, status: int
) -> None:
    headers = {**OWN_PAGE, **forwarded, "Origin": origin}
    async with console_on(tmp_path, **settings) as scene, scene.client(base_url) as client:
        assert (await client.delete(f"{API}/session", headers=headers)).status_code == status


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost:x", "[::1", "10.0.0.1", ""])
@pytest.mark.parametrize(
    "path", ["/console/", "/console/api/session", "/api/v1/session", "/console/openapi.json", "/console"]
)
async def test_names_that_were_made_to_lead_here_are_refused(scene: Scene, host: str, path: str) -> None:
    async with await scene.browser() as client:
        answer = await client.get(path, headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "wrong_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "jikko.example:8443"])
async def test_hosts_of_the_server_are_answered(tmp_path: Path, host: str) -> None:
    async with console_on(tmp_path, public_url="https://jikko.example:8443/x") as scene, scene.client() as client:
        assert (await client.get(f"{API}/session", headers={"Host": host})).status_code == 401


async def test_who_guesses_has_to_wait(scene: Scene) -> None:
    async with scene.client(**OWN_PAGE) as client:
        tries = [await client.post(f"{API}/session", json={"token": "guess"}) for _ in range(11)]
    assert [answer.status_code for answer in tries] == [401] * 10 + [429]
    assert int(tries[-1].headers["retry-after"]) > 0


async def test_tries_are_counted_at_all_processes_together(tmp_path: Path) -> None:
    cluster = Alone()
    tries = []
    async with console_on(tmp_path, cluster=cluster) as one, console_on(tmp_path, cluster=cluster) as other:
        for scene in (one, other) * 6:
            async with scene.client(**OWN_PAGE) as client:
                tries.append(await client.post(f"{API}/session", json={"token": "guess"}))
    assert [answer.status_code for answer in tries] == [401] * 10 + [429] * 2


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"token": 1}', b'{"token": "a", "ticket": "b"}', b"{}"])
async def test_a_body_that_is_none_is_refused(scene: Scene, body: bytes) -> None:
    async with scene.client(**OWN_PAGE) as client:
        answer = await client.post(f"{API}/session", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


async def test_scripts_need_neither_cookie_nor_header(scene: Scene, operator: httpx.AsyncClient) -> None:
    made = decoded(await operator.post(f"{API}/tokens", json={"name": "CI", "role": "viewer"}), 201)
    assert made["token"].startswith("jko_")
    assert decoded(await operator.get(f"{API}/session"))["expires_at"] == 0
    [own, listed] = decoded(await operator.get(f"{API}/tokens"))["data"]
    assert own["used_at"] == scene.clock.now
    assert (listed["name"], listed["hint"], "token" in listed) == ("CI", made["token"][:8] + "…", False)
    assert (await operator.delete(f"{API}/tokens/{made['id']}")).status_code == 204
    assert (await operator.delete(f"{API}/tokens/{made['id']}")).status_code == 404
    assert (await operator.delete(f"{API}/tokens/x")).status_code == 404


async def test_a_password_for_a_proxy_in_front_is_none_of_the_console(scene: Scene) -> None:
    basic = {"Authorization": "Basic YW5uYTpzZWNyZXQ="}
    async with await scene.browser() as client, scene.client() as nobody:
        assert (await client.get(f"{API}/session", headers=basic)).status_code == 200
        made = await client.post(f"{API}/tokens", json={"name": "CI"}, headers=basic)
        assert made.status_code == 201
        foreign = {**basic, "Origin": "http://evil.example"}
        assert (await client.post(f"{API}/tokens", json={"name": "CI"}, headers=foreign)).status_code == 403
        refused = await nobody.get(f"{API}/session", headers=basic)
    assert (refused.status_code, "not `Bearer jko_…`" in refused.json()["message"]) == (401, True)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "bearer\tjko_x", "jko_x", "Bearer a b", "Token jko_x", "é"])
async def test_a_header_that_is_no_token_opens_nothing(scene: Scene, header: str) -> None:
    async with scene.client() as client:
        answer = await client.get(f"{API}/session", headers=[(b"authorization", header.encode("latin-1"))])
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_every_operation_asks_who_it_is_and_viewers_may_not_do_all(
    scene: Scene, viewer: httpx.AsyncClient
) -> None:
    for_operators, reading = 0, set()
    async with scene.client(**OWN_PAGE) as client:
        for operation in scene.operations:
            if operation.key != "console" or operation.path == "/mcp/manage":  # whose tools are these operations
                continue
            path = operation.path.replace("{", "").replace("}", "")
            anyone = await client.request(operation.method, path, content=b"nonsense")
            assert anyone.status_code == 401, operation.path
            if operation.method != "GET":
                answer = await viewer.request(operation.method, path, content=b"nonsense")
                assert answer.json()["code"] == "missing_scope", operation.path
                for_operators += 1
            # A stream that may be read would not end.
            elif "text/event-stream" not in operation.answers.values() and (await viewer.get(path)).status_code == 403:
                reading.add(operation.path.removeprefix(MANAGEMENT).removeprefix(API))
    assert for_operators > 1
    of_version = [f"versions/{{workflow_id}}/{part}" for part in ("source", "nodes/{node_id}")]
    secret = {f"/apps/{{app_id}}/{part}" for part in ("keys", "environment", *of_version)}
    asks_a_model = "/conversations/{conversation_id}/messages/{message_id}/suggested"
    assert reading == {"/audit", "/tokens", "/runs/{run_id}/shares", asks_a_model, *secret}


async def test_what_is_done_is_logged_with_the_name_and_without_secrets(
    scene: Scene, operator: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jikko.console")
    made = decoded(await operator.post(f"{API}/tokens", json={"name": "CI"}), 201)
    await operator.delete(f"{API}/tokens/{made['id']}")
    logged = [record.getMessage() for record in caplog.records]
    assert logged == [
        "made token CI (operator) by script (operator)",
        f"revoked token {made['id']} by script (operator)",
    ]


async def test_nothing_of_it_may_be_read_by_other_sites_or_kept(scene: Scene) -> None:
    async with await scene.browser() as client:
        answer = await client.get(f"{API}/session")
        refused = await client.get(f"{API}/nothing")
        preflight = await client.options(f"{API}/session", headers={"Access-Control-Request-Method": "POST"})
    for each in (answer, refused, preflight):
        assert not [name for name in each.headers if name.startswith("access-control")]
        assert each.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert each.headers["x-content-type-options"] == "nosniff"
        assert each.headers["referrer-policy"] == "same-origin"
        assert each.headers["cross-origin-opener-policy"] == "same-origin"
        assert each.headers["cache-control"] == "no-store"
    assert refused.json()["code"] == "not_found"


async def test_off_there_is_no_such_address(tmp_path: Path) -> None:
    from jikko.assemble import assemble
    from jikko.settings import Settings

    async with assemble(Settings(home=tmp_path, console=False), clock=Clock(), console=True) as assembly:
        application = create_app(assembly)
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            for path in (
                "/console",
                "/console/",
                "/console/api/session",
                "/console/openapi.json",
                "/api/v1/apps",
                "/api/docs",
            ):
                assert (await client.get(path)).status_code == 404
                assert (await client.post(path)).status_code == 404
            assert (await client.get("/", headers={"Accept": "text/html"})).status_code == 200


def test_a_server_without_a_console_imports_nothing_of_it() -> None:
    program = (
        "import jikko.assemble, jikko.http.app, jikko.server.serving, sys; "
        "print([name for name in sys.modules if name.startswith(('jikko.console', 'jikko.forecast'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_who_has_not_signed_in_sends_little(scene: Scene) -> None:
    async with scene.client(**OWN_PAGE) as client:
        answer = await client.post(f"{API}/session", json={"token": "x" * 70_000})

    assert decoded(answer, 413)["code"] == "request_entity_too_large"
