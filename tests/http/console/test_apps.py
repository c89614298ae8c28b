"""Apps: the list, one with its graph, versions and their differences, imports, keys, callbacks."""

import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from jikko.apps.environment import layer
from jikko.apps.key_files import keep_key
from jikko.console.canvas import picture_of
from jikko.repositories.app_store import ApiKey, App, AppStore
from jikko.values import Json
from tests.acceptance.workflows import app, end, fetch, node, start, with_environment
from tests.http.console.scene import API, MANAGEMENT, Scene, console_on, decoded
from tests.http.console.test_runs import ECHO, ran

pytestmark = pytest.mark.anyio

ASKS_A_MODEL = app(
    "Judge",
    [
        start("q"),
        node(
            "judge",
            "llm",
            model={"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}},
            prompt_template=[{"role": "user", "text": "{{#start.q#}}"}],
        ),
        end(text="judge.text"),
    ],
    "start>judge>end",
)
BROKEN = app("Broken", [start("q"), node("x", "no-such-type"), end(q="start.q")], "start>x>end")


def placed(text: str, **places: tuple[float, float]) -> str:
    """A file whose nodes stand somewhere."""
    content = json.loads(text)
    for entry in content["workflow"]["graph"]["nodes"]:
        if entry["id"] in places:
            x, y = places[entry["id"]]
            entry["position"] = {"x": x, "y": y}
    return json.dumps(content)


async def test_the_list_tells_how_apps_do(scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient) -> None:
    echo, judge = await scene.publish(ECHO), await scene.publish(ASKS_A_MODEL)
    run = await ran(operator, echo, q="1")
    first, second = decoded(await viewer.get(f"{API}/apps"))["data"]
    assert (first["name"], first["nodes"], first["versions"]) == ("Echo", 2, 1)
    assert first["last_runs"] == [{"id": run["id"], "status": "succeeded", "elapsed": run["elapsed"]}]
    assert first["day"] == {
        "runs": 1,
        "by_status": {"succeeded": 1},
        "p50": run["elapsed"],
        "p95": run["elapsed"],
    }
    assert first["last_at"] == run["created_at"]
    assert first["problems"] == {"errors": 0, "warnings": 0}
    assert (second["id"], second["problems"]["errors"]) == (judge.id, 1)
    assert (second["day"]["p50"], second["last_at"], second["last_runs"]) == (None, None, [])


async def test_an_app_that_is_removed_while_apps_are_listed_is_left_out(
    scene: Scene, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo, gone = await scene.publish(ECHO), await scene.publish(ASKS_A_MODEL)
    list_ = AppStore.apps

    async def list_before_one_is_removed(store: AppStore) -> list[App]:
        found = await list_(store)
        await store.delete_app(gone.id, at=1.0)
        return found

    monkeypatch.setattr(AppStore, "apps", list_before_one_is_removed)

    assert [each["id"] for each in decoded(await operator.get(f"{API}/apps"))["data"]] == [echo.id]


async def test_an_app_that_is_removed_gets_no_key(
    scene: Scene, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = await scene.publish(ECHO)
    add = AppStore.add_key

    async def add_after_the_app_is_removed(store: AppStore, key: ApiKey, **how: bool) -> bool:
        await store.delete_app(echo.id, at=1.0)
        return await add(store, key, **how)

    monkeypatch.setattr(AppStore, "add_key", add_after_the_app_is_removed)

    decoded(await operator.post(f"{MANAGEMENT}/apps/{echo.id}/keys"), 404)


def test_branches_are_called_as_their_author_calls_them() -> None:
    sources = {
        "judge": {"type": "if-else", "cases": [{"case_id": "true"}, {"case_id": "c2"}]},
        "sort": {"type": "question-classifier", "classes": [{"id": "1", "name": "返品 📦"}]},
        "ask": {"type": "human-input", "user_actions": [{"id": "yes", "title": "Approve"}]},
        "old": {"type": "if-else", "conditions": []},
        "calls": {"type": "http-request"},
    }
    handles = [
        *(("judge", "true", "IF"), ("judge", "c2", "ELIF 2"), ("judge", "false", "ELSE"), ("judge", "gone", UNSET)),
        *(("sort", "1", "返品 📦"), ("ask", "yes", "Approve"), ("ask", "__timeout", UNSET)),
        *(("old", "true", "IF"), ("old", "false", "ELSE"), ("calls", "fail-branch", UNSET)),
    ]
    nodes = [{"id": name, "data": data} for name, data in [*sources.items(), ("end", {"type": "end"})]]
    edges = [{"source": source, "sourceHandle": handle, "target": "end"} for source, handle, _ in handles]
    picture = picture_of(json.dumps({"workflow": {"graph": {"nodes": nodes, "edges": edges}}}).encode())
    assert [edge.label for edge in picture.edges] == [label for *_, label in handles]


@pytest.mark.parametrize("odd", [None, 1, 1.5, ["日本 🌸"], {"a": []}, "gone"])
def test_edges_and_branches_of_odd_ids_are_left_out_of_the_graph(odd: Json) -> None:
    data = {"type": "question-classifier", "classes": [{"id": odd, "name": "返品 📦"}]}
    nodes = [
        {"id": "a", "data": data},
        {"id": "b", "data": {**data, "type": "human-input", "user_actions": [{"id": odd}]}},
    ]
    ends = [{"source": "a", "target": odd}, {"source": odd, "target": "b"}]
    edges = [*ends, *({"source": name, "sourceHandle": odd, "target": "b"} for name in ("a", "b"))]

    picture = picture_of(json.dumps({"workflow": {"graph": {"nodes": nodes, "edges": edges}}}).encode())

    assert [(edge.source, edge.target) for edge in picture.edges] == [("a", "b"), ("b", "b")]


def test_cases_classes_and_filters_are_those_of_the_file() -> None:
    condition = {"variable_selector": ["start", "n"], "comparison_operator": "is", "value": "値 🎉 \ue000"}
    many = [{"case_id": str(number), "name": "x" * 900} for number in range(100)]
    case = {"case_id": "c", "logical_operator": "or", "conditions": [condition]}
    found = {
        "judge": ({"type": "if-else", "cases": [case, "no case", None]}, [case]),
        "old": (
            {"type": "if-else", "logical_operator": "or", "conditions": [condition]},
            [{**case, "case_id": "true"}],
        ),
        "none": ({"type": "if-else", "cases": []}, UNSET),
        "sort": (
            {"type": "question-classifier", "classes": [{"id": "1", "name": "返品"}]},
            [{"id": "1", "name": "返品"}],
        ),
        "pick": (
            {"type": "list-operator", "variable": ["a", "b"], "filter_by": {"enabled": True, "conditions": []}},
            [{"variable": ["a", "b"], "enabled": True, "conditions": []}],
        ),
        "all": ({"type": "list-operator", "filter_by": {"enabled": False, "conditions": []}}, UNSET),
        "odd": ({"type": "question-classifier", "classes": "A"}, UNSET),
        "long": ({"type": "question-classifier", "classes": [{"name": "長" * 10**6}]}, [{"name": "長" * 1000}]),
        "many": ({"type": "if-else", "cases": many}, UNSET),
        "code": ({"type": "code", "cases": [case]}, UNSET),
    }
    nodes = [{"id": name, "data": data} for name, (data, _) in found.items()]
    picture = picture_of(json.dumps({"workflow": {"graph": {"nodes": nodes, "edges": []}}}).encode())
    assert {one.id: one.cases for one in picture.nodes} == {name: cases for name, (_, cases) in found.items()}


async def test_one_app_has_its_graph_and_what_will_go_wrong(scene: Scene, viewer: httpx.AsyncClient) -> None:
    judge = await scene.publish(placed(ASKS_A_MODEL, start=(30, 300), judge=(334.5, 300)))
    found = decoded(await viewer.get(f"{API}/apps/{judge.id}"))
    nodes = {entry["id"]: entry for entry in found["graph"]["nodes"]}
    assert (nodes["start"]["x"], nodes["judge"]["x"], nodes["judge"]["detail"]) == (30, 334.5, "gpt-4o")
    # One without a place stands below, in the column of its depth.
    assert (nodes["end"]["x"], nodes["end"]["y"] > 354) == (30 + 2 * 304, True)
    assert found["graph"]["edges"][0] == {
        "id": "start>judge",
        "source": "start",
        "handle": "source",
        "target": "judge",
    }
    [variable] = found["form"]
    assert (variable["name"], variable["type"], variable["required"]) == ("q", "paragraph", False)
    [problem] = [problem for problem in found["problems"] if problem["level"] == "will_fail"]
    assert problem["node_id"] == "judge"
    assert problem["path"].startswith("workflow.graph.nodes[1]")
    [model] = found["models"]
    assert (model["model"], model["nodes"], model["ok"]) == ("gpt-4o", ["judge"], False)


def test_containers_and_notes_are_where_their_author_put_them() -> None:
    content = json.loads(ECHO)
    words = {"root": {"children": [{"children": [{"text": "Mind "}, {"text": "the <gap>"}]}, {"text": "twice"}]}}
    content["workflow"]["graph"]["nodes"] += [
        {
            "id": "n",
            "type": "custom-note",
            "data": {"text": json.dumps(words)},
            "position": {"x": 5, "y": 6},
            "width": 100,
            "height": 50,
        },
        {**node("box", "iteration"), "position": {"x": 100, "y": 200}},
        {**node("in", "iteration-start"), "position": {"x": 24, "y": 78}, "parentId": "box"},
    ]
    nodes = {entry.id: entry for entry in picture_of(json.dumps(content).encode()).nodes}
    assert (nodes["n"].type, nodes["n"].note, nodes["n"].width) == ("note", "Mind the <gap>\ntwice", 100)
    assert (nodes["in"].x, nodes["in"].y, nodes["in"].parent) == (124, 278, "box")
    assert picture_of(b"\0") == picture_of(b"[") == picture_of(b"a: 1")


async def test_files_are_looked_at_first_and_then_imported(scene: Scene, operator: httpx.AsyncClient) -> None:
    files = [("files", (f"{name}.yml", text.encode())) for name, text in (("echo", ECHO), ("b", BROKEN), ("c", "[}"))]
    trial = decoded(await operator.post(f"{API}/apps", params={"dry_run": "true"}, files=files))["data"]
    assert [entry.get("app_id") for entry in trial] == [None, None, None]
    assert [len([p for p in entry["problems"] if p["level"] == "error"]) for entry in trial] == [0, 1, 1]
    assert decoded(await operator.get(f"{API}/apps"))["data"] == []
    done = decoded(await operator.post(f"{API}/apps", files=files))["data"]
    assert done[0]["version"]["number"] == 1
    assert ["app_id" in entry for entry in done] == [True, False, False]
    again = decoded(await operator.post(f"{API}/apps", files=files[:1]))["data"]
    assert (again[0]["app_id"], again[0]["version"]["number"]) == (done[0]["app_id"], 2)
    [kept] = decoded(await operator.post(f"{API}/apps", params={"keep_current": "1"}, files=files[:1]))["data"]
    versions = decoded(await operator.get(f"{API}/apps/{kept['app_id']}/versions"))["data"]
    assert [(each["number"], each["current"]) for each in versions] == [(3, False), (2, True), (1, False)]
    entries = decoded(await operator.get(f"{API}/audit"))["data"]
    assert [entry["what"] for entry in entries[:2]] == ["imported 'Echo', version 3", "published 'Echo', version 2"]
    [new] = decoded(
        await operator.post(
            f"{API}/apps",
            params={"keep_current": "1"},
            files=[("files", ("n.yml", ECHO.replace("Echo", "行 🆕").encode()))],
        )
    )["data"]
    assert decoded(await operator.get(f"{API}/apps/{new['app_id']}"))["version"]["number"] == 1
    chat = app("Echo", [start("q"), node("a", "answer", answer="hi")], "start>a", mode="advanced-chat")
    [refused] = decoded(await operator.post(f"{API}/apps", files=[("files", ("e.yml", chat.encode()))]))["data"]
    assert "is of mode workflow" in refused["problems"][0]["problem"]
    assert (await operator.post(f"{API}/apps", json={})).status_code == 400


async def test_versions_are_compared_and_made_current(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    secret = {"KEY": ("secret", "hunter22"), "LIMIT": ("number", 1)}
    old = placed(with_environment(ECHO, **secret), start=(1, 1))
    content = json.loads(placed(with_environment(ECHO, KEY=("secret", "hunter23"), LIMIT=("number", 2)), start=(9, 9)))
    graph = content["workflow"]["graph"]
    graph["nodes"][1]["data"]["title"] = "The end"
    graph["nodes"].append(node("new", "template-transform", template="x", limit=0, variables=[]))
    graph["edges"].append({"source": "start", "target": "new", "sourceHandle": "source"})
    first = await scene.publish(old)
    await scene.publish(json.dumps(content))
    path = f"{API}/apps/{first.id}"
    versions = decoded(await viewer.get(f"{path}/versions"))["data"]
    assert [(entry["number"], entry["current"]) for entry in versions] == [(2, True), (1, False)]
    diff = decoded(await viewer.get(f"{path}/diff", params={"from": "1"}))
    assert {(entry["id"], entry["change"]) for entry in diff["nodes"]} == {("end", "changed"), ("new", "added")}
    [end_node] = [entry for entry in diff["nodes"] if entry["id"] == "end"]
    assert end_node["fields"] == [{"path": "/title", "before": None, "after": None}]
    assert [(edge["target"], edge["change"]) for edge in diff["edges"]] == [("new", "added")]
    assert diff["features"] == [{"path": "/environment_variables/LIMIT/value", "before": None, "after": None}]
    # Values are for those who may read the file.
    read = decoded(await operator.get(f"{path}/diff", params={"from": "1"}))
    assert {entry["id"]: entry["fields"] for entry in read["nodes"]} == {
        "end": [{"path": "/title", "before": "end", "after": "The end"}],
        "new": [{"path": "/template", "before": None, "after": "x"}, {"path": "/limit", "before": None, "after": 0}],
    }
    assert read["features"] == [{"path": "/environment_variables/LIMIT/value", "before": 1, "after": 2}]
    back = decoded(await viewer.get(f"{path}/diff", params={"from": "2", "to": versions[1]["workflow_id"]}))
    assert ("new", "removed") in {(entry["id"], entry["change"]) for entry in back["nodes"]}
    same = decoded(await viewer.get(f"{path}/diff", params={"from": "2", "to": "2"}))
    assert same == {"nodes": [], "edges": [], "features": []}
    source = f"{path}/versions/{versions[1]['workflow_id']}/source"
    assert (await viewer.get(source)).status_code == 403
    assert (await operator.get(source)).text == old
    of_node = source.replace("source", "nodes/end")
    assert (await viewer.get(of_node)).status_code == 403
    told = decoded(await operator.get(of_node))
    assert json.loads("".join(told["lines"]))["id"] == "end"
    assert (await operator.get(of_node + "less")).json()["code"] == "not_found"
    assert decoded(await operator.post(source.replace("source", "publish")))["number"] == 1
    assert decoded(await viewer.get(path))["version"]["number"] == 1
    assert decoded(await viewer.get(path, params={"version": "2"}))["version"]["number"] == 2
    for wrong in ("diff", "diff?from=7", "versions/7/source", "?version=x"):
        assert (await operator.get(f"{path}/{wrong}" if wrong[0] != "?" else path + wrong)).status_code in (400, 404)


async def test_keys_are_shown_once(scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    path = f"{API}/apps/{echo.id}/keys"
    made = decoded(await operator.post(path), 201)
    [listed] = decoded(await operator.get(path))["data"]
    assert made["key"].startswith("app-")
    assert (listed["id"], listed["hint"], "key" in listed, "used_at" in listed) == (
        made["id"],
        made["hint"],
        False,
        False,
    )
    async with scene.client(Authorization=f"Bearer {made['key']}") as app_client:
        assert (await app_client.get("/v1/info")).json()["name"] == "Echo"
        assert (await app_client.get(f"{API}/apps")).status_code == 401
    assert (await viewer.get(path)).status_code == 403
    assert (await operator.delete(f"{path}/{made['id']}")).status_code == 204
    assert (await operator.delete(f"{path}/{made['id']}")).status_code == 404


async def test_webhook_secrets_and_callbacks(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jikko.console")
    echo = await scene.publish(ECHO)
    secret = decoded(await operator.post(f"{API}/apps/{echo.id}/webhook-secret"))["secret"]
    assert secret.startswith("whsec_")
    assert secret not in caplog.text
    key = await scene.assembly.app_keys.issue(echo.id)
    body: dict[str, Any] = {"inputs": {"q": "1"}, "user": "a", "callback_url": "http://127.0.0.1:1/x"}
    async with scene.client(Authorization=f"Bearer {key}") as app_client:
        run_id = (await app_client.post("/v1/workflows/run", json=body)).json()["workflow_run_id"]
    [waiting] = decoded(await viewer.get(f"{API}/callbacks", params={"app": echo.id, "state": "pending"}))["data"]
    assert (waiting["run_id"], waiting["url"], waiting["attempts"]) == (run_id, "http://127.0.0.1:1/x", 0)
    assert decoded(await viewer.get(f"{API}/callbacks?state=failed"))["data"] == []
    other = await scene.publish(ECHO.replace("Echo", "Another"))
    assert decoded(await viewer.get(f"{API}/callbacks", params={"app": other.id}))["data"] == []
    assert decoded(await viewer.get(f"{API}/callbacks", params={"app": echo.id.upper()}))["data"] == [waiting]
    assert decoded(await operator.post(f"{API}/callbacks/{run_id}/resend"))["state"] == "pending"
    assert decoded(await operator.post(f"{API}/callbacks/resend")) == {"resent": 0}
    assert scene.assembly.console is not None
    store = scene.assembly.console.callback_store
    entry = await store.find(run_id)
    assert entry is not None
    await store.save(replace(entry, state="failed", finished_at=scene.clock.now, error="it answered 502"))
    scene.clock.now += 60
    [mend] = [one for one in decoded(await viewer.get(f"{API}/system"))["to_mend"] if one["about"] == "callbacks"]
    assert mend["text"] == "1 callback was given up, the last to 127.0.0.1:1: it answered 502"
    assert (await viewer.post(f"{API}/callbacks/resend")).status_code == 403
    assert decoded(await operator.post(f"{API}/callbacks/resend")) == {"resent": 1}
    again = await store.find(run_id)
    assert again is not None
    assert again.state == "pending"
    assert (await operator.post(f"{API}/callbacks/{echo.id}/resend")).status_code == 404
    assert (await viewer.get(f"{API}/callbacks?state=odd")).status_code == 400
    assert decoded(await viewer.get(f"{API}/runs/{run_id}"))["callback"]["state"] == "pending"


async def test_a_removed_app_is_gone_and_its_runs_stay(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    run = await ran(operator, echo, q="1")
    entry, key = await scene.assembly.app_keys.make(echo.id)
    kept = keep_key(scene.assembly.settings.home, entry, key, "エコー")
    assert (await operator.delete(f"{API}/apps/{echo.id}")).status_code == 204
    assert not kept.exists()
    for path in (f"apps/{echo.id}", f"apps/{echo.id}/versions", f"apps/{echo.id}/diff?from=1", "apps/x"):
        assert (await operator.get(f"{API}/{path}")).status_code == 404
    [kept] = decoded(await operator.get(f"{API}/runs"))["data"]
    assert (kept["id"], kept["app"]["name"], kept["app"]["icon"], kept["version"]) == (run["id"], "Echo", None, 0)


async def test_when_a_key_was_used_last_is_told(tmp_path: Path) -> None:
    async with console_on(tmp_path) as scene:
        echo = await scene.publish(ECHO)
        key = await scene.assembly.app_keys.issue(echo.id)
        async with scene.client(Authorization=f"Bearer {key}") as client:
            assert (await client.get("/v1/info")).status_code == 200
        used_at = scene.clock.now
    async with console_on(tmp_path) as scene, await scene.script() as client:
        [listed] = decoded(await client.get(f"{API}/apps/{echo.id}/keys"))["data"]
        assert listed["used_at"] == used_at


async def test_what_overrules_an_environment_variable_is_named_and_its_value_is_not_told(tmp_path: Path) -> None:
    mode_end = node("end", "end", outputs=[{"variable": "mode", "value_selector": ["env", "MODE"]}])
    text = app("Env", [start("q"), mode_end], "start>end")
    outer = (
        layer("JIKKO_ENV_", {"env_token": "sk-of-the-server", "limit": "many"}),
        layer("jikko.toml: env.", {"TOKEN": "not this one"}),
    )
    async with console_on(tmp_path, env=outer) as scene, await scene.script() as client:
        values = {"MODE": ("string", "slow"), "TOKEN": ("secret", ""), "LIMIT": ("number", 3)}
        found = await scene.publish(with_environment(text, **values))
        answer = await client.get(f"{API}/apps/{found.id}/environment")
    assert {one["name"]: (one["overruled_by"], one["value"]) for one in decoded(answer)["data"]} == {
        "MODE": (None, "slow"),
        "TOKEN": ("JIKKO_ENV_ENV_TOKEN", ""),
        "LIMIT": ("JIKKO_ENV_LIMIT", 3),
    }
    assert "of-the-server" not in answer.text


async def test_environment_variables_are_set_and_taken_back(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    mode_end = node("end", "end", outputs=[{"variable": "mode", "value_selector": ["env", "MODE"]}])
    text = app("Env", [start("q"), mode_end], "start>end")
    values = {"MODE": ("string", "slow"), "TOKEN": ("secret", ""), "LIMIT": ("number", 3)}
    found = await scene.publish(with_environment(text, **values))
    path = f"{API}/apps/{found.id}/environment"
    assert (await viewer.get(path)).status_code == 403
    assert (await viewer.post(path, json={"values": {"MODE": "x"}})).status_code == 403
    before = {one["name"]: one for one in decoded(await operator.get(path))["data"]}
    assert (before["MODE"]["value"], before["MODE"]["is_set"]) == ("slow", False)
    changes = {"MODE": "速い \ue000", "TOKEN": "sk-very-secret-token", "LIMIT": "7"}
    after = {one["name"]: one for one in decoded(await operator.post(path, json={"values": changes}))["data"]}
    assert (after["MODE"]["value"], after["LIMIT"]["value"]) == ("速い \ue000", 7)
    assert "very-secret" not in str(after["TOKEN"]["value"])
    assert all(one["is_set"] for one in after.values())
    run = await ran(operator, found, q="1")
    assert run["outputs"]["mode"] == "速い \ue000"
    back = decoded(await operator.post(path, json={"unset": ["MODE"]}))["data"]
    assert next(one for one in back if one["name"] == "MODE") == before["MODE"]
    assert (await operator.post(path, json={"values": {"NONE": "x"}})).status_code == 404
    refused = await operator.post(path, json={"values": {"LIMIT": "many"}})
    assert (refused.status_code, refused.json()["code"]) == (503, "invalid_environment")
    assert "many" not in refused.text


@pytest.mark.parametrize("host", ["vault 7f3a.example", "10.7.31.7"])
async def test_a_host_that_is_a_secret_is_shown_to_nobody(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient, host: str
) -> None:
    text = app("Asks", [start(), fetch("call", "http://{{#env.KEY#}}/x"), end()], "start>call>end")
    asks = await scene.publish(with_environment(text, KEY=("secret", host)))
    await scene.publish(with_environment(text.replace("/x", "/y"), KEY=("secret", host)))
    failed = await ran(operator, asks)
    versions = [
        version["workflow_id"] for version in decoded(await viewer.get(f"{API}/apps/{asks.id}/versions"))["data"]
    ]

    for path in (
        *("overview", "system", "apps", f"apps/{asks.id}", f"apps/{asks.id}/versions", f"apps/{asks.id}/environment"),
        *(f"apps/{asks.id}/versions/{versions[0]}/source", f"apps/{asks.id}/diff?from={versions[1]}&to={versions[0]}"),
        *("runs", f"runs/{failed['id']}", f"runs/{failed['id']}/log"),
    ):
        answer = await viewer.get(f"{API}/{path}")
        assert answer.status_code in (200, 403), (path, answer.text)
        assert host not in answer.text, path
