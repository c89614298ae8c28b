"""What guests of a shared link do not see of its run."""

import re

import httpx
import pytest

from jikko.values import encode_json
from tests.acceptance.workflows import app, end, if_contains, node, start, template
from tests.http.console.scene import API, MANAGEMENT, Scene, decoded
from tests.http.console.test_chat import CHAT
from tests.http.console.test_runs import ECHO, ended_or_paused, ran
from tests.http.console.test_shares import opened, shared

pytestmark = pytest.mark.anyio


async def all_told(browser: httpx.AsyncClient, run_id: str) -> str:
    """The four answers of a link, with the whole value of each event."""
    own = f"{API}/shared/{run_id}"
    answers = [await browser.get(f"{own}{rest}") for rest in ("", "/log", "/stream")]
    events = answers[1].json()["data"]
    answers += [await browser.get(f"{own}/log/{position}/value") for position in range(len(events))]
    assert [each for each in answers if each.status_code != 200] == []
    return "\n".join(each.text for each in answers)


async def test_files_are_named_without_an_address_that_opens_them(scene: Scene, operator: httpx.AsyncClient) -> None:
    rules = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["local_file"], "required": True}
    begin = node("start", "start", variables=[{"variable": "file", "label": "File", "type": "file", **rules}])
    text = "{{ u }} 読む 🙂 {{ u | tojson }} {{ u | urlencode }}" + "長" * 10_000 + "![x]({{ u }})"
    nodes = [begin, template("say", text, u="start.file.url"), end(said="say.output", file="start.file")]
    flow = await scene.publish(app("Says", nodes, "start>say>end"))
    sent = {"file": ("規程 🔗.txt", b"a", "text/plain")}
    file = decoded(await operator.post(f"{API}/apps/{flow.id}/files", files=sent), 201)
    given = {"type": "document", "transfer_method": "local_file", "upload_file_id": file["id"]}
    run = await ran(operator, flow, file=given)
    assert run["status"] == "succeeded", run["error"]
    signs = set(re.findall(r"[\w-]{43}(?=%)", encode_json(run["outputs"]).decode()))
    assert len(signs) == 2
    assert run["outputs"]["said"].count("sign") == 4
    async with opened(scene, run["id"], await shared(operator, run["id"])) as browser:
        told = await all_told(browser, run["id"])
        shown = decoded(await browser.get(f"{API}/shared/{run['id']}"))
    assert not [each for each in signs if each in told]
    assert (shown["outputs"]["file"]["url"], shown["outputs"]["file"]["remote_url"]) == ("", None)
    assert shown["outputs"]["file"]["filename"] == "規程 🔗.txt"
    assert "読む 🙂" in shown["outputs"]["said"]


async def test_no_answer_names_the_conversation_the_user_or_the_retried_run(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    chat = await scene.publish(CHAT)
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    sent = await operator.post(f"{API}/apps/{chat.id}/messages", json={"query": "一つ 🙂"}, headers=trace)
    began = decoded(sent, 202)
    talked = await ended_or_paused(operator, began["run_id"])
    whole = (await operator.get(f"{MANAGEMENT}/runs/{talked['id']}/log")).json()["data"][0]
    hidden = [began["conversation_id"], whole["turn"]["message_id"], whole["system"]["user_id"]]
    assert all(hidden)
    async with opened(scene, talked["id"], await shared(operator, talked["id"])) as browser:
        told = await all_told(browser, talked["id"])
    assert "一つ 🙂" in told
    assert [each for each in (*hidden[:2], "0af7651916cd43dd", f'"user_id":"{hidden[2]}"') if each in told] == []
    first = await ran(operator, await scene.publish(ECHO), q="1")
    retry = decoded(await operator.post(f"{MANAGEMENT}/runs/{first['id']}/retry", json={"from_node_id": "end"}), 202)
    await ended_or_paused(operator, retry["run_id"])
    async with opened(scene, retry["run_id"], await shared(operator, retry["run_id"])) as browser:
        told = await all_told(browser, retry["run_id"])
    assert "run_retried" in told
    assert first["id"] not in told


async def test_conditions_come_without_the_values_of_the_file(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    nodes = [start("q"), if_contains("judge", "start.q", "合言葉 🗝️" + "x" * 10**6), end(q="start.q")]
    flow = await scene.publish(app("Judges", nodes, "start>judge judge:true>end judge:false>end"))
    run = await ran(operator, flow, q="1")
    async with opened(scene, run["id"], await shared(operator, run["id"])) as browser:
        answers = [await browser.get(f"{API}/shared/{run['id']}")]
    answers += [await client.get(f"{MANAGEMENT}/apps/{flow.id}") for client in (viewer, operator)]
    [guest, by_viewer, by_operator] = [
        next(each for each in decoded(answer)["graph"]["nodes"] if each["id"] == "judge")["cases"][0]["conditions"][0]
        for answer in answers
    ]
    assert guest == by_viewer
    assert (guest["variable_selector"], guest.get("value")) == (["start", "q"], None)
    assert by_operator["value"].startswith("合言葉 🗝️x")
    assert len(by_operator["value"]) == 1000
