"""Shared links: access, limits, and expiry."""

import hashlib
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.workflows import app, end, form, start, with_environment
from tests.http.console.scene import API, MANAGEMENT, OWN_PAGE, Clock, Scene, console_on, decoded
from tests.http.console.test_runs import ECHO, ran

pytestmark = pytest.mark.anyio

DAY = 86_400.0
NAMED = "01a21069-21d3-76c6-be60-4605da1417ed"
FORM = app("Form", [start(), form("ask", "秘密 ✉️"), end()], "start>ask ask:yes>end ask:no>end")


async def shared(client: httpx.AsyncClient, run_id: str, **body: Any) -> dict[str, Any]:
    """A link to a run, as it is told when it is made."""
    made: dict[str, Any] = decoded(await client.post(f"{MANAGEMENT}/runs/{run_id}/shares", json=body), 201)
    return made


def key_in(share: dict[str, Any]) -> str:
    return urlsplit(str(share["url"])).fragment.removeprefix("key=")


@asynccontextmanager
async def opened(scene: Scene, run_id: str, share: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has opened a link."""
    async with scene.client(**OWN_PAGE) as client:
        decoded(await client.post(f"{API}/shared/{run_id}", json={"key": key_in(share)}))
        yield client


async def is_over(client: httpx.AsyncClient, run_id: str) -> bool:
    answer = await client.get(f"{API}/shared/{run_id}")
    assert (answer.status_code, answer.json().get("code")) in ((200, None), (404, "share_over"))
    return answer.status_code == 404


async def test_a_link_shows_one_run_to_a_browser_that_has_not_signed_in(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="共有 🔗 \ue000")
    share = await shared(operator, run["id"])
    assert share["expires_at"] == scene.clock.now + 7 * DAY
    assert share["url"].startswith(f"http://localhost:8000/console/shared/{run['id']}#key=")
    async with opened(scene, run["id"], share) as browser:
        told = decoded(await browser.get(f"{API}/shared/{run['id']}"))
        assert (told["id"], told["status"], told["expires_at"]) == (run["id"], "succeeded", share["expires_at"])
        assert {each["id"] for each in told["graph"]["nodes"]} >= {"start", "end"}
        log = decoded(await browser.get(f"{API}/shared/{run['id']}/log"))
        assert log["data"][0]["inputs"]["q"] == "共有 🔗 \ue000"
        path = f"{API}/shared/{run['id']}/log/0/value"
        assert decoded(await browser.get(path, params={"path": "/inputs/q"})) == "共有 🔗 \ue000"
        text = (await browser.get(f"{API}/shared/{run['id']}/stream")).text
        assert "event: run_finished" in text


async def test_its_cookie_reaches_that_run_alone(scene: Scene, operator: httpx.AsyncClient) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    share = await shared(operator, run["id"], days=1)
    async with scene.client(**OWN_PAGE) as client:
        answer = await client.post(f"{API}/shared/{run['id']}", json={"key": key_in(share)})
    cookie = answer.headers["set-cookie"]
    assert cookie.endswith(f"; Path={API}/shared/{run['id']}; Max-Age=86400; HttpOnly; SameSite=Strict")
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"


async def test_over_https_the_cookie_stays_there(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"public_url": "https://jikko.example/below", "console_shares": True}
    async with console_on(tmp_path, **settings) as scene, await scene.script() as operator:
        run = await ran(operator, await scene.publish(ECHO), q="1")
        share = await shared(operator, run["id"])
        assert share["url"].startswith("https://jikko.example/below/console/shared/")
        headers = OWN_PAGE | {"Origin": "https://jikko.example"}
        async with scene.client("http://jikko.example", **headers) as client:
            answer = await client.post(f"{API}/shared/{run['id']}", json={"key": key_in(share)})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Secure-jikko_shared=")
        assert f"; Path=/below{API}/shared/{run['id']};" in cookie
        assert cookie.endswith("; Secure")


async def test_the_key_opens_no_other_run_and_no_other_operation(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo, with_form = await scene.publish(ECHO), await scene.publish(FORM)
    run, other = await ran(operator, echo, q="1"), await ran(operator, echo, q="2")
    elsewhere = (await ran(operator, with_form))["id"]
    share = await shared(operator, run["id"])
    key = key_in(share)
    own = f"{API}/shared/{run['id']}"
    cookies = f"jikko_shared={key}; jikko_console={key}"
    open_to_all = {operation.path for operation in scene.operations if operation.open}
    async with scene.client(**OWN_PAGE, Cookie=cookies) as client:
        for run_id in (other["id"], elsewhere, NAMED, "nonsense", run["id"] + "0"):
            for rest in ("", "/log", "/log/0/value", "/stream"):
                refused = await client.get(f"{API}/shared/{run_id}{rest}")
                assert (refused.status_code, refused.json()["code"]) == (404, "share_over"), (run_id, rest)
            refused = await client.post(f"{API}/shared/{run_id}", json={"key": key})
            assert (refused.status_code, refused.json()["code"]) == (404, "share_over"), run_id
        for operation in scene.operations:
            if operation.path.startswith((API, MANAGEMENT, "/mcp")) and operation.path not in open_to_all:
                path = operation.path.replace("{run_id}", run["id"]).replace("{app_id}", echo.id)
                path = "/".join(NAMED if part.startswith("{") else part for part in path.split("/"))
                for headers in ({}, {"Authorization": f"Bearer {key}"}):
                    answer = await client.request(operation.method, path, content=b"{}", headers=headers)
                    assert answer.status_code == 401, (operation.method, path)
        for path in ("", "/stop", "/retry", "/test", "/diff", "/shares", "/forms", "/files", "/graph", "/log/0"):
            for method in ("POST", "PUT", "PATCH", "DELETE") if path in ("", "/log/0") else ("GET", "POST", "DELETE"):
                if (method, path) != ("POST", ""):
                    answer = await client.request(method, f"{own}{path}", content=b"{}")
                    assert answer.status_code in (404, 405), (method, path, answer.text)
        for path in ("/log", "/log/0/value", "/stream"):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                assert (await client.request(method, f"{own}{path}", content=b"{}")).status_code in (404, 405)
        for path in ("/v1/info", f"/v1/workflows/run/{run['id']}"):
            assert (await client.get(path, headers={"Authorization": f"Bearer {key}"})).status_code == 401
        assert decoded(await client.get(own))["id"] == run["id"]


async def test_all_that_a_link_opens_is_known(scene: Scene) -> None:
    reached = {(each.method, each.path) for each in scene.operations if "/shared/" in each.path}
    own = f"{API}/shared/{{run_id}}"
    assert reached == {
        ("POST", own),
        ("GET", own),
        ("GET", f"{own}/log"),
        ("GET", f"{own}/log/{{position}}/value"),
        ("GET", f"{own}/stream"),
    }


async def test_what_it_shows_leads_to_no_other_run_and_answers_no_form(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    echo, with_form = await scene.publish(ECHO), await scene.publish(FORM)
    first = await ran(operator, echo, q="1")
    retry = decoded(await operator.post(f"{MANAGEMENT}/runs/{first['id']}/retry", json={"from_node_id": "end"}), 202)
    await ran(operator, echo, q="2")
    share = await shared(operator, retry["run_id"])
    async with opened(scene, retry["run_id"], share) as browser:
        told = decoded(await browser.get(f"{API}/shared/{retry['run_id']}"))
        assert told["lineage"] == {"retry_of": None, "from_node_ids": [], "retries": [], "replaced": {}, "mocked": []}
        assert "retry_of" not in told
        assert "callback" not in told
    asked = await ran(operator, with_form)
    assert asked["status"] == "paused"
    whole = decoded(await operator.get(f"{MANAGEMENT}/runs/{asked['id']}/log"))["data"]
    [token] = [each["form"]["form_token"] for each in whole if each["event"] == "form_requested"]
    share = await shared(operator, asked["id"])
    async with opened(scene, asked["id"], share) as browser:
        told = decoded(await browser.get(f"{API}/shared/{asked['id']}"))
        log = (await browser.get(f"{API}/shared/{asked['id']}/log")).text
    assert told["waits_for"] == []
    assert "秘密" in log
    assert token not in log


async def test_secrets_are_masked(scene: Scene, operator: httpx.AsyncClient) -> None:
    text = with_environment(ECHO, KEY=("secret", "old-ひみつ-123"))
    run = await ran(operator, await scene.publish(text), q="1")
    share = await shared(operator, run["id"])
    async with opened(scene, run["id"], share) as browser:
        for rest in ("", "/log", "/log/0/value", "/stream"):
            assert "ひみつ" not in (await browser.get(f"{API}/shared/{run['id']}{rest}")).text


async def test_it_is_over_after_its_days(scene: Scene, operator: httpx.AsyncClient) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    share = await shared(operator, run["id"], days=2)
    async with opened(scene, run["id"], share) as browser:
        scene.clock.now += 2 * DAY - 1
        assert not await is_over(browser, run["id"])
        scene.clock.now += 1
        assert await is_over(browser, run["id"])
        again = await browser.post(f"{API}/shared/{run['id']}", json={"key": key_in(share)})
        assert (again.status_code, again.json()["code"]) == (404, "share_over")
        assert decoded(await operator.get(f"{MANAGEMENT}/runs/{run['id']}/shares")) == {"data": []}


async def test_all_that_does_not_open_looks_alike(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    run, removed = await ran(operator, echo, q="1"), await ran(operator, echo, q="2")
    of_removed = await shared(operator, removed["id"])
    assert (await operator.delete(f"{MANAGEMENT}/runs/{removed['id']}")).status_code == 204
    revoked = await shared(operator, run["id"])
    path = f"{MANAGEMENT}/runs/{run['id']}/shares/{revoked['id']}"
    assert (await operator.delete(path)).status_code == 204
    assert (await operator.delete(path)).status_code == 404
    expired = await shared(operator, run["id"], days=1)
    scene.clock.now += DAY
    tried = [
        (run["id"], "wrong"),
        (run["id"], key_in(revoked)),
        (run["id"], key_in(expired)),
        (removed["id"], key_in(of_removed)),
        (NAMED, "wrong"),
        ("x", "wrong"),
    ]
    async with scene.client(**OWN_PAGE) as client:
        answers = [await client.post(f"{API}/shared/{run_id}", json={"key": key}) for run_id, key in tried]
    assert {(each.status_code, each.text) for each in answers} == {(404, answers[0].text)}
    assert not [each for each in answers if "set-cookie" in each.headers]


async def test_a_revoked_link_ends_what_it_opened(scene: Scene, operator: httpx.AsyncClient) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    kept, gone = await shared(operator, run["id"]), await shared(operator, run["id"])
    async with opened(scene, run["id"], kept) as one, opened(scene, run["id"], gone) as other:
        assert (await operator.delete(f"{MANAGEMENT}/runs/{run['id']}/shares/{gone['id']}")).status_code == 204
        assert not await is_over(one, run["id"])
        assert await is_over(other, run["id"])
    [left] = decoded(await operator.get(f"{MANAGEMENT}/runs/{run['id']}/shares"))["data"]
    assert (left["id"], left["made_by"], left["opened_at"]) == (kept["id"], "script", scene.clock.now)
    assert "url" not in left


async def test_links_end_with_the_token_that_made_them(scene: Scene, operator: httpx.AsyncClient) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    until = scene.clock.now + 100
    made, token = await scene.access.new_token("x", "operator", expires_at=until)
    async with scene.client(Authorization=f"Bearer {token}") as maker:
        share = await shared(maker, run["id"])
        assert share["expires_at"] == until
    async with opened(scene, run["id"], share) as browser:
        await scene.access.revoke(made.id)
        assert await is_over(browser, run["id"])


async def test_a_token_that_an_earlier_build_revoked_ends_its_links(scene: Scene, operator: httpx.AsyncClient) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    made, token = await scene.access.new_token("x", "operator")
    async with scene.client(Authorization=f"Bearer {token}") as maker:
        share = await shared(maker, run["id"])
    async with opened(scene, run["id"], share) as browser:
        with closing(sqlite3.connect(scene.assembly.settings.home / "jikko.db")) as database, database:
            row = "FROM console_tokens WHERE lower(hex(digest)) = ?"
            assert database.execute(f"DELETE {row}", [hashlib.sha256(token.encode()).hexdigest()]).rowcount == 1
        assert await is_over(browser, run["id"])
    assert made.name == "x"


@pytest.mark.parametrize("signs_in", [False, True])
async def test_links_end_with_the_token_of_the_setting(tmp_path: Path, signs_in: bool) -> None:
    clock, token = Clock(), "setting-" * 5
    for used, over in ((token, False), (token, False), ("another-" * 5, True), ("", True), (token, False)):
        async with console_on(tmp_path, clock, console_shares=True, console_token=used) as scene:
            if not over and not (tmp_path / "run").exists():
                async with scene.client(**OWN_PAGE) as client:
                    if signs_in:
                        decoded(await client.post(f"{API}/session", json={"token": token}))
                    else:
                        client.headers["Authorization"] = f"Bearer {token}"
                    run = await ran(client, await scene.publish(ECHO), q="1")
                    made = await client.post(f"{API}/runs/{run['id']}/shares", json={})
                    share = decoded(made, 201)
                (tmp_path / "run").touch()
            async with scene.client(**OWN_PAGE, Cookie=f"jikko_shared={key_in(share)}") as browser:
                assert await is_over(browser, run["id"]) == over


async def test_links_by_a_sign_in_link_do_not_depend_on_the_setting(tmp_path: Path) -> None:
    clock = Clock()
    settings: dict[str, Any] = {"console_shares": True, "console_token": "setting-" * 5}
    async with console_on(tmp_path, clock, **settings) as scene, await scene.browser() as client:
        run = await ran(client, await scene.publish(ECHO), q="1")
        share = decoded(await client.post(f"{API}/runs/{run['id']}/shares", json={}), 201)
    async with console_on(tmp_path, clock, console_shares=True) as scene, opened(scene, run["id"], share) as browser:
        assert not await is_over(browser, run["id"])


async def test_a_guest_cannot_end_the_link_by_signing_out(scene: Scene, operator: httpx.AsyncClient) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    share = await shared(operator, run["id"])
    async with opened(scene, run["id"], share) as browser:
        async with scene.client(**OWN_PAGE, Cookie=f"jikko_console={key_in(share)}") as guest:
            assert (await guest.delete(f"{API}/session")).status_code == 204
        assert not await is_over(browser, run["id"])


async def test_a_link_to_a_removed_run_is_over_for_all_that_it_opened(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    async with opened(scene, run["id"], await shared(operator, run["id"])) as browser:
        missing = await browser.get(f"{API}/shared/{run['id']}/log/999/value")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        assert (await operator.delete(f"{MANAGEMENT}/runs/{run['id']}")).status_code == 204
        for rest in ("", "/log", "/log/0/value", "/stream"):
            refused = await browser.get(f"{API}/shared/{run['id']}{rest}")
            assert (refused.status_code, refused.json()["code"]) == (404, "share_over"), rest
            assert run["id"] not in refused.text


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_operators_alone_make_links(scene: Scene, operator: httpx.AsyncClient, role: Any) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    async with await scene.script(role, role) as client:
        answer = await client.post(f"{MANAGEMENT}/runs/{run['id']}/shares", json={})
        listed = await client.get(f"{MANAGEMENT}/runs/{run['id']}/shares")
    expected = (201, 200) if role == "operator" else (403, 403)
    assert (answer.status_code, listed.status_code) == expected


async def test_a_token_that_may_not_see_graphs_shares_none(scene: Scene, operator: httpx.AsyncClient) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    _, token = await scene.access.new_token("x", "operator", scopes=["runs:write"])
    async with scene.client(Authorization=f"Bearer {token}") as client:
        answer = await client.post(f"{MANAGEMENT}/runs/{run['id']}/shares", json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


@pytest.mark.parametrize("days", [0, 8, -1, 1.5, "7", None])
async def test_it_lasts_a_day_to_a_week(scene: Scene, operator: httpx.AsyncClient, days: Any) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    answer = await operator.post(f"{MANAGEMENT}/runs/{run['id']}/shares", json={"days": days})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")


async def test_it_is_off_unless_the_settings_allow_it(tmp_path: Path) -> None:
    clock = Clock()
    async with console_on(tmp_path, clock, console_shares=True) as scene, await scene.script() as operator:
        assert decoded(await operator.get(f"{MANAGEMENT}/session"))["features"]["shares"] is True
        run = await ran(operator, await scene.publish(ECHO), q="1")
        share = await shared(operator, run["id"])
    async with console_on(tmp_path, clock) as scene, await scene.script() as operator:
        assert decoded(await operator.get(f"{MANAGEMENT}/session"))["features"]["shares"] is False
        refused = await operator.post(f"{MANAGEMENT}/runs/{run['id']}/shares", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "shares_off")
        assert "JIKKO_CONSOLE_SHARES" in refused.json()["message"]
        async with scene.client(**OWN_PAGE, Cookie=f"jikko_shared={key_in(share)}") as client:
            opening = await client.post(f"{API}/shared/{run['id']}", json={"key": key_in(share)})
            assert (opening.status_code, opening.json()["code"]) == (404, "share_over")
            assert await is_over(client, run["id"])
        # What was made before can still be looked at and revoked.
        [left] = decoded(await operator.get(f"{MANAGEMENT}/runs/{run['id']}/shares"))["data"]
        assert (await operator.delete(f"{MANAGEMENT}/runs/{run['id']}/shares/{left['id']}")).status_code == 204


async def test_each_server_of_one_database_opens_it(tmp_path: Path) -> None:
    clock = Clock()
    async with console_on(tmp_path, clock, console_shares=True) as scene, await scene.script() as operator:
        run = await ran(operator, await scene.publish(ECHO), q="1")
        share = await shared(operator, run["id"])
    async with console_on(tmp_path, clock, console_shares=True) as scene:
        async with scene.client(**OWN_PAGE, Cookie=f"jikko_shared={key_in(share)}") as client:
            assert not await is_over(client, run["id"])
        async with opened(scene, run["id"], share) as client:
            assert not await is_over(client, run["id"])


async def test_only_the_consoles_own_page_opens_it(scene: Scene, operator: httpx.AsyncClient) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    body = {"key": key_in(await shared(operator, run["id"]))}
    foreign = {"Origin": "http://evil.example", "X-Jikko-Console": "1"}
    async with scene.client() as client, scene.client(**OWN_PAGE, Host="evil.example") as elsewhere:
        for headers in ({}, foreign, {**OWN_PAGE, "Sec-Fetch-Site": "cross-site"}):
            refused = await client.post(f"{API}/shared/{run['id']}", json=body, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "wrong_origin")
        assert (await elsewhere.post(f"{API}/shared/{run['id']}", json=body)).status_code == 421
        assert (await elsewhere.get(f"{API}/shared/{run['id']}")).status_code == 421


async def test_failed_tries_are_limited_apart_from_those_to_sign_in(scene: Scene, operator: httpx.AsyncClient) -> None:
    run = await ran(operator, await scene.publish(ECHO), q="1")
    share = await shared(operator, run["id"])
    for _ in range(11):
        async with opened(scene, run["id"], share):
            pass
    async with scene.client(**OWN_PAGE) as client:
        answers = [await client.post(f"{API}/shared/{run['id']}", json={"key": str(n)}) for n in range(11)]
        assert [each.status_code for each in answers] == [404] * 10 + [429]
        assert (await client.post(f"{API}/session", json={"token": "jko_guess"})).status_code == 401


async def test_making_opening_and_revoking_are_audited_once_each(
    scene: Scene, operator: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = await scene.publish(ECHO)
    run = await ran(operator, echo, q="1")
    share = await shared(operator, run["id"])
    for _ in range(3):
        async with opened(scene, run["id"], share) as browser:
            decoded(await browser.get(f"{API}/shared/{run['id']}"))
        scene.clock.now += 61
    [listed] = decoded(await operator.get(f"{MANAGEMENT}/runs/{run['id']}/shares"))["data"]
    assert listed["opened_at"] == scene.clock.now - 61
    await operator.delete(f"{MANAGEMENT}/runs/{run['id']}/shares/{share['id']}")
    entries = decoded(await operator.get(f"{MANAGEMENT}/audit"))["data"]
    told = [(each["action"], each["actor"], each["via"]) for each in entries if "share" in each["action"]]
    assert told == [
        ("revoke_share", "script", "api"),
        ("open_share", "shared link", "console"),
        ("make_share", "script", "api"),
    ]
    assert [each["app_id"] for each in entries if "share" in each["action"]] == [echo.id] * 3
    assert key_in(share) not in caplog.text
    assert key_in(share) not in str(entries)


async def test_the_key_is_not_in_the_database(tmp_path: Path) -> None:
    async with console_on(tmp_path, console_shares=True) as scene, await scene.script() as operator:
        run = await ran(operator, await scene.publish(ECHO), q="1")
        key = key_in(await shared(operator, run["id"]))
        async with opened(scene, run["id"], {"url": f"#key={key}"}) as browser:
            assert not await is_over(browser, run["id"])
        file = scene.assembly.settings.home / "jikko.db"
    with closing(sqlite3.connect(file)) as database:
        dump = "\n".join(database.iterdump())
    assert "console_sessions" in dump
    assert key not in dump


async def test_links_of_other_runs_are_not_listed_or_revoked(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    run, other = await ran(operator, echo, q="1"), await ran(operator, echo, q="2")
    share = await shared(operator, run["id"])
    assert decoded(await operator.get(f"{MANAGEMENT}/runs/{other['id']}/shares")) == {"data": []}
    for run_id, share_id in ((other["id"], share["id"]), (NAMED, share["id"]), (run["id"], "x" * 1000)):
        assert (await operator.delete(f"{MANAGEMENT}/runs/{run_id}/shares/{share_id}")).status_code == 404
    assert len(decoded(await operator.get(f"{MANAGEMENT}/runs/{run['id']}/shares"))["data"]) == 1
