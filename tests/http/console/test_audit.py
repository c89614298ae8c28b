"""Audit: every change over API and console is logged with the previous value; secrets are masked."""

import inspect
import json
import logging
from typing import Any

import httpx
import pytest

from jikko.errors import StoreUnavailable
from jikko.ports.stores.audit_store import STARTS
from jikko.repositories.audit_store import AuditStore
from tests.acceptance.workflows import app, end, node, with_environment
from tests.http.console.scene import API, MANAGEMENT, Scene, decoded
from tests.http.console.test_chat import CHAT
from tests.http.console.test_runs import ECHO, ran

pytestmark = pytest.mark.anyio

CLOCK = app("Clock", [node("at", "trigger-schedule", mode="cron", cron_expression="0 * * * *"), end()], "at>end")
CHANGES_NOTHING = {"search_dataset"}


async def audited(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """All entries that are asked for, newest first."""
    found = decoded(await client.get(f"{MANAGEMENT}/audit", params={"limit": 200, **query}))
    assert found["next"] is None
    return list(found["data"])


async def test_a_version_that_becomes_current_is_kept_with_the_one_before(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    decoded(await operator.put(f"{MANAGEMENT}/apps/Echo", content=ECHO), 201)
    second = decoded(await operator.put(f"{MANAGEMENT}/apps/Echo", content=f"{ECHO} "), 201)
    decoded(await operator.put(f"{MANAGEMENT}/apps/Echo", content=f"{ECHO} "))
    decoded(await operator.post(f"{MANAGEMENT}/apps/{second['app_id']}/versions/1/publish"))
    assert (await operator.delete(f"{MANAGEMENT}/apps/{second['app_id']}")).status_code == 204
    entries = await audited(operator, app=second["app_id"])
    [own, *_] = await scene.access.tokens()
    assert {(each["actor"], each["via"], each["source"]) for each in entries} == {("script", "api", own.id)}
    assert [(each["action"], each["before"] and each["before"]["version"]) for each in entries] == [
        ("delete_app", 1),
        ("publish_version", 2),
        ("put_app", 1),
        ("put_app", None),
    ]
    assert [each["after"] and each["after"]["version"] for each in entries] == [None, 1, 2, 1]
    assert entries[0]["at"] == scene.clock.now
    assert entries[3]["what"] == "published 'Echo', version 1"


async def test_secrets_are_masked_and_keys_are_not_there(scene: Scene, operator: httpx.AsyncClient) -> None:
    text = with_environment(ECHO, KEY=("secret", "old-ひみつ-123"), MODE=("string", "a"))
    echo = await scene.publish(text)
    path = f"{MANAGEMENT}/apps/{echo.id}"
    decoded(await operator.post(f"{path}/environment", json={"values": {"KEY": "new-ひみつ-456", "MODE": "b"}}))
    key = decoded(await operator.post(f"{path}/keys"), 201)
    secret = decoded(await operator.post(f"{path}/webhook-secret"))["secret"]
    token = decoded(await operator.post(f"{MANAGEMENT}/tokens", json={"name": "more", "scopes": ["runs:read"]}), 201)
    made, _, keyed, changed = await audited(operator)
    assert (changed["before"]["MODE"], changed["after"]["MODE"]) == ("a", "b")
    assert (changed["before"]["KEY"][:6], changed["after"]["KEY"][:6]) == ("old-ひみ", "new-ひみ")
    assert keyed["after"] == {"id": key["id"], "hint": key["hint"]}
    assert (made["after"]["name"], made["after"]["scopes"]) == ("more", ["runs:read"])
    kept = json.dumps([made, keyed, changed], ensure_ascii=False)
    for hidden in ("ひみつ", key["key"], secret, token["token"]):
        assert hidden not in kept


async def test_every_change_is_kept(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo, clock = await scene.publish(ECHO), await scene.publish(CLOCK)
    run = await ran(operator, echo, q="1")
    [trigger] = decoded(await operator.get(f"{MANAGEMENT}/triggers"))["data"]
    about = f"triggers/{trigger['id']}"
    key = decoded(await operator.post(f"{MANAGEMENT}/apps/{echo.id}/keys"), 201)
    token = decoded(await operator.post(f"{MANAGEMENT}/tokens", json={"name": "x"}), 201)
    share = decoded(await operator.post(f"{MANAGEMENT}/runs/{run['id']}/shares", json={}), 201)
    past = {"from": scene.clock.now - 7200, "to": scene.clock.now}
    chat = await scene.publish(CHAT)
    turn = decoded(await operator.post(f"{MANAGEMENT}/apps/{chat.id}/messages", json={"query": "?"}), 202)
    rated = f"conversations/{turn['conversation_id']}/messages/{turn['message_id']}/rating"
    file = {"file": ("a.txt", b"abc", "text/plain")}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "apps", {"files": [("files", ("e.yml", ECHO.encode()))]}),
        ("PUT", "apps/Other", {"content": ECHO}),
        ("POST", f"apps/{echo.id}/versions/1/publish", {}),
        ("POST", f"apps/{echo.id}/environment", {"json": {}}),
        ("DELETE", f"apps/{echo.id}/keys/{key['id']}", {}),
        ("POST", f"apps/{echo.id}/webhook-secret", {}),
        ("POST", f"apps/{echo.id}/files", {"files": file}),
        ("POST", "datasets", {"json": {"name": "規程 📘"}}),
        ("POST", f"runs/{run['id']}/stop", {}),
        ("POST", f"runs/{run['id']}/retry", {"json": {"from_node_id": "end"}}),
        ("POST", f"runs/{run['id']}/shares", {"json": {"days": 1}}),
        ("DELETE", f"runs/{run['id']}/shares/{share['id']}", {}),
        ("DELETE", f"runs/{run['id']}", {}),
        ("PUT", rated, {"json": {"rating": "like"}}),
        ("POST", f"apps/{chat.id}/annotations", {"json": {"question": "?", "answer": "!"}}),
        ("POST", "callbacks/resend", {}),
        ("POST", "system/check", {"json": {"what": "store"}}),
        ("DELETE", f"tokens/{token['id']}", {}),
        ("DELETE", f"apps/{echo.id}", {}),
        ("POST", f"{about}/disable", {}),
        ("POST", f"{about}/enable", {}),
        ("POST", f"{about}/pause", {"json": {"reason": "休み"}}),
        ("POST", f"{about}/fire", {}),
        ("POST", f"{about}/backfill", {"json": past}),
        ("DELETE", f"{about}/backfill", {}),
    ]
    for method, path, more in calls:
        answer = await operator.request(method, f"{MANAGEMENT}/{path}", **more)
        assert answer.status_code < 300, (path, answer.text)
    entries = await audited(operator)
    paused = next(each for each in entries if each["action"] == "pause_trigger")
    assert (paused["app_id"], paused["after"]) == (clock.id, {"enabled": True, "paused": "休み"})
    changing = {
        each.handler.__name__: each.handler
        for each in scene.operations
        if each.key == "console" and each.scope and each.scope.endswith(":write") and each.method != "GET"
    }
    left = {name: handler for name, handler in changing.items() if name not in {each["action"] for each in entries}}
    # What would need a server of models, a form or a delivery says of its changes what the others do.
    for name in left.keys() - CHANGES_NOTHING:
        text = inspect.getsource(inspect.unwrap(left[name]))
        assert "call.note(" in text or "await accepted(" in text, name
    assert len(left) <= 9


async def test_what_is_refused_or_only_read_leaves_no_entry(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    echo = await scene.publish(ECHO)
    assert (await viewer.post(f"{MANAGEMENT}/apps/{echo.id}/keys")).status_code == 403
    assert (await operator.delete(f"{MANAGEMENT}/apps/{echo.id}/keys/{echo.id}")).status_code == 404
    assert (await operator.put(f"{MANAGEMENT}/apps/Echo", content="[}")).status_code == 400
    decoded(await operator.put(f"{MANAGEMENT}/apps/Echo", content=ECHO, params={"dry_run": "1"}))
    decoded(await operator.get(f"{MANAGEMENT}/apps"))
    assert await audited(operator) == []


async def test_the_console_is_told_from_scripts_and_pages_go_on(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    async with await scene.browser() as browser:
        for _ in range(3):
            scene.clock.now += 10
            decoded(await browser.post(f"{API}/apps/{echo.id}/keys"), 201)
    await operator.post(f"{MANAGEMENT}/apps/{echo.id}/keys")
    assert [(each["actor"], each["via"]) for each in await audited(operator)] == [
        ("script", "api"),
        *[("link", "console")] * 3,
    ]
    assert len(await audited(operator, actor="link", after=scene.clock.now - 10)) == 2
    assert len(await audited(operator, action="make_key", before=scene.clock.now - 10)) == 2
    first = decoded(await operator.get(f"{MANAGEMENT}/audit", params={"limit": 3}))
    second = decoded(await operator.get(f"{MANAGEMENT}/audit", params={"limit": 3, "cursor": first["next"]}))
    assert (len(first["data"]), len(second["data"]), second["next"]) == (3, 1, None)
    for query in ({"cursor": "x"}, {"app": "Echo"}, {"limit": "0"}, {"after": "-1"}):
        refused = await operator.get(f"{MANAGEMENT}/audit", params=query)
        [name] = query
        assert (refused.status_code, refused.json()["message"].startswith(f"{name}: must ")) == (400, True)


async def test_a_start_is_kept_once_however_often_it_is_sent(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    for _ in range(2):
        started = await operator.post(
            f"{MANAGEMENT}/apps/{echo.id}/runs", json={"inputs": {"q": "1"}}, headers={"Idempotency-Key": "one"}
        )
        assert started.status_code == 202
    assert started.headers["idempotency-replayed"] == "true"
    assert [each["action"] for each in await audited(operator)] == ["start_run"]


async def test_entries_of_all_starts_go_with_retention(scene: Scene) -> None:
    names = {each.handler.__name__ for each in scene.operations if each.key == "console"}
    assert {name for name in STARTS if " " not in name} <= names
    assert {each.handler.__name__ for each in scene.operations if each.key == "console" and each.starts} <= {*STARTS}


async def test_a_change_whose_entry_cannot_be_kept_is_told_in_the_log(
    scene: Scene,
    operator: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refused(*_: object) -> None:
        raise StoreUnavailable("The disk is full.")

    echo = await scene.publish(ECHO)
    monkeypatch.setattr(AuditStore, "add", refused)
    caplog.set_level(logging.ERROR, "jikko.console")
    decoded(await operator.post(f"{MANAGEMENT}/apps/{echo.id}/keys"), 201)
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("no audit entry of: made key ")
    assert line.endswith(" of 'Echo' by script: The disk is full.")
