"""Attacks on apps without a workflow: by models' answers, and by clients naming data of another app."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command, Server
from tests.providers.fake_model import delta
from tests.providers.model_thread import Model
from tests.strategies.agents import calls, says, script

SECRET = "合言葉は山です"
MILLION = "あ" * 1_000_000
Event = dict[str, Any]


@dataclass
class Scene:
    """A server with apps, and the model that they ask."""

    model: Model
    clients: Mapping[str, Client]
    secret: str
    """The id of a dataset that one of them has."""

    def asked(self, app: str, *answers: Sequence[Event], **more: Any) -> list[Event]:
        """The events of a turn, in which the model answers so; the last answer again and again."""
        self.model.model.exchanges.clear()
        self.model.model.answer = script(answers)
        body: Event = {"query": "?", "inputs": {}, "user": "花子", "response_mode": "streaming"}
        body |= {"auto_generate_name": False, **more}
        with self.clients[app].messages("POST", "/v1/chat-messages", json=body) as events:
            return list(events)

    def thoughts(self, app: str, events: list[Event]) -> list[dict[str, Any]]:
        """The rounds of an answer, as they are kept."""
        path = f"/v1/messages?user=花子&conversation_id={events[0]['conversation_id']}"
        [message] = self.clients[app].get(path)["data"]
        found: list[dict[str, Any]] = message["agent_thoughts"]
        return found

    @property
    def told(self) -> str:
        """All that the model was told in the last turn."""
        return json.dumps(self.model.model.bodies, ensure_ascii=False)


def app(folder: Path, name: str, mode: str, **config: Any) -> Path:
    model = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    path = folder / f"{name}.yml"
    path.write_text(json.dumps({"app": {"name": name, "mode": mode}, "model_config": {"model": model, **config}}))
    return path


def agent(tool: str, **agent_mode: Any) -> dict[str, Any]:
    entry = {
        "enabled": True,
        "provider_type": "api",
        "provider_id": "echo",
        "provider_name": "echo",
        "tool_name": tool,
        "tool_parameters": {},
    }
    return {"agent_mode": {"enabled": True, "strategy": "function_call", "tools": [entry], **agent_mode}}


def datasets(id_: str, retrieval: str) -> dict[str, Any]:
    listed = {"datasets": [{"dataset": {"enabled": True, "id": id_}}]}
    return {"dataset_configs": {"retrieval_model": retrieval, "datasets": listed}}


def tools(echo: EchoServer) -> dict[str, Any]:
    what = [{"name": "what", "in": "path", "required": True, "schema": {"type": "string"}}]
    paths = {f"/{name}/{{what}}": {"get": {"operationId": name, "parameters": what}} for name in ("look", "other")}
    schema = {"openapi": "3.0.3", "servers": [{"url": echo.url}], "paths": paths}
    return {"tools": {"echo": {"type": "api", "name": "echo", "schema": json.dumps(schema)}}}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, echo: EchoServer) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("attacked")
    jikko, model = Command(folder / "home"), Model(script([says("はい")]))
    entry = {"type": "openai", "base_url": model.model.url, "api_key": "key"}
    providers = {"langgenius/openai/openai": entry}
    (folder / "providers.yml").write_text(json.dumps({"providers": providers}))
    (folder / "tools.yml").write_text(json.dumps(tools(echo)))
    for name, text in (("secret", SECRET), ("public", "公開")):
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
        jikko.json("knowledge", "add", name, folder / f"{name}.txt", "--technique", "economy")
    ids = {each["name"]: each["id"] for each in jikko.json("knowledge", "list")}
    files = [
        app(folder, "agent", "agent-chat", **agent("look")),
        app(folder, "endless", "agent-chat", **agent("look", max_iteration=10**9)),
        app(folder, "other", "agent-chat", **agent("other"), **datasets(ids["secret"], "multiple")),
        app(folder, "chat", "chat", **datasets(ids["public"], "single")),
    ]
    keys = {Path(each["file"]).stem: each["api_key"] for each in jikko.json("apps", "import", *files)}
    settings = {"JIKKO_PROVIDERS": str(folder / "providers.yml"), "JIKKO_TOOLS": str(folder / "tools.yml")}
    server = Server(jikko.home, settings=settings)
    clients = {name: Client(server.url, key) for name, key in keys.items()}
    yield Scene(model, clients, ids["secret"])
    for client in clients.values():
        client.close()
    server.close()
    model.close()


def test_a_thought_without_end_is_cut_off_at_the_limit_of_the_provider(scene: Scene) -> None:
    events = scene.asked("agent", [*(delta(MILLION) for _ in range(10)), delta(finish="stop")])

    said = sum(len(event["answer"]) for event in events if event["event"] == "agent_message")
    assert said <= 4_194_304
    assert events[-1]["event"] == "error"
    assert "max_answer" in events[-1]["message"]
    assert scene.asked("agent", says("はい"))[-1]["event"] == "message_end"


def test_a_thought_of_three_million_characters_is_kept_whole(scene: Scene, echo: EchoServer) -> None:
    thought = [delta(MILLION) for _ in range(3)]
    events = scene.asked("agent", [*thought, *calls(("look", {"what": "long"}))], says("はい"))

    assert events[-1]["event"] == "message_end", events[-1]
    assert len(echo.calls("/look/long")) == 1
    first, second = scene.thoughts("agent", events)
    assert first["thought"] == MILLION * 3
    assert json.loads(first["observation"]) == {"look": "/look/long"}
    assert second["thought"] == "はい"


def test_a_thousand_calls_in_one_answer_are_refused_before_the_first_is_made(scene: Scene, echo: EchoServer) -> None:
    events = scene.asked("agent", calls(*(("look", {"what": f"many{number}"}) for number in range(1000))), says("はい"))

    assert events[-1]["event"] == "error"
    assert "more than 128 tool calls" in events[-1]["message"]
    assert [path for path in echo.paths() if path.startswith("/look/many")] == []
    assert scene.asked("agent", says("はい"))[-1]["event"] == "message_end"


@pytest.mark.parametrize(
    "arguments",
    ["{no json", "[1]", '"text"', '{"what": NaN}', "[" * 100_000, '{"what":' * 100_000, '{"what": "bad"} bad', "\x00"],
    ids=["text", "list", "string", "nan", "deep-list", "deep-object", "more", "nul"],
)
def test_arguments_that_are_not_a_json_object_end_the_turn_and_reach_no_tool(
    scene: Scene, echo: EchoServer, arguments: str
) -> None:
    before = echo.paths()

    events = scene.asked("agent", calls(("look", arguments), text="見ます"), says("はい"))

    assert (events[-1]["event"], events[-1]["code"]) == ("error", "invalid_param")
    assert "'look'" in events[-1]["message"]
    assert echo.paths() == before
    assert [event["answer"] for event in events if event["event"] == "agent_message"] == ["見ます"]


def test_a_model_that_calls_tools_without_end_has_99_rounds_with_tools(scene: Scene, echo: EchoServer) -> None:
    events = scene.asked("endless", calls(("look", {"what": "endless"})))

    assert events[-1]["event"] == "error"
    assert "99 rounds with tools" in events[-1]["message"]
    assert len(scene.model.model.bodies) == 100
    assert len(echo.calls("/look/endless")) == 99
    assert len(scene.thoughts("endless", events)) == 100


def test_a_conversation_of_another_app_is_not_found(scene: Scene) -> None:
    conversation = scene.asked("agent", says("秘密です"))[0]["conversation_id"]
    body = {"query": "?", "inputs": {}, "user": "花子", "conversation_id": conversation}
    other = scene.clients["other"]
    scene.model.model.exchanges.clear()

    answers = [
        other.request("POST", "/v1/chat-messages", json={**body, "response_mode": "streaming"}),
        scene.clients["chat"].request("POST", "/v1/chat-messages", json=body),
        other.request("GET", f"/v1/messages?user=花子&conversation_id={conversation}"),
        other.request("DELETE", f"/v1/conversations/{conversation}", json={"user": "花子"}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * 4
    assert scene.model.model.bodies == []
    events = scene.asked("agent", says("はい"), conversation_id=conversation)
    assert "秘密です" in scene.told
    assert events[-1]["event"] == "message_end"


def test_an_agent_reaches_neither_tools_nor_datasets_of_another_app(scene: Scene, echo: EchoServer) -> None:
    dataset = f"dataset_{scene.secret.replace('-', '_')}"
    for name in (dataset, "other", "current_time"):
        events = scene.asked("agent", calls((name, {"what": "stolen", "query": "合言葉"})), says("はい"), query=name)

        assert events[-1]["event"] == "message_end"
        assert json.loads(scene.thoughts("agent", events)[0]["observation"]) == {
            name: f"there is not a tool named {name}"
        }
        assert SECRET not in scene.told
    assert echo.calls("/other/stolen") == []
    assert (
        SECRET
        in scene.thoughts("other", scene.asked("other", calls((dataset, {"query": "合言葉"})), says("はい")))[0][
            "observation"
        ]
    )


def test_a_model_cannot_choose_a_dataset_of_another_app(scene: Scene) -> None:
    events = scene.asked("chat", calls((scene.secret, {})), says("はい"), query="合言葉")

    assert events[-1]["event"] == "message_end"
    assert events[-1]["metadata"]["retriever_resources"] == []
    assert SECRET not in scene.told
