"""Operators' reactions to chat answers: ratings, annotations, suggested questions."""

from typing import Any

import httpx
import pytest

from jikko.ids import new_id
from tests.http.console.scene import API, MANAGEMENT, Scene, decoded
from tests.http.console.test_chat import CHAT
from tests.http.console.test_runs import ECHO, ended_or_paused

pytestmark = pytest.mark.anyio


async def asked(client: httpx.AsyncClient, app_id: str, **body: Any) -> dict[str, Any]:
    """A question with its answer: its ids."""
    turn = decoded(await client.post(f"{API}/apps/{app_id}/messages", json={"query": "何? 🙂", **body}), 202)
    await ended_or_paused(client, turn["run_id"])
    return dict(turn)


async def message(client: httpx.AsyncClient, turn: dict[str, Any]) -> dict[str, Any]:
    listed = decoded(await client.get(f"{API}/conversations/{turn['conversation_id']}/messages"))["data"]
    return next(dict(each) for each in listed if each["id"] == turn["message_id"])


def rating_of(turn: dict[str, Any]) -> str:
    return f"{MANAGEMENT}/conversations/{turn['conversation_id']}/messages/{turn['message_id']}/rating"


@pytest.mark.parametrize("note", ["", "良い 🙂 \ue000", "n" * 1_000_000], ids=["none", "words", "long"])
async def test_an_answer_is_rated_with_a_note_in_the_place_of_what_was_said_before(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient, note: str
) -> None:
    chat = await scene.publish(CHAT)
    turn = await asked(operator, chat.id)
    assert {"rating": None, "note": "", "can_rate": True, "sources": []}.items() <= (
        await message(viewer, turn)
    ).items()

    for rating in ("like", "dislike"):
        answer = await operator.put(rating_of(turn), json={"rating": rating, "note": f"\x00{note}"})
        assert answer.status_code == 204, answer.text

    found = await message(viewer, turn)
    assert (found["rating"], found["note"]) == ("dislike", note)
    [kept] = await scene.assembly.conversations.feedbacks(chat.id)
    assert (kept.message_id, kept.rating) == (turn["message_id"], "dislike")
    for _ in range(2):
        assert (await operator.put(rating_of(turn), json={"rating": None})).status_code == 204
    assert (await message(viewer, turn))["rating"] is None


async def test_a_rating_of_another_user_is_shown_and_not_replaced(scene: Scene, operator: httpx.AsyncClient) -> None:
    chat = await scene.publish(CHAT)
    turn = await asked(operator, chat.id, user="ada")

    answer = await operator.put(rating_of(turn), json={"rating": "like"})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    found = await message(operator, turn)
    assert (found["can_rate"], found["rating"]) == (False, None)


async def test_what_is_no_rating_or_no_message_of_the_conversation_is_refused(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    chat = await scene.publish(CHAT)
    turn, other = await asked(operator, chat.id), await asked(operator, chat.id)
    mixed = {**turn, "message_id": other["message_id"]}
    for path in (rating_of(mixed), rating_of({**turn, "message_id": "x"}), rating_of({**turn, "conversation_id": "x"})):
        assert (await operator.put(path, json={"rating": "like"})).status_code == 404
    wrong: list[Any] = [{}, {"rating": "good"}, {"rating": "like", "note": 1}, [], {"rating": True}]
    for body in wrong:
        assert (await operator.put(rating_of(turn), json=body)).status_code == 400, body
    assert (await viewer.put(rating_of(turn), json={"rating": "like"})).status_code == 403
    assert await scene.assembly.conversations.feedbacks(chat.id) == []


async def test_an_answer_becomes_an_annotation_of_its_app(scene: Scene, operator: httpx.AsyncClient) -> None:
    chat, echo = await scene.publish(CHAT), await scene.publish(ECHO)
    body: dict[str, str] = {"question": "Öffnungszeiten?", "answer": "9 から 17 時 🙂"}

    made = decoded(await operator.post(f"{MANAGEMENT}/apps/{chat.id}/annotations", json=body), 201)

    [kept], count = await scene.assembly.chat.annotations.page(chat.id, "", 1, 20)
    assert (kept.id, kept.question, kept.answer, count) == (made["id"], *body.values(), 1)
    assert made["answers"] is False
    refused = await operator.post(f"{MANAGEMENT}/apps/{echo.id}/annotations", json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, "app_unavailable")
    assert (await operator.post(f"{MANAGEMENT}/apps/{new_id()}/annotations", json=body)).status_code == 404
    wrong = await operator.post(f"{MANAGEMENT}/apps/{chat.id}/annotations", json={"question": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_param")


async def test_questions_that_may_follow_are_those_of_an_app_that_suggests_some(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    features = '"features": {"suggested_questions_after_answer": {"enabled": true}}'
    chat = await scene.publish(CHAT.replace('"features": {}', features))
    plain = await scene.publish(CHAT.replace("Chat", "Plain"))
    turn, other = await asked(operator, chat.id), await asked(operator, plain.id)

    def path(of: dict[str, Any]) -> str:
        return rating_of(of).replace("/rating", "/suggested")

    # This server has no model for it.
    assert decoded(await operator.get(path(turn)))["data"] == []
    assert (await operator.get(path(other))).status_code == 400
    assert (await operator.get(path({**turn, "message_id": other["message_id"]}))).status_code == 404
    assert (await viewer.get(path(turn))).status_code == 403
