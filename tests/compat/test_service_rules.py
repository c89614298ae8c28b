"""Rules of the Service API beside the recorded ones, as clients meet them."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.workflows import app, end, node, start
from tests.http.scene import RUN, body, client_of
from tests.http.test_apps_without_a_workflow import ask, chat_of, client_of_file
from tests.runs.world import World

pytestmark = pytest.mark.anyio
NOBODY = "0f0f0f0f-1111-4222-8333-444444444444"
SESSION = "trace_session_id"


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_the_body_is_checked_before_the_version_and_the_trace_session(world: World) -> None:
    async with client_of(world, await world.chain()) as client:
        bad: dict[str, Any] = {"inputs": [], "user": "花子", SESSION: 5}
        assert refusal(await client.post("/v1/workflows/nope/run", json=bad)) == (400, "invalid_param")
        assert refusal(await client.post(RUN, json=bad)) == (400, "invalid_param")
        assert refusal(await client.post(RUN, json={**bad, "inputs": {}})) == (400, "bad_request")


async def test_a_question_is_checked_before_its_trace_session(tmp_path: Path) -> None:
    async with chat_of(tmp_path, "openai") as client:
        bad: list[dict[str, Any]] = [{"conversation_id": "x"}, {"auto_generate_name": "maybe"}, {"query": None}]
        codes = [refusal(await ask(client, **{SESSION: 5}, **more)) for more in [*bad, {}]]

    assert codes == [(400, "invalid_param")] * 3 + [(400, "bad_request")]


@pytest.mark.parametrize("user", [0, 0.0, "", None, False])
async def test_an_empty_user_is_missing(world: World, user: Any) -> None:
    async with client_of(world, await world.chain()) as client:
        answer = await client.post(RUN, json={"inputs": {}, "user": user})

    assert answer.json()["message"] == "Arg user must be provided."


async def test_an_app_without_a_workflow_has_no_runs_for_clients(tmp_path: Path) -> None:
    async with chat_of(tmp_path, "openai") as client:
        paths = (f"{RUN}/{NOBODY}", f"/v1/workflow/{NOBODY}/events?user=u", "/v1/workflow/x/events?user=u")
        for path in paths:
            assert refusal(await client.get(path)) == (400, "not_workflow_app"), path


async def test_blanks_around_a_conversation_do_not_count(tmp_path: Path) -> None:
    async with chat_of(tmp_path, "openai") as client:
        first = (await ask(client, conversation_id="  ")).json()["conversation_id"]
        again = (await ask(client, conversation_id=f" {first}")).json()["conversation_id"]

    assert again == first


async def test_an_empty_name_of_a_variable_is_refused(tmp_path: Path) -> None:
    async with chat_of(tmp_path, "openai") as client:
        own = (await ask(client)).json()["conversation_id"]
        asked = {"user": "花子", "variable_name": ""}
        answer = await client.get(f"/v1/conversations/{own}/variables", params=asked)

    assert refusal(answer) == (400, "invalid_param")


async def test_a_page_of_annotations_tells_the_limit_that_was_asked(tmp_path: Path) -> None:
    async with chat_of(tmp_path, "openai") as client:
        page = (await client.get("/v1/apps/annotations", params={"limit": 500})).json()

    assert (page["limit"], page["has_more"]) == (500, False)


async def test_a_preview_takes_words_for_a_boolean_and_refuses_others(world: World) -> None:
    async with client_of(world, await world.chain()) as client:
        at = f"/v1/files/{NOBODY}/preview?as_attachment="
        codes = [refusal(await client.get(at + word)) for word in ("yes", "OFF", "maybe")]

    assert codes == [(404, "file_not_found")] * 2 + [(400, "invalid_param")]


async def test_a_workflow_tells_the_icons_of_its_tools(tmp_path: Path) -> None:
    def tool(id_: str, kind: str) -> dict[str, Any]:
        return node(id_, "tool", provider_type=kind, provider_id="none", tool_name=f"道具{id_}")

    nodes = [start(), tool("a", "api"), tool("b", "workflow"), end(out="a.text")]
    async with client_of_file(tmp_path, app("Tools", nodes, "start>a a>b b>end")) as client:
        icons = (await client.get("/v1/meta")).json()["tool_icons"]

    assert icons == {"道具a": {"content": "😁", "background": "#252525"}}


async def test_an_agent_tells_the_icons_of_disabled_tools_too(tmp_path: Path) -> None:
    tool = {"provider_type": "api", "provider_id": "none", "tool_name": "道具", "enabled": False}
    mode = {"enabled": True, "strategy": "react", "tools": [tool, {"dataset": {"enabled": True, "id": NOBODY}}]}
    async with chat_of(tmp_path, "openai", mode="agent-chat", agent_mode=mode) as client:
        icons = (await client.get("/v1/meta")).json()["tool_icons"]

    assert icons == {"道具": {"content": "😁", "background": "#252525"}}


async def test_a_completion_has_a_trace_session_too(tmp_path: Path) -> None:
    async with chat_of(tmp_path, "openai", mode="completion") as client:
        at = "/v1/completion-messages"
        assert refusal(await client.post(at, json={**body(), SESSION: ""})) == (400, "bad_request")
        answer = await client.post(at, json={**body(), "query": "夜🌙", SESSION: "夜"})

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("mode", ["blocking", "streaming"])
async def test_an_advanced_prompt_that_is_missing_fails_the_answer(tmp_path: Path, mode: str) -> None:
    async with chat_of(tmp_path, "openai", prompt_type="advanced") as client:
        answer = await ask(client, response_mode=mode)

    assert answer.status_code == (400 if mode == "blocking" else 200)
    assert '"completion_request_error"' in answer.text
