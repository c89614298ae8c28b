"""Any text comes back as it went in, wherever it is read, whether the workflow has secrets or not."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jikko.repositories.app_store import App
from tests.http.scene import RUN, body
from tests.runs.workflows import dsl, end, node, start
from tests.runs.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("world", ["disk"], indirect=True)]

SECRETS: dict[str, dict[str, str]] = {
    "no secrets": {},
    "words of the API": {"a": "output", "b": "start", "c": "event", "d": "inputs", "e": "succeeded", "f": "node"},
    "short ones": {"a": "e", "b": "a b", "c": "0", "d": '"', "e": "\\"},
    "of many kinds": {
        "KEY": "sk-0123456789abcdef",
        "prod_key": "prod-0123456789",
        "stage": "prod",
        "kana": "ひみつ",
        "emoji": "👩‍💻🔐",
        "private": "\ue000KEY\ue001sk-012************ef\ue002",
        "pem": '-----BEGIN KEY-----\nMI"\\x\n-----END KEY-----\n',
        "long": "x" * 200_000,
    },
}
# U+0000 and halves of surrogate pairs have a treatment of their own.
TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40) | st.sampled_from(
    [value for secrets in SECRETS.values() for value in secrets.values()]
)


@pytest.fixture(params=SECRETS)
async def app(world: World, request: pytest.FixtureRequest) -> App:
    environment = [
        {"name": name, "value_type": "secret", "value": text} for name, text in SECRETS[request.param].items()
    ]
    nodes = [
        start("q"),
        node("join", "variable-aggregator", variables=[["start", "q"]]),
        end(out=["start", "q"], joined=["join", "output"]),
    ]
    text = dsl(nodes, ["start --> join", "join --> end"], environment=environment)
    return (await world.apps.publish(text, source="texts")).app


def messages(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: ")]


def data_of(found: list[dict[str, Any]], event: str, node_id: str = "") -> dict[str, Any]:
    return next(
        message["data"]
        for message in found
        if message["event"] == event and message["data"].get("node_id", "") == node_id
    )


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(q=TEXTS)
@example(q="A\ue000B\ue001C\ue002D")
@example(q="\\ue000KEY\\ue001value\\ue002")
@example(q="領収書 " * 100_000)
async def test_a_text_is_answered_streamed_recorded_and_listed_as_it_is(client: httpx.AsyncClient, q: str) -> None:
    outputs = {"out": q, "joined": q}

    blocking = (await client.post(RUN, json=body(q=q))).json()
    run = f"{RUN}/{blocking['workflow_run_id']}"
    streamed = messages((await client.post(RUN, json=body("streaming", q=q))).text)
    again = messages((await client.get(f"/v1/workflow/{blocking['workflow_run_id']}/events?user=anna")).text)
    detail = (await client.get(run)).json()
    executions = (await client.get(f"{run}/node-executions")).json()["data"]
    listed = (await client.get("/v1/workflows/logs")).json()["data"]

    assert (blocking["data"]["status"], blocking["data"]["outputs"]) == ("succeeded", outputs)
    assert (detail["outputs"], json.loads(detail["inputs"])["q"]) == (outputs, q)
    assert data_of(again, "workflow_finished")["outputs"] == outputs
    assert data_of(streamed, "workflow_started")["inputs"]["q"] == q
    assert data_of(streamed, "node_finished", "join")["inputs"] == {"q": q}
    assert data_of(streamed, "node_finished", "end")["outputs"] == outputs
    chunks = "".join(message["data"]["text"] for message in streamed if message["event"] == "text_chunk")
    assert chunks == f"{q}\n{q}"
    recorded = {execution["node_id"]: execution for execution in executions}
    assert recorded["start"]["inputs"] == recorded["start"]["outputs"] == {"q": q}
    assert recorded["join"]["outputs"] == {"output": q}
    assert recorded["end"]["inputs"] == recorded["end"]["outputs"] == outputs
    assert [entry["workflow_run"]["status"] for entry in listed[:2]] == ["succeeded"] * 2
