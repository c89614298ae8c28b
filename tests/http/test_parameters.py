"""``GET /v1/parameters``, whatever stands in the file."""

import itertools
import json
from typing import Any

import pytest
import yaml

from tests.acceptance.workflows import app, end, start
from tests.http.scene import client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio

TYPES: dict[str, type] = {
    "opening_statement": str,
    "suggested_questions": list,
    "suggested_questions_after_answer": dict,
    "speech_to_text": dict,
    "text_to_speech": dict,
    "retriever_resource": dict,
    "more_like_this": dict,
    "sensitive_word_avoidance": dict,
    "file_upload": dict,
}
WRONG: list[Any] = [None, True, 5, 1.5, "on", "", ["a"], [5], [], {}, {"a": 1}, {"enabled": "yes"}]


async def test_features_have_the_types_that_clients_know(world: World) -> None:
    for name, value in itertools.product(TYPES, WRONG):
        file = json.loads(app("App", [start("q"), end(q="start.q")], "start>end"))
        file["workflow"]["features"] = {name: value}
        published = await world.apps.publish(json.dumps(file).encode(), source="test")
        async with client_of(world, published.app) as client:
            answer = await client.get("/v1/parameters")
        assert answer.status_code == 200, (name, value)
        assert {known: type(answer.json()[known]) for known in TYPES} == TYPES, (name, value)


@pytest.mark.parametrize(
    "name", ["suggested_questions_after_answer", "speech_to_text", "sensitive_word_avoidance", "file_upload"]
)
async def test_a_feature_that_is_an_alias_of_text_to_speech_has_a_voice_too(world: World, name: str) -> None:
    file = json.loads(app("App", [start("q"), end(q="start.q")], "start>end"))
    off = {"enabled": False}
    file["workflow"]["features"] = {"text_to_speech": off, name: off, "more_like_this": {"enabled": False}}
    text = yaml.safe_dump(file)
    assert "*id001" in text
    published = await world.apps.publish(text.encode(), source="test")

    async with client_of(world, published.app) as client:
        answer = (await client.get("/v1/parameters")).json()

    assert answer[name] == answer["text_to_speech"] == {"enabled": False, "voice": "", "language": ""}
    assert answer["more_like_this"] == {"enabled": False}


async def test_a_file_without_features_has_those_of_an_app_that_was_just_made(world: World) -> None:
    file = json.loads(app("App", [start(), end()], "start>end"))
    file["workflow"]["features"] = {}
    published = await world.apps.publish(json.dumps(file).encode(), source="test")

    async with client_of(world, published.app) as client:
        answer = (await client.get("/v1/parameters")).json()

    limits = answer.pop("system_parameters")
    off = {"enabled": False}
    assert limits["workflow_file_upload_limit"] == 10
    assert answer == {
        "opening_statement": "",
        "suggested_questions": [],
        "suggested_questions_after_answer": off,
        "speech_to_text": off,
        "text_to_speech": {**off, "voice": "", "language": ""},
        "retriever_resource": off,
        "annotation_reply": off,
        "more_like_this": off,
        "user_input_form": [],
        "sensitive_word_avoidance": off,
        "file_upload": {},
    }


@pytest.mark.parametrize(("enabled", "shown"), [(False, ""), (True, "声")])
async def test_only_speech_that_is_on_shows_its_voice(world: World, enabled: bool, shown: str) -> None:
    file = json.loads(app("App", [start("q"), end(q="start.q")], "start>end"))
    file["workflow"]["features"] = {"text_to_speech": {"enabled": enabled, "voice": "声", "autoPlay": "disabled"}}
    published = await world.apps.publish(json.dumps(file).encode(), source="test")

    async with client_of(world, published.app) as client:
        speech = (await client.get("/v1/parameters")).json()["text_to_speech"]

    assert (speech["voice"], speech["autoPlay"]) == (shown, "disabled")
    assert ("language" in speech) is not enabled
