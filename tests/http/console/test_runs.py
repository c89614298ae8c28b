"""Lists of runs, one run, its log, and its actions."""

import asyncio
import json
import threading
from typing import Any

import httpx
import pytest

from jikko.http.console import table
from jikko.http.console.table import console_description
from jikko.repositories.app_store import App
from tests.acceptance.workflows import app, end, form, node, start
from tests.effort import PATIENCE
from tests.http.console.scene import API, Scene, decoded

pytestmark = pytest.mark.anyio

ECHO = app("Echo", [start("q"), end(q="start.q")], "start>end")
ASKS = app("Asks", [start("q"), form("ask", "ok?"), end(q="start.q", said="ask.comment")], "start>ask ask:yes>end")
BROKEN = app(
    "Broken",
    [
        start("q"),
        node(
            "wait",
            "http-request",
            method="get",
            url="http://127.0.0.1:1/",
            authorization={"type": "no-auth"},
            headers="",
            params="",
            body={"type": "none", "data": []},
            retry_config={"retry_enabled": True, "max_retries": 1, "retry_interval": 1},
        ),
        end(q="start.q"),
    ],
    "start>wait>end",
)


async def run(client: httpx.AsyncClient, app: App, user: str | None = None, **inputs: Any) -> str:
    """Start a run. Returns its id."""
    answer = await client.post(f"{API}/apps/{app.id}/runs", json={"inputs": inputs, "user": user})
    return str(decoded(answer, 202)["run_id"])


async def ended_or_paused(client: httpx.AsyncClient, run_id: str) -> Any:
    """A run once it goes on no more."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = decoded(await client.get(f"{API}/runs/{run_id}"))
            if found["status"] != "running":
                return found
            await asyncio.sleep(0.01)


async def ran(client: httpx.AsyncClient, app: App, user: str | None = None, **inputs: Any) -> Any:
    """A run that has ended or waits."""
    return await ended_or_paused(client, await run(client, app, user, **inputs))


async def listed(client: httpx.AsyncClient, **query: Any) -> list[str]:
    """The ids of the runs on page 1."""
    return [each["id"] for each in decoded(await client.get(f"{API}/runs", params=query))["data"]]


async def test_a_run_has_all_that_its_page_shows(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    found = await ran(operator, echo, q="why")
    assert found["status"] == "succeeded"
    assert found["app"] == {
        "id": echo.id,
        "name": "Echo",
        "icon": {"type": "emoji", "value": "", "background": "#FFFFFF"},
    }
    assert (found["version"], found["user"], found["preview"]) == (1, "console:script", "why")
    assert found["outputs"] == {"q": "why"}
    assert found["inputs"]["q"] == "why"
    assert found["workflow_id"] == echo.workflow_id
    assert found["log_end"] == 7
    assert found["lineage"] == {"retry_of": None, "from_node_ids": [], "replaced": {}, "mocked": [], "retries": []}
    assert found["exceptions"] == {"tries": 0, "handled": 0, "rounds": 0}
    assert not {"error", "price", "retry_of", "conversation_id", "callback"} & found.keys()


async def test_a_failed_run_tells_the_node_and_the_tries(scene: Scene, operator: httpx.AsyncClient) -> None:
    broken = await scene.publish(BROKEN)
    found = await ran(operator, broken)
    assert found["status"] == "failed"
    assert (found["error"]["node_id"], found["error"]["title"]) == ("wait", "wait")
    assert "127.0.0.1" in found["error"]["message"]
    assert found["exceptions"] == {"tries": 1, "handled": 0, "rounds": 0}
    again = decoded(await operator.post(f"{API}/runs/{found['id']}/retry", json={}), 202)["run_id"]
    repeated = await ended_or_paused(operator, again)
    assert repeated["retry_of"] == found["id"]
    assert repeated["lineage"]["from_node_ids"] == ["wait"]
    assert (await ended_or_paused(operator, found["id"]))["lineage"]["retries"] == [again]


async def test_the_list_is_by_age_page_after_page(scene: Scene, operator: httpx.AsyncClient) -> None:
    apps = [await scene.publish(ECHO), await scene.publish(ECHO.replace("Echo", "Other"))]
    ids = []
    for at in range(7):
        scene.clock.now += 1
        ids.append((await ran(operator, apps[at % 2], f"user-{at % 3}", q=f"number {at}"))["id"])
    seen: list[str] = []
    cursor, pages = "", 0
    while cursor is not None:
        page = decoded(await operator.get(f"{API}/runs", params={"limit": 3, "cursor": cursor}))
        seen += [each["id"] for each in page["data"]]
        assert page["counts"] == {"succeeded": 7}
        cursor, pages = page["next"], pages + 1
    assert (seen, pages) == (ids[::-1], 3)
    first = scene.clock.now - 6
    assert await listed(operator, app=apps[1].id) == ids[5:0:-2]
    assert await listed(operator, user="user-2") == [ids[5], ids[2]]
    assert await listed(operator, user="user-2", app=apps[0].id) == [ids[2]]
    assert await listed(operator, after=first + 2, before=first + 3) == [ids[3], ids[2]]
    assert await listed(operator, keyword="number 4") == [ids[4]]
    assert await listed(operator, keyword="NUMBER", app=apps[0].id, after=first + 3) == [ids[6], ids[4]]
    assert await listed(operator, keyword="number", user="user-0") == [ids[6], ids[3], ids[0]]
    assert await listed(operator, version=apps[0].workflow_id) == ids[6::-2]
    assert await listed(operator, version=apps[0].workflow_id, keyword="number 2") == [ids[2]]
    assert await listed(operator, status="failed,stopped") == []
    assert await listed(operator, status="succeeded,failed", min_elapsed=0) == ids[::-1]
    assert await listed(operator, min_elapsed=0.5) == []
    assert await listed(operator, min_elapsed=5) == []
    for nothing in ({"app": "x"}, {"version": "x"}, {"user": "x"}, {"conversation": "x"}, {"keyword": "nothing"}):
        assert await listed(operator, **nothing) == []


async def test_counts_leave_the_chosen_status_out(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo, asks = await scene.publish(ECHO), await scene.publish(ASKS)
    await ran(operator, echo, "anna", q="1")
    paused = await ran(operator, asks, "anna", q="2")
    for query in ("status=paused", "status=paused&user=anna", "status=paused&after=1"):
        page = decoded(await operator.get(f"{API}/runs?{query}"))
        assert page["counts"] == {"paused": 1, "succeeded": 1}
        assert [each["id"] for each in page["data"]] == [paused["id"]]
    [waits] = paused["waits_for"]
    assert waits["title"] == "ask"
    assert waits["expires_at"] == paused["created_at"] + 3600


@pytest.mark.parametrize(
    "query",
    [
        "status=odd",
        "after=x",
        "after=-1",
        "before=nan",
        "min_elapsed=inf",
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=x",
        "cursor=AAAA",
        "limit=1e3",
    ],
)
async def test_a_wrong_query_is_refused(operator: httpx.AsyncClient, query: str) -> None:
    answer = await operator.get(f"{API}/runs?{query}")
    assert decoded(answer, 400)["code"] == "invalid_param"
    assert query.partition("=")[0] in answer.json()["message"]


async def test_the_histogram_has_all_runs(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    empty = decoded(await operator.get(f"{API}/runs/histogram"))
    assert sum(len(bar["by_status"]) for bar in empty["data"]) == 0
    begin = scene.clock.now
    for _ in range(3):
        await ran(operator, echo, q="1")
        scene.clock.now += 1800
    bars = decoded(await operator.get(f"{API}/runs/histogram", params={"after": begin, "buckets": 10}))
    assert (bars["from"], bars["step"]) == (begin, 540)
    assert [bar["by_status"].get("succeeded", 0) for bar in bars["data"]] == [1, 0, 0, 1, 0, 0, 1, 0, 0, 0]
    scene.clock.now += 48 * 3600
    hours = decoded(await operator.get(f"{API}/runs/histogram"))
    assert hours["step"] == 7200
    assert sum(bar["by_status"].get("succeeded", 0) for bar in hours["data"]) == 3
    few = decoded(await operator.get(f"{API}/runs/histogram", params={"user": "nobody"}))
    assert not any(bar["by_status"] for bar in few["data"])


async def test_a_form_is_answered_and_the_run_goes_on(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    asks = await scene.publish(ASKS)
    paused = await ran(operator, asks, q="2")
    [entry] = decoded(await viewer.get(f"{API}/forms"))["data"]
    assert (entry["run_id"], entry["form_content"]) == (paused["id"], "ok?")
    another = await ran(operator, asks, q="日本 🗾")
    for run in (paused["id"], another["id"]):
        assert [form["run_id"] for form in decoded(await viewer.get(f"{API}/forms?run={run}"))["data"]] == [run]
    assert (await viewer.get(f"{API}/forms?run={asks.id}")).status_code == 404
    assert (await operator.post(f"{API}/runs/{another['id']}/stop")).status_code == 200
    assert [action["id"] for action in entry["actions"]] == ["yes", "no"]
    path = f"{API}/runs/{paused['id']}/forms/{entry['form_id']}"
    assert decoded(await operator.post(path, json={"action": "maybe"}), 400)["code"] == "invalid_form_data"
    assert (await operator.post(path, json={"action": "yes", "inputs": {}})).status_code == 400
    assert (await operator.post(path, json={"action": "yes", "inputs": {"comment": "fine"}})).status_code == 200
    assert (await ended_or_paused(operator, paused["id"]))["outputs"] == {"q": "2", "said": "fine"}
    again = await operator.post(path, json={"action": "yes", "inputs": {"comment": "fine"}})
    assert (again.status_code, again.json()["code"]) == (412, "form_closed")
    other = f"{API}/runs/{paused['id']}/forms/{paused['id']}"
    assert (await operator.post(other, json={"action": "yes"})).status_code == 404
    assert decoded(await operator.get(f"{API}/forms"))["data"] == []


async def test_a_viewer_is_not_told_what_answers_a_form(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    paused = await ran(operator, await scene.publish(ASKS), q="2")
    for client, is_shown in ((operator, True), (viewer, False)):
        log = decoded(await client.get(f"{API}/runs/{paused['id']}/log"))
        [asked] = [event for event in log["data"] if event["event"] == "form_requested"]
        value = await client.get(f"{API}/runs/{paused['id']}/log/{asked['id']}/value")
        assert bool(asked["form"]["form_token"]) == bool(value.json()["form"]["form_token"]) == is_shown


async def test_runs_are_stopped_and_removed(scene: Scene, operator: httpx.AsyncClient) -> None:
    paused = await ran(operator, await scene.publish(ASKS), q="2")
    path = f"{API}/runs/{paused['id']}"
    assert (await operator.delete(path)).status_code == 409
    assert decoded(await operator.post(f"{path}/stop"))["stopped"] is True
    assert decoded(await operator.post(f"{path}/stop"))["stopped"] is False
    assert decoded(await operator.get(path))["error"]["message"].endswith("by user console:script.")
    assert (await operator.delete(path)).status_code == 204
    assert (await operator.get(path)).status_code == 404
    assert (await operator.get(f"{API}/runs/nonsense")).status_code == 404
    assert decoded(await operator.get(f"{API}/runs"))["counts"] == {}


async def test_one_key_starts_one_run(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    body, headers = {"inputs": {"q": "1"}}, {"Idempotency-Key": "k"}
    first, second = [await operator.post(f"{API}/apps/{echo.id}/runs", json=body, headers=headers) for _ in range(2)]
    assert decoded(first, 202) == decoded(second, 202)
    assert second.headers["idempotency-replayed"] == "true"
    other = await operator.post(f"{API}/apps/{echo.id}/runs", json={"inputs": {}}, headers=headers)
    assert other.status_code == 409


async def test_a_wrong_start_says_what_is_wrong(scene: Scene, operator: httpx.AsyncClient) -> None:
    strict = await scene.publish(app("Strict", [start("q", required=True), end(q="start.q")], "start>end"))
    path = f"{API}/apps/{strict.id}/runs"
    assert "q" in decoded(await operator.post(path, json={"inputs": {}}), 400)["message"]
    assert "inputs" in decoded(await operator.post(path, json={"inputs": 3}), 400)["message"]
    assert "user" in decoded(await operator.post(path, json={"inputs": {}, "user": 3}), 400)["message"]
    unknown = {"inputs": {"q": "x"}, "workflow_id": strict.id}
    assert (await operator.post(path, json=unknown)).status_code == 404
    assert (await operator.post(f"{API}/apps/{strict.workflow_id}/runs", json={"inputs": {}})).status_code == 404
    assert (await operator.post(path, content=b"{")).status_code == 415


async def test_files_are_uploaded_as_by_clients(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    path = f"{API}/apps/{echo.id}/files"
    files = {"file": ("a.txt", b"abc", "text/plain")}
    assert decoded(await operator.post(path, files=files), 201)["size"] == 3
    assert (await operator.post(path, json={})).status_code == 400


async def test_long_values_are_cut_and_can_be_fetched(scene: Scene, operator: httpx.AsyncClient) -> None:
    long = "ä<script>\u202e" * 20_000
    done = await ran(operator, await scene.publish(ECHO), q=long)
    path = f"{API}/runs/{done['id']}/log"
    page = decoded(await operator.get(path))
    assert (page["end"], page["closed"]) == (7, True)
    [ended] = [event for event in page["data"] if event["event"] == "run_finished"]
    assert ended["outputs"]["q"] == long[:1000]
    [cut] = ended["cut"]
    assert cut["path"] == "/outputs/q"
    assert cut["bytes"] > 4096
    whole = await operator.get(f"{path}/{ended['id']}/value", params={"path": "/outputs/q"})
    assert decoded(whole) == long
    file = await operator.get(f"{path}/{ended['id']}/value", params={"path": "/outputs/q", "download": "true"})
    assert file.text == long
    assert file.headers["content-type"] == "text/plain; charset=utf-8"
    assert file.headers["content-disposition"].startswith("attachment")
    for wrong in ("9/value", "9999999999/value", f"{ended['id']}/value?path=/outputs/x", f"{ended['id']}/value?path=x"):
        assert (await operator.get(f"{path}/{wrong}")).status_code == 404
    assert (await operator.get(f"{path}/x/value")).status_code == 400


async def test_logs_come_in_pages(scene: Scene, operator: httpx.AsyncClient) -> None:
    done = await ran(operator, await scene.publish(ECHO), q="1")
    paused = await ran(operator, await scene.publish(ASKS), q="1")
    for one, closed in ((done, True), (paused, False)):
        seen: list[int] = []
        while True:
            query = {"after": seen[-1] if seen else -1, "limit": 2}
            page = decoded(await operator.get(f"{API}/runs/{one['id']}/log", params=query))
            assert page["end"] == one["log_end"]
            assert page["closed"] is closed
            seen += [event["id"] for event in page["data"]]
            if not page["data"]:
                break
        assert seen == list(range(one["log_end"]))
    assert (await operator.get(f"{API}/runs/{done['id']}/log?after=-2")).status_code == 400


async def frames(client: httpx.AsyncClient, path: str, last: str | None = None) -> list[tuple[str, Any]]:
    """The messages of a stream that ends."""
    headers = {} if last is None else {"Last-Event-ID": last}
    answer = await client.get(path, headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for frame in answer.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.split("\n") if ": " in line)
        if "data" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


async def test_a_stream_ends_with_the_run_and_goes_on_behind_a_position(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    done = await ran(operator, await scene.publish(ECHO), q="1")
    path = f"{API}/runs/{done['id']}/stream"
    whole = await frames(operator, path)
    assert whole[0] == ("hello", {"now": scene.clock.now, "end": 7})
    assert [data["id"] for _, data in whole[1:]] == list(range(7))
    assert whole[-1][0] == "run_finished"
    assert (await frames(operator, path, "4"))[1:] == whole[-2:]
    assert len(await frames(operator, path, "6")) == 1
    assert (await operator.get(path, headers={"Last-Event-ID": "x"})).status_code == 400


async def test_long_answers_are_compressed_for_those_who_take_it(scene: Scene, operator: httpx.AsyncClient) -> None:
    done = await ran(operator, await scene.publish(ECHO), q="x" * 3000)
    packed = await operator.get(f"{API}/runs/{done['id']}", headers={"Accept-Encoding": "gzip"})
    plain = await operator.get(f"{API}/runs/{done['id']}", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()


async def test_the_description_needs_no_session_and_has_the_events(scene: Scene) -> None:
    async with scene.client() as client:
        description = decoded(await client.get("/api/openapi.json"))
    assert "/api/v1/runs/{run_id}/log" in description["paths"]
    assert "RunFinishedEvent" in description["components"]["schemas"]
    ids = [operation["operationId"] for path in description["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))


async def test_the_description_is_made_once_and_off_the_event_loop(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_in: list[str] = []

    def counted(*given: Any) -> dict[str, Any]:
        made_in.append(threading.current_thread().name)
        return console_description(*given)

    monkeypatch.setattr(table, "console_description", counted)
    async with scene.client() as client:
        first, second = [await client.get(path) for path in ("/api/openapi.json", "/console/openapi.json")]

    assert first.content == second.content
    assert first.headers["content-type"] == "application/json"
    assert [name.startswith("jikko-records") for name in made_in] == [True]


async def test_files_among_outputs_are_told_by_their_names(scene: Scene, operator: httpx.AsyncClient) -> None:
    variable = {
        "variable": "files",
        "label": "Files",
        "type": "file-list",
        "required": True,
        "max_length": 3,
        "allowed_file_types": ["document"],
        "allowed_file_upload_methods": ["local_file"],
    }
    text = app("Keeps", [node("start", "start", variables=[variable]), end(files="start.files")], "start>end")
    keeps = await scene.publish(text)
    given = []
    for name in ("手紙 🍓.txt", "b.txt"):
        file = decoded(await operator.post(f"{API}/apps/{keeps.id}/files", files={"file": (name, b"a")}), 201)
        given.append({"type": "document", "transfer_method": "local_file", "upload_file_id": file["id"]})
    run = await ran(operator, keeps, files=given)
    assert run["preview"] == "手紙 🍓.txt, b.txt"


async def test_a_long_output_is_told_by_its_beginning_which_says_that_it_goes_on(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    echo = await scene.publish(ECHO)
    for length in (120, 121, 300):
        text = "字" * length
        run = await ran(operator, echo, q=text)
        assert run["preview"] == (text if length == 120 else f"{text[:119]}…")
