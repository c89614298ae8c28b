"""Triggers and deliveries in the console, and operators' actions."""

import asyncio
import logging
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from jikko.ports.stores.trigger_store import Trigger, TriggerKind
from jikko.repositories.app_store import App
from jikko.triggers.deliveries import Deliveries, DeliveryView
from jikko.triggers.triggers import Triggers
from tests.acceptance.workflows import app, end, form, node, triggered, with_environment
from tests.effort import PATIENCE
from tests.http.console.scene import API, Scene, decoded
from tests.http.console.test_runs import ended_or_paused

pytestmark = pytest.mark.anyio

HOUR = 3600.0


async def triggers(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    """The triggers that are listed, by node."""
    found = decoded(await client.get(f"{API}/triggers", params=query))
    return {each["node_id"]: each for each in found["data"]}


async def called(scene: Scene, operator: httpx.AsyncClient, body: Any, **headers: str) -> httpx.Response:
    """Call the webhook as its sender does."""
    path = (await triggers(operator, kind="webhook"))["hook"]["path"]
    async with scene.client() as sender:
        return await sender.post(path, json=body, headers=headers)


async def deliveries(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    return list(decoded(await client.get(f"{API}/deliveries", params=query))["data"])


async def settled(client: httpx.AsyncClient, delivery_id: str) -> dict[str, Any]:
    """A delivery once its newest run goes on no more."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found: dict[str, Any] = decoded(await client.get(f"{API}/deliveries/{delivery_id}"))
            if found["state"] not in ("waiting", "running"):
                return found
            await asyncio.sleep(0.01)


@pytest.fixture
async def flow(scene: Scene) -> App:
    """An app with a webhook and a schedule."""
    return await scene.publish(triggered())


async def test_triggers_are_listed_with_what_is_known_of_each_kind(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient, flow: App
) -> None:
    assert (await called(scene, operator, {"n": "3"})).status_code == 400
    found = await triggers(operator)

    hook, clock = found["hook"], found["clock"]
    assert (hook["title"], hook["kind"], hook["enabled"], hook["verified"], hook["refused"]) == (
        *("Order \ue000", "webhook", True, False, 1),
    )
    assert hook["app"]["name"] == "注文 🧾"
    assert hook["path"].startswith("/triggers/webhook/")
    assert clock["schedule"]["next"] == [scene.clock.now // HOUR * HOUR + HOUR * n for n in range(1, 11)]
    assert (clock["schedule"]["paused"], clock["schedule"]["recent"], clock["schedule"]["error"]) == (None, [], "")
    assert "path" not in (await triggers(viewer))["hook"]


async def page_after_page(client: httpx.AsyncClient, what: str, limit: int) -> list[str]:
    """The ids of all that is listed."""
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = decoded(await client.get(f"{API}/{what}", params={"limit": limit, "cursor": cursor}))
        seen += [each["id"] for each in page["data"]]
        cursor = page["next"]
    return seen


async def test_triggers_are_listed_by_app_and_kind_page_after_page(
    scene: Scene, operator: httpx.AsyncClient, flow: App
) -> None:
    other = await scene.publish(triggered("Other"))
    assert set(await triggers(operator, app=other.id, kind="schedule")) == {"clock"}
    assert await triggers(operator, app=flow.id[:-4] + "0000") == {}
    seen = await page_after_page(operator, "triggers", 3)
    assert len(seen) == len(set(seen)) == 4


async def test_a_node_that_the_current_version_has_no_more_is_listed_without_a_title(
    scene: Scene, operator: httpx.AsyncClient, flow: App
) -> None:
    await scene.publish(triggered(node_id="hook2"))
    found = await triggers(operator)
    assert (found["hook"]["title"], found["hook2"]["title"]) == (None, "Order \ue000")


async def test_an_app_whose_environment_does_not_fit_hides_no_triggers(
    scene: Scene, operator: httpx.AsyncClient, flow: App
) -> None:
    wrong = await scene.publish(with_environment(triggered("誤り"), limit=("number", 1)))
    assert scene.assembly.console is not None
    await scene.assembly.console.app_store.set_environment(wrong.id, {"limit": "多い"})

    page = decoded(await operator.get(f"{API}/triggers", params={"kind": "schedule"}))["data"]

    assert [(each["app"]["id"], "limit" in each["schedule"]["error"]) for each in page] == [
        (flow.id, False),
        (wrong.id, True),
    ]


async def test_a_schedule_that_is_removed_while_triggers_are_listed_hides_no_others(
    scene: Scene, operator: httpx.AsyncClient, flow: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, found = await scene.publish(triggered("別")), Triggers.all

    async def all_then_removed(self: Triggers, kind: TriggerKind | None = None) -> list[Trigger]:
        monkeypatch.setattr(Triggers, "all", found)
        listed = await self.all(kind)
        await scene.assembly.apps.delete(gone)
        return listed

    monkeypatch.setattr(Triggers, "all", all_then_removed)

    page = decoded(await operator.get(f"{API}/triggers", params={"kind": "schedule"}))["data"]

    assert [(each["app"]["id"], bool(each["schedule"]["error"])) for each in page] == [
        (flow.id, False),
        (gone.id, True),
    ]


async def test_a_trigger_is_switched_off_and_on(scene: Scene, operator: httpx.AsyncClient, flow: App) -> None:
    hook = (await triggers(operator))["hook"]
    assert decoded(await operator.post(f"{API}/triggers/{hook['id']}/disable"))["enabled"] is False
    assert (await called(scene, operator, {"n": 3})).status_code == 404
    assert decoded(await operator.post(f"{API}/triggers/{hook['id']}/enable"))["enabled"] is True
    assert (await called(scene, operator, {"n": 3})).status_code == 200


async def test_a_schedule_is_paused_until_a_time_or_until_it_is_enabled(
    scene: Scene, operator: httpx.AsyncClient, flow: App, caplog: pytest.LogCaptureFixture
) -> None:
    clock = (await triggers(operator))["clock"]
    path, until = f"{API}/triggers/{clock['id']}", scene.clock.now + 3 * HOUR
    caplog.set_level(logging.INFO, "jikko.console")
    paused = decoded(await operator.post(f"{path}/pause", json={"reason": "棚卸し 📦", "until": until}))["schedule"]
    assert (paused["paused"], paused["paused_until"], paused["next"][0] >= until) == ("棚卸し 📦", until, True)
    assert decoded(await operator.post(f"{path}/pause", json={}))["schedule"]["paused"] == "paused by script"
    assert decoded(await operator.post(f"{path}/enable"))["schedule"]["paused"] is None
    assert [record.getMessage().partition(" trigger ")[0] for record in caplog.records] == ["paused"] * 2 + ["enabled"]


async def test_a_schedule_runs_by_hand_and_past_due_times_are_made_up_for(
    scene: Scene, operator: httpx.AsyncClient, flow: App
) -> None:
    scene.clock.now += 90
    clock, now = (await triggers(operator))["clock"], scene.clock.now
    path = f"{API}/triggers/{clock['id']}"
    span = {"from": now - 3 * HOUR, "to": now}

    assert decoded(await operator.post(f"{path}/fire"), 202) == {"timestamp": now}
    assert decoded(await operator.post(f"{path}/backfill", json={**span, "overlap": "allow"}), 202) == {"added": 3}

    waiting = (await triggers(operator))["clock"]["schedule"]["recent"]
    assert [(time["state"], time["run_id"], time["why"]) for time in waiting] == [("waiting", None, "")] * 4

    assert decoded(await operator.delete(f"{path}/backfill")) == {"dropped": 3}
    left = decoded(await operator.get(path))["schedule"]["recent"]
    assert sorted((time["state"], time["why"]) for time in left) == [("skipped", "dropped")] * 3 + [("waiting", "")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"from": 5.0},
        {"from": 10.0, "to": 5.0},
        {"from": -1, "to": 5},
        {"from": 0, "to": 1e300},
        {"from": 0, "to": 9, "overlap": "both"},
        {"from": "昨日", "to": None},
        {"from": 0, "to": 4e9},
    ],
)
async def test_a_backfill_of_no_time_is_refused(operator: httpx.AsyncClient, flow: App, body: Any) -> None:
    clock = (await triggers(operator))["clock"]
    answer = await operator.post(f"{API}/triggers/{clock['id']}/backfill", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")


@pytest.mark.parametrize("body", [{"until": 5}, {"until": 1e18}, {"until": "x"}, {"reason": "x" * 201}, {"reason": 1}])
async def test_a_pause_of_no_time_is_refused(operator: httpx.AsyncClient, flow: App, body: Any) -> None:
    clock = (await triggers(operator))["clock"]
    assert (await operator.post(f"{API}/triggers/{clock['id']}/pause", json=body)).status_code == 400


async def test_only_schedules_are_paused_fired_and_backfilled(operator: httpx.AsyncClient, flow: App) -> None:
    hook = (await triggers(operator))["hook"]
    for what, body in (("pause", {}), ("fire", {}), ("backfill", {"from": 0, "to": 1})):
        answer = await operator.post(f"{API}/triggers/{hook['id']}/{what}", json=body)
        assert (answer.status_code, "not a schedule" in answer.json()["message"]) == (404, True)


async def test_what_is_not_there_is_not_found(operator: httpx.AsyncClient, flow: App) -> None:
    for missing in ("x", flow.id, "注文 🧾%2Fhook"):
        assert (await operator.get(f"{API}/deliveries/{missing}")).status_code == 404
        assert (await operator.get(f"{API}/triggers/{missing}")).status_code == 404
        for what in ("deliveries/{}/replay", "deliveries/{}/discard", "triggers/{}/enable", "triggers/{}/fire"):
            assert (await operator.post(f"{API}/{what.format(missing)}")).status_code == 404


async def test_a_delivery_is_shown_with_what_it_brought_and_its_runs(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient, flow: App
) -> None:
    sent = {"X-Kind": "new", "Authorization": "Bearer s3cret", "Idempotency-Key": "evt-1"}
    assert (await called(scene, operator, {"n": 3, "名": "🙂 \ue000"}, **sent)).status_code == 200
    [entry] = await deliveries(viewer)
    found = await settled(viewer, entry["id"])

    assert (found["state"], found["verdict"], found["method"], found["sender_id"]) == (
        *("done", "accepted", "POST", "evt-1"),
    )
    assert found["call"]["body"] == {"n": 3, "名": "🙂 \ue000"}
    assert found["call"]["headers"]["X-Kind"] == "new"
    assert found["call"]["headers"]["Authorization"] == "***"
    brief = decoded(await operator.get(f"{API}/deliveries/{found['id']}", params={"without": "call"}))
    assert brief == {**found, "call": None}
    assert (await operator.get(f"{API}/deliveries/{found['id']}?without=runs")).status_code == 400
    [run] = found["run_list"]
    assert ([run["id"]], run["status"], run["app"]["id"]) == (found["runs"], "succeeded", flow.id)


async def test_deliveries_are_listed_by_app_trigger_state_and_time(
    scene: Scene, operator: httpx.AsyncClient, flow: App
) -> None:
    other = await scene.publish(triggered("Other"))
    first = scene.clock.now
    for n in (3, 0, "3"):
        await called(scene, operator, {"n": n})
        for entry in await deliveries(operator):
            await settled(operator, entry["id"])
        scene.clock.now += 10
    hook = (await triggers(operator, app=flow.id))["hook"]

    async def states(**query: Any) -> list[str]:
        return [entry["state"] for entry in await deliveries(operator, **query)]

    # The last of two webhooks of one node is called.
    assert await states() == ["refused", "failed", "done"]
    assert await states(state="failed") == ["failed"]
    assert await states(app=other.id) + await states(app=flow.id) == ["refused", "failed", "done"]
    assert await states(app=flow.id) == await states(trigger=hook["id"])
    assert await states(after=first + 10) == ["refused", "failed"]
    assert await states(before=first + 10) == ["failed", "done"]
    assert await states(after=first + 10, before=first + 10) == ["failed"]
    assert (await deliveries(operator, state="refused"))[0]["reason"].startswith("Parameter 'n' validation failed")


async def test_pages_of_deliveries_have_each_once(scene: Scene, operator: httpx.AsyncClient, flow: App) -> None:
    for n in range(5):
        await called(scene, operator, {"n": n + 1})
    seen = await page_after_page(operator, "deliveries", 2)
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=nan_x", "cursor=inf", "state=lost", "app=x", "after=-1", "limit=0"]
)
async def test_a_filter_that_is_none_is_refused(operator: httpx.AsyncClient, query: str) -> None:
    assert (await operator.get(f"{API}/deliveries?{query}")).status_code == 400


async def test_a_failed_delivery_is_replayed_by_the_current_version(
    scene: Scene, operator: httpx.AsyncClient, flow: App
) -> None:
    await called(scene, operator, {"n": 0})
    [entry] = await deliveries(operator)
    failed = await settled(operator, entry["id"])
    assert (failed["state"], bool(failed["error"])) == ("failed", True)
    await scene.publish(triggered(code="def main(n):\n    return {'n': 7}"))

    path = f"{API}/deliveries/{entry['id']}/replay"
    run_id = decoded(await operator.post(path, headers={"Idempotency-Key": "once"}), 202)["run_id"]
    assert decoded(await operator.post(path, headers={"Idempotency-Key": "once"}), 202)["run_id"] == run_id
    assert (await operator.post(path, headers={"Idempotency-Key": ""})).status_code == 400
    assert (await ended_or_paused(operator, run_id))["outputs"] == {"n": 7}

    replayed = await settled(operator, entry["id"])
    assert (replayed["state"], replayed["runs"]) == ("done", [*failed["runs"], run_id])
    assert [run["status"] for run in replayed["run_list"]] == ["failed", "succeeded"]
    assert replayed["call"]["body"] == {"n": 0}


async def test_a_failed_delivery_is_set_aside_and_one_that_is_done_is_not(
    scene: Scene, operator: httpx.AsyncClient, flow: App
) -> None:
    for n in (0, 3):
        await called(scene, operator, {"n": n})
    done, failed = [await settled(operator, entry["id"]) for entry in await deliveries(operator)]
    assert decoded(await operator.post(f"{API}/deliveries/{failed['id']}/discard"))["state"] == "discarded"
    assert (await operator.post(f"{API}/deliveries/{done['id']}/discard")).status_code == 409


async def test_what_was_refused_cannot_be_replayed(scene: Scene, operator: httpx.AsyncClient, flow: App) -> None:
    await called(scene, operator, {"n": "x"})
    [entry] = await deliveries(operator)
    found = decoded(await operator.get(f"{API}/deliveries/{entry['id']}"))
    assert (found["call"], found["run_list"]) == (None, [])
    assert (await operator.post(f"{API}/deliveries/{entry['id']}/replay")).status_code == 409


async def test_a_delivery_whose_run_begins_while_it_is_set_aside_goes_on(
    scene: Scene, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [node("hook", "trigger-webhook", method="post"), form("ask", "いい？"), end(out="hook.x")]
    await scene.publish(app("長い", nodes, "hook>ask ask:yes>end"))
    await called(scene, operator, {})
    [entry] = await deliveries(operator)
    await ended_or_paused(operator, entry["runs"][0])
    find = Deliveries.find

    async def find_as_before(self: Deliveries, delivery_id: str) -> DeliveryView:
        monkeypatch.setattr(Deliveries, "find", find)
        return replace(await self.find(delivery_id), state="waiting")

    monkeypatch.setattr(Deliveries, "find", find_as_before)

    assert (await operator.post(f"{API}/deliveries/{entry['id']}/discard")).status_code == 409
    assert (await deliveries(operator))[0]["state"] == "running"
