"""Figures of many runs, and the filters that they lead to."""

from typing import Any

import httpx
import pytest

from jikko.store import run_lists
from tests.acceptance.workflows import app, end, node, start
from tests.http.console.scene import API, Scene, decoded
from tests.http.console.test_runs import BROKEN, ECHO, listed, ran

pytestmark = pytest.mark.anyio

HOUR = 3600


async def charts(client: httpx.AsyncClient, **query: Any) -> Any:
    return decoded(await client.get(f"{API}/runs/charts", params=query))


async def test_each_figure_leads_to_its_runs(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo, broken = await scene.publish(ECHO.replace("Echo", "確認 🔎")), await scene.publish(BROKEN)
    begin = scene.clock.now = scene.clock.now // HOUR * HOUR
    ids = [(await ran(operator, echo, "anna", q="1"))["id"], (await ran(operator, broken, "<b>語</b>"))["id"]]
    scene.clock.now += HOUR
    ids.append((await ran(operator, echo, "<b>語</b>", q="2"))["id"])

    by_time = await charts(operator, after=begin + 7)
    assert (by_time["from"], by_time["step"], by_time["runs"], by_time["looked_at"]) == (begin, HOUR, 3, 3)
    assert [(point["at"], point["runs"], point["failed"]) for point in by_time["data"]] == [
        (begin, 2, 1),
        (begin + HOUR, 1, 0),
    ]
    later = await charts(operator, after=begin - HOUR, before=begin + HOUR, app=echo.id.upper())
    assert [(point["at"] - begin, point["runs"]) for point in later["data"]] == [(-HOUR, 0), (0, 1)]
    assert later["data"][0]["p50"] is None
    for by in ("time", "app"):
        until = await charts(operator, by=by, after=begin - 5 * HOUR, before=begin + HOUR, hours=24)
        assert (until["runs"], sum(point["runs"] for point in until["data"])) == (2, 2)

    by_app = await charts(operator, after=begin, by="app")
    assert [(point["name"], point["runs"], point["failed"]) for point in by_app["data"]] == [
        ("確認 🔎", 2, 0),
        (broken.name, 1, 1),
    ]
    assert await listed(operator, app=by_app["data"][0]["app_id"]) == [ids[2], ids[0]]
    [version, _] = (await charts(operator, after=begin, by="version"))["data"]
    assert (version["name"], version["version"], version["workflow_id"]) == ("確認 🔎", 1, echo.workflow_id)
    assert await listed(operator, version=version["workflow_id"]) == [ids[2], ids[0]]
    [user, _] = (await charts(operator, after=begin, by="user"))["data"]
    assert (user["name"], user["runs"], user["failed"]) == ("<b>語</b>", 2, 1)
    assert await listed(operator, user=user["name"]) == [ids[2], ids[1]]
    assert (await charts(operator, after=begin, by="model"))["data"] == []


async def test_runs_that_were_not_looked_at_are_stood_for_by_others_of_their_app(
    scene: Scene, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = await scene.publish(ECHO)
    for _ in range(3):
        await ran(operator, echo, "anna", q="1")
        scene.clock.now += HOUR
    monkeypatch.setattr(run_lists, "MAX_SAMPLED", 2)
    for by in ("user", "version", "app"):
        [point] = (await charts(operator, by=by))["data"]
        assert (point["runs"], point["p50"] is None) == (3, False)


async def test_runs_are_found_by_the_models_that_their_versions_call(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    ask = node(
        "ask",
        "llm",
        model={"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}},
        prompt_template=[{"role": "user", "text": "{{#start.q#}}"}],
        context={"enabled": False},
        vision={"enabled": False},
    )
    asks = await scene.publish(app("Asks a model", [start("q"), ask, end(q="start.q")], "start>ask>end"))
    plain, asked = await ran(operator, echo, q="1"), await ran(operator, asks, q="2")
    model = "gpt-4o"
    assert await listed(operator, model=model) == [asked["id"]]
    assert await listed(operator, model=model, app=echo.id) == []
    assert await listed(operator, model=model, version=echo.workflow_id) == []
    assert await listed(operator, model=f"{model}-not") == []
    page = decoded(await operator.get(f"{API}/runs", params={"model": model}))
    assert sum(page["counts"].values()) == 1
    bars = decoded(await operator.get(f"{API}/runs/histogram", params={"model": model}))
    assert sum(sum(bar["by_status"].values()) for bar in bars["data"]) == 1
    [point] = (await charts(operator, by="model"))["data"]
    assert (point["name"], point["runs"]) == (model, 1)
    await operator.delete(f"{API}/apps/{asks.id}")
    assert await listed(operator, model=model) == []
    assert plain["id"] in await listed(operator)


async def test_runs_are_found_by_their_errors_and_retries(scene: Scene, operator: httpx.AsyncClient) -> None:
    broken = await scene.publish(BROKEN)
    failed = await ran(operator, broken, q="x" * 1_000_000)
    again = decoded(await operator.post(f"{API}/runs/{failed['id']}/retry", json={}), 202)["run_id"]
    found = failed["error"]
    for query in ({"error": found["message"].upper()[:40]}, {"failed_at": "wait"}):
        assert failed["id"] in await listed(operator, **query)
    assert await listed(operator, retry="repeated") == [failed["id"]]
    assert await listed(operator, retry="repeats") == [again]
    for nothing in ({"error": "語 🌸 \ue000"}, {"failed_at": "wai"}, {"min_tokens": 1}, {"min_cost": 0.1}):
        assert await listed(operator, **nothing) == []


async def test_an_answer_says_how_many_runs_it_looked_at(
    scene: Scene, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = await scene.publish(ECHO)
    for user in ("anna", "anna", "ben"):
        scene.clock.now += 1
        await ran(operator, echo, user, q="1")
    monkeypatch.setattr(run_lists, "MAX_SAMPLED", 1)
    told = await charts(operator, by="user")
    assert (told["runs"], told["looked_at"]) == (3, 1)
    assert [(point["name"], point["runs"]) for point in told["data"]] == [("ben", 3)]
    [app_] = (await charts(operator, by="app", after=0))["data"]
    assert (app_["runs"], app_["failed"]) == (3, 0)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"by": "day"}, "by: "),
        ({"hours": "0"}, "hours: must lie between 1 and 8784"),
        ({"after": "x"}, "after: must be a number"),
        ({"after": "0"}, "hours: this range has "),
        ({"after": "7200", "before": "7200"}, "before: must be later than after"),
        ({"after": "5", "before": "1"}, "before: must be later than after"),
        ({"after": "7200", "before": "3600", "by": "app"}, "before: must be later than after"),
        ({"after": "9" * 11}, "before: must be later than after"),
        ({"after": "9" * 11, "before": "9" * 12, "by": "app"}, "before: must be later than after"),
    ],
)
async def test_a_wrong_question_is_refused(operator: httpx.AsyncClient, query: dict[str, str], told: str) -> None:
    answer = decoded(await operator.get(f"{API}/runs/charts", params=query), 400)
    assert answer["message"].startswith(told)


@pytest.mark.parametrize("query", ["retry=maybe", "min_tokens=-1", "min_tokens=1.5", "min_cost=-1", "min_cost=nan"])
async def test_a_wrong_filter_is_refused(operator: httpx.AsyncClient, query: str) -> None:
    answer = decoded(await operator.get(f"{API}/runs?{query}"), 400)
    assert answer["message"].startswith(query.partition("=")[0])
