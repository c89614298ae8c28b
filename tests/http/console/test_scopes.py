"""Tokens of the management API: scopes, expiry, and delegation."""

from typing import Any, get_args

import httpx
import pytest

from jikko.http.operation import Operation
from jikko.repositories.console_store import SCOPES, Scope
from tests.http.console.scene import API, MANAGEMENT, OWN_PAGE, Scene, decoded
from tests.http.console.test_runs import ECHO, ran

pytestmark = pytest.mark.anyio

ALL: tuple[Scope, ...] = get_args(Scope)
NAMED = "01a21069-21d3-76c6-be60-4605da1417ed"


async def holder(scene: Scene, *scopes: Scope, expires_at: float | None = None) -> httpx.AsyncClient:
    """A script whose token has some scopes."""
    _, token = await scene.access.new_token("鍵 🗝", "operator", scopes=scopes, expires_at=expires_at)
    return scene.client(Authorization=f"Bearer {token}")


def address(operation: Operation) -> str:
    """One that the operation has, of things that do not exist."""
    parts = operation.path.split("/")
    return "/".join(NAMED if part.startswith("{") else part for part in parts)


def managing(scene: Scene) -> list[Operation]:
    return [each for each in scene.operations if each.key == "console" and each.path.startswith(MANAGEMENT)]


async def opened_by(scene: Scene, client: httpx.AsyncClient) -> set[str]:
    """The operations that a token is let into, whatever comes of them. A stream that is let in would not end."""
    found = set()
    for operation in managing(scene):
        if operation.answers.get(200) == "text/event-stream" and operation.path.endswith("runs/stream"):
            continue
        answer = await client.request(operation.method, address(operation), content=b"nonsense")
        assert answer.status_code < 500, (operation, answer.text)
        if not (answer.status_code == 403 and answer.json()["code"] == "missing_scope"):
            found.add(f"{operation.method} {operation.path}")
    return found


@pytest.mark.parametrize("scope", ALL)
async def test_a_scope_opens_the_operations_that_name_it_and_no_others(scene: Scene, scope: Scope) -> None:
    noun, _, verb = scope.partition(":")
    own = {None, scope, f"{noun}:read"} if verb == "write" else {None, scope}
    expected = {
        f"{each.method} {each.path}"
        for each in managing(scene)
        if each.scope in own and not each.path.endswith("runs/stream")
    }
    async with await holder(scene, scope) as client:
        assert await opened_by(scene, client) == expected


async def test_every_operation_names_a_scope_and_every_scope_has_operations(scene: Scene) -> None:
    without = {each.path for each in managing(scene) if each.scope is None}
    assert without == {f"{MANAGEMENT}/session"}
    named = {each.scope for each in managing(scene)}
    assert named - {None} == {*ALL}
    reading = {each.scope for each in managing(scene) if each.method != "GET"}
    assert not [scope for scope in reading if scope and scope.endswith(":read")]


async def test_without_a_token_nothing_is_opened(scene: Scene) -> None:
    for headers in ({}, {"Authorization": "Bearer jko_guess"}, {"Authorization": "Bearer app-guess"}, OWN_PAGE):
        async with scene.client(**headers) as client:
            for operation in managing(scene):
                answer = await client.request(operation.method, address(operation), content=b"{}")
                assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), operation.path


async def test_cookies_alone_need_the_consoles_own_page(scene: Scene) -> None:
    foreign = {"Origin": "http://evil.example", "X-Jikko-Console": "1"}
    changing = [operation for operation in managing(scene) if operation.method != "GET"]
    async with await scene.browser() as browser, await holder(scene, *SCOPES["operator"]) as script:
        for operation in changing:
            refused = await browser.request(operation.method, address(operation), content=b"{}", headers=foreign)
            assert (refused.status_code, refused.json()["code"]) == (403, "wrong_origin"), operation.path
            taken = await script.request(operation.method, address(operation), content=b"{}", headers=foreign)
            assert taken.status_code not in (401, 403, 421), operation.path


async def test_keys_of_an_app_are_not_reached_through_another(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    other = await scene.publish(ECHO.replace("Echo", "Other"))
    made = decoded(await operator.post(f"{MANAGEMENT}/apps/{echo.id}/keys"), 201)
    version = decoded(await operator.get(f"{MANAGEMENT}/apps/{echo.id}/versions"))["data"][0]["workflow_id"]
    assert (await operator.delete(f"{MANAGEMENT}/apps/{other.id}/keys/{made['id']}")).status_code == 404
    assert (await operator.get(f"{MANAGEMENT}/apps/{other.id}/versions/{version}/source")).status_code == 404
    assert (await operator.post(f"{MANAGEMENT}/apps/{other.id}/versions/{version}/publish")).status_code == 404
    assert [key["id"] for key in decoded(await operator.get(f"{MANAGEMENT}/apps/{echo.id}/keys"))["data"]] == [
        made["id"]
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {"role": "operator"},
        {"role": "viewer"},
        {"scopes": ["keys:write"]},
        {"scopes": ["tokens:write", "runs:write"]},
        {"scopes": ["tokens:write"], "expires_at": 1_800_000_101.0},
    ],
    ids=str,
)
async def test_a_token_makes_none_with_more_than_it_has(scene: Scene, asked: dict[str, Any]) -> None:
    async with await holder(scene, "tokens:write", "runs:read", expires_at=scene.clock.now + 100) as client:
        answer = await client.post(f"{MANAGEMENT}/tokens", json={"name": "more", **asked})
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert [entry.name for entry in await scene.access.tokens()] == ["鍵 🗝"]


async def test_nor_does_a_browser_that_signed_in_with_it(scene: Scene) -> None:
    _, token = await scene.access.new_token("x", "operator", scopes=["tokens:write"], expires_at=scene.clock.now + 100)
    async with scene.client(**OWN_PAGE) as client:
        signed_in = decoded(await client.post(f"{API}/session", json={"token": token}))
        assert (signed_in["role"], signed_in["scopes"]) == ("viewer", ["tokens:write"])
        assert signed_in["expires_at"] == scene.clock.now + 100
        assert (await client.post(f"{API}/tokens", json={"name": "more"})).status_code == 403
        assert (await client.get(f"{API}/runs")).status_code == 403
        made = decoded(await client.post(f"{API}/tokens", json={"name": "same", "scopes": ["tokens:write"]}), 201)
        assert made["expires_at"] == scene.clock.now + 100  # with the one that made it
        scene.clock.now += 100
        assert (await client.get(f"{API}/session")).status_code == 401


async def test_a_token_with_an_end_opens_nothing_afterwards(scene: Scene) -> None:
    async with await holder(scene, "runs:read", expires_at=scene.clock.now + 60) as client:
        assert decoded(await client.get(f"{MANAGEMENT}/session"))["expires_at"] == scene.clock.now + 60
        scene.clock.now += 60
        answer = await client.get(f"{MANAGEMENT}/runs")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert "has expired" in answer.json()["message"]


async def test_a_token_is_listed_with_what_it_may(scene: Scene, operator: httpx.AsyncClient) -> None:
    asked = {"name": "CI", "scopes": ["runs:read", "apps:write", "runs:read"], "expires_at": scene.clock.now + 9}
    made = decoded(await operator.post(f"{MANAGEMENT}/tokens", json=asked), 201)
    assert (made["scopes"], made["expires_at"], made["role"]) == (
        ["apps:write", "runs:read"],
        scene.clock.now + 9,
        "viewer",
    )
    [_, listed] = decoded(await operator.get(f"{MANAGEMENT}/tokens"))["data"]
    assert made.pop("token").startswith("jko_")
    assert listed == made


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"scopes": []}, "scopes: must have at least one"),
        ({"scopes": ["all"]}, "scopes: must be a list of scopes: apps:read"),
        ({"scopes": "runs:read"}, "scopes: must be a list of scopes"),
        ({"expires_at": 1.0}, "expires_at: must be in the future"),
        ({"expires_at": 1e300}, "expires_at: must be in the future"),
        ({"expires_at": "tomorrow"}, "expires_at: must be a time"),
    ],
    ids=str,
)
async def test_what_is_no_scope_or_time_is_refused(
    scene: Scene, operator: httpx.AsyncClient, asked: dict[str, Any], told: str
) -> None:
    answer = await operator.post(f"{MANAGEMENT}/tokens", json={"name": "x", **asked})
    assert answer.status_code == 400
    assert told in answer.json()["message"]


async def test_who_only_reads_runs_sees_no_address_of_a_webhook_and_no_secrets(scene: Scene) -> None:
    async with await holder(scene, "runs:write") as writer, await holder(scene, "runs:read", "apps:read") as reader:
        run = await ran(writer, await scene.publish(ECHO), q="1")
        assert decoded(await reader.get(f"{MANAGEMENT}/runs/{run['id']}"))["status"] == "succeeded"
        assert (await reader.post(f"{MANAGEMENT}/runs/{run['id']}/stop")).status_code == 403
        assert (await writer.get(f"{MANAGEMENT}/apps")).status_code == 403
