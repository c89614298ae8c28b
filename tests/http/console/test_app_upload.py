"""An app by its name and file: published once, compared first, and refused if another version came between."""

import asyncio
from urllib.parse import quote

import httpx
import pytest

from jikko.repositories.app_store import App, AppStore
from tests.acceptance.workflows import app, end, node, start, with_environment
from tests.http.console.scene import MANAGEMENT, Scene, decoded
from tests.http.console.test_runs import ECHO, ran

pytestmark = pytest.mark.anyio

NAME = "返金 レビュー 🧾"
SECOND = ECHO.replace('"title": "end"', '"title": "終わり 🏁"')
CHAT = app("Echo", [start("q"), node("a", "answer", answer="hi")], "start>a", mode="advanced-chat")
BROKEN = app("Broken", [start("q"), node("x", "no-such-type"), end(q="start.q")], "start>x>end")


def at(name: str = NAME) -> str:
    return f"{MANAGEMENT}/apps/{quote(name, safe='')}"


async def test_a_file_becomes_an_app_and_the_same_bytes_no_other_version(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    first = await operator.put(at(), content=ECHO)
    again = await operator.put(at(), content=ECHO)
    made, known = decoded(first, 201), decoded(again, 200)
    assert (made["outcome"], made["name"], made["version"]["number"]) == ("new", NAME, 1)
    assert (known["outcome"], known["version"]) == ("unchanged", made["version"])
    assert first.headers["etag"] == again.headers["etag"] == '"1"'
    changed = decoded(await operator.put(at(), content=SECOND), 201)
    assert (changed["outcome"], changed["app_id"], changed["version"]["number"]) == ("changed", made["app_id"], 2)
    back = decoded(await operator.put(at(), content=ECHO), 201)
    assert back["version"]["number"] == 3
    assert len(decoded(await operator.get(f"{MANAGEMENT}/apps/{made['app_id']}/versions"))["data"]) == 3
    run = await ran(operator, await scene.assembly.apps.find(NAME), q="はい")
    assert run["status"] == "succeeded"


async def test_a_trial_says_what_check_finds_and_what_changes_and_writes_nothing(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    new = decoded(await operator.put(at(), content=ECHO, params={"dry_run": "1"}))
    assert (new["outcome"], new["app_id"], new["version"], new["difference"]) == ("new", None, None, None)
    assert await scene.assembly.apps.all() == []
    secret = with_environment(ECHO, KEY=("secret", "ひみつ-1234"))
    decoded(await operator.put(at(), content=secret), 201)
    other = with_environment(SECOND, KEY=("secret", "ひみつ-5678"))
    trial = await operator.put(at(), content=other, params={"dry_run": "1"})
    found = decoded(trial)
    assert (found["outcome"], found["version"]["number"], trial.headers["etag"]) == ("changed", 1, '"1"')
    [changed] = found["difference"]["nodes"]
    assert changed["fields"] == [{"path": "/title", "before": "end", "after": "終わり 🏁"}]
    assert "ひみつ" not in trial.text
    same = decoded(await operator.put(at(), content=secret, params={"dry_run": "1", "graph": "1"}))
    assert (same["outcome"], same["difference"]) == ("unchanged", {"nodes": [], "edges": [], "features": []})
    assert "graph" not in found
    assert [node["id"] for node in same["graph"]["nodes"]] == ["start", "end"]
    assert len(await scene.assembly.apps.versions(await scene.assembly.apps.find(NAME))) == 1


async def test_a_file_that_cannot_be_published_is_told_with_its_problems(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    trial = decoded(await operator.put(at(), content=BROKEN, params={"dry_run": "true"}))
    assert (trial["outcome"], trial["difference"]) == ("refused", None)
    assert [problem["level"] for problem in trial["problems"]].count("error") == 1
    refused = await operator.put(at(), content=BROKEN)
    assert (refused.status_code, "no-such-type" in refused.text) == (400, True)
    assert await scene.assembly.apps.all() == []


async def test_if_match_names_the_version_that_is_taken_for_the_current_one(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    for match in ('"1"', "*"):
        missing = await operator.put(at(), content=ECHO, headers={"If-Match": match})
        assert (missing.status_code, missing.json()["code"]) == (412, "version_changed")
    assert (await operator.put(at(), content=ECHO, headers={"If-None-Match": "*"})).status_code == 201
    exists = await operator.put(at(), content=ECHO, headers={"If-None-Match": "*"})
    assert (exists.status_code, "exists already" in exists.json()["message"]) == (412, True)
    assert (await operator.put(at(), content=SECOND, headers={"If-Match": 'W/"1"'})).status_code == 201  # of a proxy
    late = await operator.put(at(), content=ECHO, headers={"If-Match": '"1"'})
    assert (late.status_code, "version 2 is the current one" in late.json()["message"]) == (412, True)
    trial = await operator.put(at(), content=ECHO, headers={"If-Match": "1"}, params={"dry_run": "1"})
    assert trial.status_code == 412
    assert (await operator.put(at(), content=ECHO, headers={"If-Match": "*"})).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        *({"If-Match": tag} for tag in ("one", 'W/"x"', '"1", "2"', "9" * 30)),
        {"If-None-Match": '"1"'},
        {"If-None-Match": "*", "If-Match": "*"},
    ],
    ids=str,
)
async def test_a_condition_that_cannot_be_read_is_refused(
    scene: Scene, operator: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await scene.publish(ECHO)
    assert (await operator.put(at("Echo"), content=SECOND, headers=headers)).status_code == 400


async def test_of_many_who_expect_the_same_version_one_publishes(scene: Scene, operator: httpx.AsyncClient) -> None:
    decoded(await operator.put(at(), content=ECHO), 201)
    texts = [ECHO.replace('"title": "end"', f'"title": "{number}"') for number in range(6)]
    answers = await asyncio.gather(*(operator.put(at(), content=text, headers={"If-Match": '"1"'}) for text in texts))
    assert sorted(answer.status_code for answer in answers) == [201] + [412] * 5
    new = await asyncio.gather(
        *(operator.put(at("Other"), content=text, headers={"If-None-Match": "*"}) for text in texts)
    )
    assert sorted(answer.status_code for answer in new) == [201] + [412] * 5


async def test_the_name_in_the_address_holds_and_a_file_of_another_mode_is_refused(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    await scene.publish(ECHO)
    decoded(await operator.put(at(), content=ECHO), 201)
    assert sorted(app.name for app in await scene.assembly.apps.all()) == ["Echo", NAME]
    for params in ({}, {"dry_run": "1"}):
        answer = await operator.put(at("Echo"), content=CHAT, params=params)
        assert (answer.status_code, "is of mode workflow" in answer.json()["message"]) == (409, True)


@pytest.mark.parametrize("name", ["a\0b", "x" * 256, "a\nb", "\u2028", "\x7f"], ids=ascii)
async def test_what_is_no_name_is_refused(scene: Scene, operator: httpx.AsyncClient, name: str) -> None:
    answer = await operator.put(at(name), content=ECHO)
    assert (answer.status_code, answer.json()["message"][:5]) == (400, "name:")
    assert await scene.assembly.apps.all() == []


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"\0", b"[}", b"a: &a [*a]", "version: 0.1".encode("utf-16"), b"\xff" * 9]
)
async def test_what_is_no_file_is_refused(scene: Scene, operator: httpx.AsyncClient, body: bytes) -> None:
    assert (await operator.put(at(), content=body)).status_code == 400
    trial = await operator.put(at(), content=body, params={"dry_run": "1"})
    assert trial.status_code == 400 or trial.json()["outcome"] == "refused"
    assert await scene.assembly.apps.all() == []


async def test_a_file_that_is_too_large_is_refused(scene: Scene, operator: httpx.AsyncClient) -> None:
    assert (await operator.put(at(), content=b"#" * (10 * 2**20 + 1))).status_code == 413


async def test_who_may_not_write_apps_publishes_nothing(scene: Scene, viewer: httpx.AsyncClient) -> None:
    for params in ({}, {"dry_run": "1"}):
        assert (await viewer.put(at(), content=ECHO, params=params)).status_code == 403


async def test_the_answer_and_the_audit_name_the_version_that_was_replaced(
    scene: Scene, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = AppStore.app_named

    async def look_before_another_publishes(store: AppStore, name: str) -> App | None:
        found = await look(store, name)
        monkeypatch.setattr(AppStore, "app_named", look)
        for text in (ECHO, SECOND):
            await scene.assembly.apps.publish(text.encode(), source="a", name=name)
        return found

    monkeypatch.setattr(AppStore, "app_named", look_before_another_publishes)

    made = decoded(await operator.put(at(), content=ECHO), 201)

    assert (made["outcome"], made["version"]["number"]) == ("changed", 3)
    [noted] = [each for each in decoded(await operator.get(f"{MANAGEMENT}/audit"))["data"] if each["app_id"]]
    assert (noted["before"], noted["after"]["version"]) == ({"version": 2}, 3)


async def test_an_app_that_is_removed_while_a_file_is_sent_for_it_is_made_anew(
    scene: Scene, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await scene.publish(ECHO)
    look = AppStore.app_named

    async def look_before_it_is_removed(store: AppStore, name: str) -> App | None:
        found = await look(store, name)
        await store.delete_app(first.id, at=1.0)
        return found

    monkeypatch.setattr(AppStore, "app_named", look_before_it_is_removed)

    made = decoded(await operator.put(at(first.name), content=ECHO), 201)

    assert made["version"]["number"] == 1
    assert [each.id for each in await scene.assembly.apps.all()] == [made["app_id"]] != [first.id]
