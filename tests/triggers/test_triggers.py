"""Triggers of apps: who makes them, and where a run begins that one of them starts."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from jikko.assemble.assembling import assemble
from jikko.assemble.assembly import Assembly
from jikko.errors import KeyTaken, NotFound
from jikko.events import NodeFinished, RunFinished
from jikko.ports.stores.run_store import KeyClaim, StartOptions
from jikko.repositories.app_store import App, AppStore
from jikko.repositories.trigger_store import TriggerStore
from jikko.runs.run_log import RunLog
from jikko.settings import Settings
from jikko.triggers.triggers import Triggers
from jikko.triggers.webhook_options import WebhookOptions
from tests.acceptance.workflows import end, node
from tests.runs.damage import damage, later
from tests.runs.world import World

pytestmark = pytest.mark.anyio

SEVERAL = Path(__file__).parent.parent / "compat/tools/dsl/trigger_several.yml"
"""Webhooks ``hooka`` and ``hookb`` and the schedule ``clock`` lead to ``agg``, and ``hookb`` to ``only`` besides."""


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Assembly]:
    async with assemble(Settings(home=tmp_path), in_memory=True) as made:
        yield made


@pytest.fixture
async def app(api: Assembly) -> App:
    return (await api.apps.publish(SEVERAL.read_bytes(), source="several")).app


async def started(api: Assembly, app: App, node: str, **inputs: str) -> RunLog:
    run = await api.triggers.start(await api.triggers.find(f"{app.name}/{node}"), {f"{node}_given": 1, **inputs})
    await run.committed()
    return run


async def nodes_of(run: RunLog) -> list[str]:
    end = await run.ended()
    assert isinstance(end, RunFinished)
    assert end.status == "succeeded"
    return [event.node_id for event in run.events if isinstance(event, NodeFinished)]


async def test_an_app_has_a_trigger_for_each_trigger_node(api: Assembly, app: App) -> None:
    found = await api.triggers.of(app)

    assert [(each.node_id, each.kind, each.enabled, len(each.address)) for each in found] == [
        ("hooka", "webhook", True, 24),
        ("hookb", "webhook", True, 24),
        ("clock", "schedule", True, 0),
    ]
    assert len({each.address for each in found}) == 3
    assert await api.triggers.at(found[1].address) == found[1]
    assert await api.triggers.at("x" * 24) is None
    assert await api.triggers.all("schedule") == [found[2]]


async def test_triggers_are_made_with_the_ids_that_the_operator_sets_unless_they_are_those_of_others(
    tmp_path: Path,
) -> None:
    hook, clock = "5f0c1d2e-3b4a-4c5d-8e6f-7a8b9c0d1e2f", "5F0C1D2E-3b4a-4c5d-8e6f-7a8b9c0d1e30"
    file = tmp_path / "triggers.yml"
    file.write_text(f"triggers: {{受信/hooka: {{id: '${{ID}}'}}, 受信/clock: {{id: {clock}, overlap: skip}}}}", "utf-8")
    settings = Settings(home=tmp_path, triggers=file)
    async with assemble(settings, environment={"ID": hook}, in_memory=True) as api:
        made = (await api.apps.publish(SEVERAL.read_bytes(), source="several", name="受信")).app
        ids = {each.node_id: each.id for each in await api.triggers.of(made)}
        assert (ids["hooka"], ids["clock"]) == (hook, clock.lower())
        assert await api.triggers.misfits([], ["受信/clock"]) == ([], [])

        file.write_text(f"triggers: {{別/hooka: {{id: {hook}}}, 受信/hooka: {{id: {ids['hookb']}}}}}", "utf-8")
        other = (await api.apps.publish(SEVERAL.read_bytes(), source="several", name="別")).app
        await api.apps.publish(SEVERAL.read_bytes() + b"\n", source="several", name="受信")

        assert {each.node_id: each.id for each in await api.triggers.of(made)} == ids
        assert len({each.id for each in await api.triggers.of(other)} - set(ids.values())) == 3


async def test_a_trigger_keeps_address_and_switch_when_its_app_is_published_again(api: Assembly, app: App) -> None:
    before = await api.triggers.of(app)
    await api.triggers.enable(before[0], False)

    await api.apps.publish(SEVERAL.read_bytes() + b"\n", source="several")
    await api.apps.publish_if_changed(SEVERAL.read_bytes() + b"\n", source="several")

    after = await api.triggers.of(app)
    assert [(each.id, each.address) for each in after] == [(each.id, each.address) for each in before]
    assert [each.enabled for each in after] == [False, True, True]


async def test_triggers_go_with_their_app(api: Assembly, app: App) -> None:
    [trigger, *_] = await api.triggers.of(app)
    await api.apps.delete(app)

    assert await api.triggers.all() == []
    with pytest.raises(NotFound):
        await api.triggers.find(trigger.id)


async def test_a_run_begins_at_its_trigger_and_skips_what_only_others_reach(api: Assembly, app: App) -> None:
    assert await nodes_of(await started(api, app, "hooka")) == ["hooka", "agg", "end"]
    assert await nodes_of(await started(api, app, "hookb")) == ["hookb", "agg", "only", "end"]
    assert await nodes_of(await started(api, app, "clock")) == ["clock", "agg", "end"]


async def test_a_run_that_waits_for_its_turn_begins_at_its_trigger(api: Assembly, app: App) -> None:
    claim = KeyClaim(key="due 1", fingerprint=b"", at=api.clock())
    trigger = await api.triggers.find(f"{app.id}/clock")

    run = await api.triggers.start(trigger, {}, StartOptions(claim=claim), timestamp=1_700_000_000.5)
    await run.committed()

    assert await nodes_of(run) == ["clock", "agg", "end"]
    assert json.loads(run.record.inputs) == {
        "sys.files": [],
        "sys.user_id": "",
        "sys.app_id": app.id,
        "sys.timestamp": 1_700_000_000,
        "sys.workflow_id": run.record.identity.workflow_id,
        "sys.workflow_run_id": run.record.identity.run_id,
    }
    with pytest.raises(KeyTaken):
        await (await api.triggers.start(trigger, {}, StartOptions(claim=claim))).committed()


async def test_a_retried_run_begins_at_the_same_trigger(api: Assembly, app: App) -> None:
    first = await started(api, app, "hookb")
    await nodes_of(first)

    again = await api.runs.retries.retry(app, first.record.identity.run_id, from_node="hookb")
    await again.committed()

    assert await nodes_of(again) == ["hookb", "agg", "only", "end"]
    assert again.record.inputs.startswith('{"hookb_given": 1')


async def test_a_trigger_whose_node_is_gone_starts_nothing(api: Assembly, app: App) -> None:
    trigger = await api.triggers.find(f"{app.id}/hookb")
    await api.apps.publish(SEVERAL.read_bytes().replace(b"hookb", b"other"), source="several")

    with pytest.raises(NotFound, match="no trigger node 'hookb'"):
        await api.triggers.start(trigger, {})


async def test_a_run_whose_log_is_damaged_is_repeated_from_its_own_trigger(tmp_path: Path) -> None:
    async with assemble(Settings(home=tmp_path)) as api:
        app = (await api.apps.publish(SEVERAL.read_bytes(), source="several")).app
        run = await started(api, app, "hookb")
        assert "only" in await nodes_of(run)
        damage(tmp_path, run.record.identity.run_id, later)

        again = await api.runs.retries.retry(app, run.record.identity.run_id)

        assert "only" in await nodes_of(again)


async def test_of_two_entries_for_one_webhook_the_one_that_verifies_callers_holds_and_both_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = tmp_path / "triggers.yml"
    rules.write_text("triggers: {}", "utf-8")
    async with assemble(Settings(home=tmp_path, triggers=rules), in_memory=True) as api:
        app = (await api.apps.publish(SEVERAL.read_bytes(), source="several")).app
        hook, other, _ = await api.triggers.of(app)
        entries = f"{hook.id}: {{retries: 3}}, {app.name}/hooka: {{verify: github, secret: neu}}"
        rules.write_text(f"triggers: {{{entries}, {other.id}: {{retries: 1}}}}", "utf-8")
        await api.configuration.read_again()

        assert api.webhooks.verification(hook, app.name) is not None
        [told] = [record.getMessage() for record in caplog.records]
        assert f"{hook.id}, {app.name}/hooka are entries of one trigger" in told


class AppsOneByOne(AppStore):
    """Apps too many to be read at once."""

    async def apps(self) -> list[App]:
        raise AssertionError("all apps were read")


async def test_a_call_of_a_webhook_reads_no_app_but_its_own() -> None:
    world = World()
    hook = node("hook", "trigger-webhook", method="post")
    app, other = [await world.app(name, [hook, end(out="hook.x")], "hook>end") for name in ("受信 📮", "別")]
    store, fixed = TriggerStore(world.database), "orders-of-the-shop-in-Kyoto"
    options = {f"{app.name}/hook": WebhookOptions(address=fixed)}
    triggers = Triggers(store, AppsOneByOne(world.database), world.process().runs, options)
    [given], [second] = await store.of_app(app.id), await store.of_app(other.id)

    assert (await triggers.at(fixed), await triggers.at(given.address)) == (replace(given, address=fixed), None)
    assert await triggers.at(second.address) == second
    await world.close()
