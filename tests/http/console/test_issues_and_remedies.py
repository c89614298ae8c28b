"""Issues: the system page and `jikko doctor` report the same, with remedies."""

import asyncio
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from jikko.cli.main import cli
from jikko.console.issues import Issues, KnownProviders, ProviderFacts
from jikko.console.model_uses import ModelUses
from jikko.dsl.repair import model_provider
from jikko.ports.models import ModelFailure
from jikko.providers.provider_models import ProviderModels
from tests.http.console.scene import API, Scene, console_on, decoded
from tests.http.console.test_apps import ASKS_A_MODEL
from tests.providers.calling import request

pytestmark = pytest.mark.anyio

OTHER = ASKS_A_MODEL.replace("Judge", "裁判 \\u001b[31m🍒").replace("gpt-4o", "gpt-4o-mini")
REFUSED = ModelFailure("The provider answered 429: 混雑 🍒", kind="InvokeRateLimitError")
OPENAI = model_provider("openai")
UNREADABLE = "providers: [this, is, no, mapping"


async def to_mend(scene: Scene, about: str = "") -> list[dict[str, Any]]:
    async with await scene.script("viewer") as client:
        found: list[dict[str, Any]] = decoded(await client.get(f"{API}/system"))["to_mend"]
    return [entry for entry in found if about in ("", entry["about"])]


async def doctor(home: Path, *options: str, **variables: str) -> list[str]:
    """Its lines. It has an event loop of its own."""
    asked = ["doctor", "--home", str(home), *options]
    outcome = await asyncio.to_thread(CliRunner().invoke, cli, asked, env={"JIKKO_PORT": "0", **variables})
    return outcome.stdout.splitlines()


async def test_a_provider_that_nothing_knows_is_told_once_with_the_lines_that_mend_it(tmp_path: Path) -> None:
    file = tmp_path / "providers.yml"
    file.write_text("providers: {}", encoding="utf-8")
    async with console_on(tmp_path / "home", providers=file) as scene:
        apps = [await scene.publish(text) for text in (ASKS_A_MODEL, OTHER)]
        [found] = await to_mend(scene)
        assert (found["level"], found["about"]) == ("error", "provider")
        assert found["mend"] == f"add to {file}:"
        assert sorted(found["apps"]) == sorted(app.id for app in apps)

        pasted = yaml.safe_load(found["paste"].replace("${OPENAI_API_KEY}", "sk-1"))
        file.write_text(yaml.safe_dump(pasted), encoding="utf-8")
        scene.clock.now += 61
        assert await to_mend(scene) == []


@pytest.mark.slow
async def test_lines_to_paste_hold_no_more_than_the_name_of_the_provider(tmp_path: Path) -> None:
    names = [
        'x": {base_url: "http://evil.example"}\n  "openai',
        "a\x1b[31mb",
        "日本/語🍒",
        "it's # no: {comment}",
        "\u2028\u202e",
    ]
    content = json.loads(ASKS_A_MODEL)
    [judge] = [one for one in content["workflow"]["graph"]["nodes"] if one["id"] == "judge"]
    apps: dict[str, str] = {}
    async with console_on(tmp_path / "home") as scene:
        for name in names:
            judge["data"]["model"]["provider"] = name
            content["app"]["name"] = f"Judge {len(apps)}"
            apps[(await scene.publish(json.dumps(content))).id] = name
        found = await to_mend(scene, "provider")
    assert sorted(app for issue in found for app in issue["apps"]) == sorted(apps)
    for issue in found:
        [(named, entry)] = yaml.safe_load(issue["paste"])["providers"].items()
        assert entry["base_url"].endswith("_BASE_URL}")
        assert [named in apps[app].replace("langgenius/", "") for app in issue["apps"]] == [True]
    lines = await doctor(tmp_path / "home")
    assert len([line for line in lines if "is not set up" in line]) == len(names)
    assert not [line for line in lines if "\x1b" in line]


async def test_a_variable_that_is_not_set_is_told_with_whom_it_hits(tmp_path: Path) -> None:
    file = tmp_path / "providers.yml"
    file.write_text('providers: {openai: {type: openai, api_key: "${NO_SUCH_KEY}"}}', encoding="utf-8")
    async with console_on(tmp_path / "home", providers=file) as scene:
        app = await scene.publish(ASKS_A_MODEL)
        [found] = await to_mend(scene)
    assert "NO_SUCH_KEY is not set" in found["text"]
    assert (found["paste"], found["apps"]) == ("export NO_SUCH_KEY=…", [app.id])


async def test_the_doctor_tells_what_the_page_tells(tmp_path: Path) -> None:
    file, home = tmp_path / "providers.yml", tmp_path / "the home"
    file.write_text("providers: {}", encoding="utf-8")
    async with console_on(home, providers=file, fake_models=False) as scene:
        await scene.publish(OTHER)
        home.chmod(0o755)
        page = await to_mend(scene)
    home.chmod(0o755)
    lines = [json.loads(line) for line in await doctor(home, "--json", JIKKO_PROVIDERS=str(file))]
    assert [entry["about"] for entry in page] == ["provider", "data folder"]
    [finding] = [line for line in lines if line["name"] == "provider"]
    assert (finding["ok"], finding["warning"], finding["paste"]) == (True, True, page[0]["paste"])
    assert finding["detail"].endswith(f"{page[0]['text']}; {page[0]['mend']}")
    assert finding["detail"].startswith("裁判  [31m🍒: ")
    assert page[1]["text"] == f"other users may read {home} (mode 755): chmod 700 {home}"
    assert shlex.split(page[1]["paste"]) == ["chmod", "700", str(home)]


async def test_lines_to_paste_stand_below_what_they_mend(tmp_path: Path) -> None:
    async with console_on(tmp_path / "home") as scene:
        await scene.publish(ASKS_A_MODEL)
    lines = await doctor(tmp_path / "home")
    [at] = [at for at, line in enumerate(lines) if "is not set up" in line]
    assert lines[at + 1 : at + 3] == [
        "        providers:",
        '          "openai": {type: openai, api_key: "${OPENAI_API_KEY}"}',
    ]


@pytest.mark.slow
async def test_a_file_that_cannot_be_read_makes_no_app_seem_to_lack_it(tmp_path: Path) -> None:
    file = tmp_path / "providers.yml"
    async with console_on(tmp_path / "home") as scene:
        await scene.publish(ASKS_A_MODEL)
    file.write_text(UNREADABLE, encoding="utf-8")
    lines = [json.loads(line) for line in await doctor(tmp_path / "home", "--json", JIKKO_PROVIDERS=str(file))]
    assert [line["ok"] for line in lines if line["name"] == "providers"] == [False]
    assert [line for line in lines if line["name"] in ("provider", "workflow")] == []


@pytest.mark.parametrize(
    ("is_paced", "paste"), [(False, {"providers": {OPENAI: {"requests_per_minute": 9}}}), (True, None)]
)
async def test_a_provider_that_is_asked_too_often_is_to_be_asked_less(
    tmp_path: Path, is_paced: bool, paste: dict[str, Any] | None
) -> None:
    async with console_on(tmp_path / "home") as scene:
        console = scene.assembly.console
        assert console is not None
        uses = ModelUses(scene.clock)
        for place in range(600):
            uses.called(OPENAI, 1.0, REFUSED if place < 14 else None)

        async def providers(asked: Sequence[str]) -> KnownProviders:
            facts = ProviderFacts(OPENAI, "openai", "api.openai.com", is_paced=is_paced)
            return KnownProviders([facts], "providers.yml", {})

        found = await Issues(console.app_store, console.forecasts, console.callback_store, uses, providers).look()
    [issue] = found.issues
    assert (issue.diagnostic.severity, issue.provider) == ("warning", OPENAI)
    assert issue.diagnostic.text() == f"{OPENAI} answered 429 to 14 of 600 requests of the last hour"
    assert yaml.safe_load(issue.diagnostic.snippet) == paste


async def test_a_gateway_for_all_providers_is_told_of_what_it_answered_for_each(tmp_path: Path) -> None:
    async with console_on(tmp_path / "home") as scene:
        console = scene.assembly.console
        assert console is not None
        app = await scene.publish(ASKS_A_MODEL)
        uses = ModelUses(scene.clock)
        for place in range(4):
            uses.called("*", 1.0, REFUSED if place < 3 else None)

        async def providers(asked: Sequence[str]) -> KnownProviders:
            facts = [ProviderFacts(name, "openai", "gateway.test", is_paced=False) for name in ("*", "deepseek")]
            return KnownProviders(facts, "providers.yml", {})

        found = await Issues(console.app_store, console.forecasts, console.callback_store, uses, providers).look()
    gateway, other = found.providers
    assert (gateway.hour.requests, gateway.hour.refused, gateway.apps) == (4, 3, (app.id,))
    assert (other.hour.requests, other.apps) == (0, ())


async def test_calls_of_every_kind_count(tmp_path: Path) -> None:
    """Those of agents, rerankers, embeddings and speech, too: each reports to ``on_call``."""
    unreachable = "{type: openai, api_key: k, base_url: 'http://127.0.0.1:1'}"
    entries = f"providers: {{cohere: {{type: cohere, api_key: k}}, openai: {unreachable}}}"
    (tmp_path / "providers.yml").write_text(entries, encoding="utf-8")
    async with console_on(tmp_path / "home", providers=tmp_path / "providers.yml") as scene:
        models = scene.assembly.ports.models
        assert isinstance(models, ProviderModels)
        config = models.connections.config("cohere", "rerank-v3")
        async with models.connections.calling(config, "app"):
            pass
        with pytest.raises(ModelFailure, match="混雑"):
            async with models.connections.calling(config, "app"):
                raise REFUSED
        with pytest.raises(asyncio.CancelledError):
            async with models.connections.calling(config, "app"):
                raise asyncio.CancelledError
        with pytest.raises(ModelFailure) as unanswered:
            await models.complete(request())
        async with await scene.script("viewer") as client:
            told = decoded(await client.get(f"{API}/system"))["providers"]
    assert {each["name"]: (each["hour"]["requests"], each["hour"]["failed"], each["error"]) for each in told} == {
        model_provider("cohere"): (2, 1, str(REFUSED)),
        OPENAI: (1, 1, str(unanswered.value)),
    }


@pytest.mark.slow
async def test_the_first_look_has_the_sandbox_tried_without_a_click(tmp_path: Path) -> None:
    async with console_on(tmp_path / "home") as scene, await scene.script("viewer") as client:
        assert decoded(await client.get(f"{API}/system"))["sandbox"] == {"state": "checking", "checks": []}
        assert scene.assembly.console is not None
        tried = scene.assembly.console.system._checking
        assert tried is not None
        await tried
        found = decoded(await client.get(f"{API}/system"))["sandbox"]
    assert found["state"] == ("ok" if all(check["status"] != "failed" for check in found["checks"]) else "failed")
    assert len(found["checks"]) > 3
