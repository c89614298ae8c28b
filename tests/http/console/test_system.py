"""The overview, the system page, tools and plugins."""

import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from jikko.apps.environment import EnvLayer
from tests.http.console.scene import API, Scene, console_on, decoded
from tests.http.console.test_apps import ASKS_A_MODEL
from tests.http.console.test_runs import ASKS, ECHO, ran

pytestmark = pytest.mark.anyio

PROVIDERS = """
providers:
  openai: {type: openai, base_url: "http://127.0.0.1:1/v1", api_key: sk-very-secret-key}
  anthropic: {type: openai, base_url: "https://models.example/v1", api_key: "${NO_SUCH_VARIABLE}"}
"""


async def test_the_overview_counts_what_goes_on(scene: Scene, operator: httpx.AsyncClient) -> None:
    await ran(operator, await scene.publish(ECHO), q="1")
    await ran(operator, await scene.publish(ASKS), q="1")
    assert decoded(await operator.get(f"{API}/overview")) == {
        "running": 0,
        "queued": 0,
        "paused": 1,
        "day": {"runs": 2, "by_status": {"paused": 1, "succeeded": 1}, "cost": {}},
    }


async def test_costs_are_added_up(tmp_path: Path) -> None:
    async with console_on(tmp_path / "home", fake_models=True) as scene, await scene.script() as client:
        judge = await scene.publish(ASKS_A_MODEL)
        run = await ran(client, judge, q="why")
        assert run["status"] == "succeeded"
        overview = decoded(await client.get(f"{API}/overview"))
        assert ("price" in run) == bool(overview["day"]["cost"])
        report = decoded(await client.get(f"{API}/system"))
        assert [entry["about"] for entry in report["to_mend"]] == ["models"]


async def test_the_system_names_what_is_to_be_mended_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "providers.yml"
    file.write_text(PROVIDERS, encoding="utf-8")
    secrets: dict[str, Any] = {
        "console_token": "t" * 40,
        "keys": "Echo = app-" + "k" * 30,
        "http_proxy": "http://u:hidden@proxy:1",
    }
    layer = EnvLayer("JIKKO_ENV_", {"KEY": "hunter22"})
    async with (
        console_on(tmp_path / "home", providers=file, env=(layer,), **secrets) as scene,
        await scene.script("viewer") as client,
    ):
        judge = await scene.publish(ASKS_A_MODEL)
        answer = await client.get(f"{API}/system")
    report = decoded(answer)
    for secret in ("sk-very-secret-key", "t" * 40, "k" * 30, "hidden", "hunter22"):
        assert secret not in answer.text
    settings = {entry["name"]: entry for entry in report["settings"]}
    assert settings["console_token"] == {"name": "console_token", "value": "***", "from": "option"}
    assert settings["max_steps"]["from"] == "default"
    providers = {entry["name"].rpartition("/")[2]: entry for entry in report["providers"]}
    assert (providers["openai"]["state"], providers["openai"]["host"]) == ("unused", "127.0.0.1:1")
    assert providers["openai"]["apps"] == [judge.id]
    assert providers["anthropic"]["state"] == "incomplete"
    [lacking] = [entry for entry in report["to_mend"] if entry["about"] == "provider"]
    assert "NO_SUCH_VARIABLE" in lacking["text"]
    assert report["sandbox"] == {"state": "checking", "checks": []}
    assert report["store"]["bytes"] > 0
    assert report["store"]["engine"].startswith("SQLite ")
    assert (report["store"]["runs"], report["store"]["oldest_at"]) == (0, None)
    assert (report["store"]["files"], report["store"]["file_bytes"]) == (0, 0)
    assert report["process"]["pid"] == os.getpid()
    load = {entry["name"]: entry for entry in report["load"]}
    assert list(load) == ["runs", "queued", "programs", "requests", "models", "streams"]
    assert load["runs"] == {"name": "runs", "used": 0, "limit": 10_000}
    assert load["models"] == {"name": "models", "used": 0, "limit": None}
    assert load["streams"]["limit"] is None
    assert report["store"]["commit"] > 0
    assert load["requests"] == {"name": "requests", "used": 0, "limit": 512}


async def test_a_provider_that_does_not_answer_is_told(tmp_path: Path) -> None:
    file = tmp_path / "providers.yml"
    file.write_text(PROVIDERS, encoding="utf-8")
    async with console_on(tmp_path / "home", providers=file) as scene, await scene.script() as client:
        name = decoded(await client.get(f"{API}/system"))["providers"][0]["name"]
        tried = decoded(await client.post(f"{API}/providers/{name.replace('/', '~')}/test"))
        assert (tried["ok"], bool(tried["error"])) == (False, True)
        assert "sk-very-secret-key" not in str(tried)
        assert (await client.post(f"{API}/providers/nothing/test")).status_code == 404
        judge = await scene.publish(ASKS_A_MODEL)
        assert (await ran(client, judge, q="why"))["status"] == "failed"
        scene.clock.now += 6
        report = decoded(await client.get(f"{API}/system"))
        [openai] = [entry for entry in report["providers"] if entry["name"] == name]
        assert (openai["state"], openai["hour"]["requests"], openai["hour"]["failed"]) == ("failing", 1, 1)


async def test_the_database_is_tried(operator: httpx.AsyncClient, viewer: httpx.AsyncClient) -> None:
    assert decoded(await operator.post(f"{API}/system/check", json={"what": "store"}))["ok"] is True
    assert (await operator.post(f"{API}/system/check", json={"what": "odd"})).status_code == 400
    assert (await viewer.post(f"{API}/system/check", json={"what": "store"})).status_code == 403


@pytest.mark.slow
async def test_the_sandbox_is_tried(operator: httpx.AsyncClient) -> None:
    done = decoded(await operator.post(f"{API}/system/check", json={"what": "sandbox"}))
    assert len(done["checks"]) > 3
    report = decoded(await operator.get(f"{API}/system"))
    assert report["sandbox"]["state"] == ("ok" if done["ok"] else "failed")


async def test_tools_and_plugins_are_listed(viewer: httpx.AsyncClient) -> None:
    found = {entry["name"]: entry["tools"] for entry in decoded(await viewer.get(f"{API}/tools"))["data"]}
    assert "current_time" in found["time"]
    assert decoded(await viewer.get(f"{API}/plugins"))["data"] == []
