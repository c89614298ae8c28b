"""Retrying a run: choice of version, and reuse of results."""

from typing import Any

import httpx
import pytest

from jikko.repositories.app_store import App
from tests.acceptance.workflows import app, end, first_of, node, start
from tests.http.console.scene import API, Scene, decoded
from tests.http.console.test_runs import ECHO, ended_or_paused, ran

pytestmark = pytest.mark.anyio


def checking(code: str, *inputs: dict[str, Any], titles: bool = True) -> str:
    """A workflow with a failing node behind one that does not, and with more inputs."""
    begins = start("q")
    begins["data"]["variables"] += inputs
    look = node("look", "variable-aggregator", output_type="string", variables=[["start", "q"]])
    look["data"]["title"] = "Look up 📖" if titles else "look"
    fails = node(
        "fails",
        "http-request",
        method="get",
        url=code,
        authorization={"type": "no-auth"},
        headers="",
        params="",
        body={"type": "none", "data": []},
    )
    return app("Checks", [begins, look, fails, end(q="look.output")], "start>look>fails>end")


BROKEN, STILL_BROKEN = checking("ftp://one.test"), checking("ftp://two.test")
FIXED = app("Checks", [start("q"), first_of("look", "start.q"), end(q="look.output")], "start>look>end")


async def failed(client: httpx.AsyncClient, checks: App) -> str:
    found = await ran(client, checks, q="x")
    assert found["status"] == "failed"
    return str(found["id"])


async def choices(client: httpx.AsyncClient, run_id: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = decoded(await client.get(f"{API}/runs/{run_id}/retry", params=query))["data"]
    return found


async def test_without_another_version_there_is_one_choice(scene: Scene, operator: httpx.AsyncClient) -> None:
    run_id = await failed(operator, await scene.publish(BROKEN))

    assert await choices(operator, run_id) == [
        {
            "version": 1,
            "is_current": True,
            "taken_over": [{"id": "start", "title": "start"}, {"id": "look", "title": "Look up 📖"}],
            "from_nodes": [{"id": "fails", "title": "fails"}],
            "why_not": None,
        }
    ]


async def test_once_a_fix_is_published_it_comes_first_with_what_it_takes_over(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    run_id = await failed(operator, await scene.publish(BROKEN))
    await scene.publish(FIXED)
    fixed, own = await choices(operator, run_id)

    assert (fixed["version"], fixed["is_current"], own["version"], own["is_current"]) == (2, True, 1, False)
    # The end node has lost the edge from the failed node, and so has changed.
    assert [entry["id"] for entry in fixed["taken_over"]] == ["start", "look"]
    assert [entry["id"] for entry in own["from_nodes"]] == ["fails"]


@pytest.mark.parametrize(("version", "runs"), [(2, 2), (1, 1), (None, 1)])
async def test_the_version_that_is_asked_for_runs(
    scene: Scene, operator: httpx.AsyncClient, version: int | None, runs: int
) -> None:
    run_id = await failed(operator, await scene.publish(BROKEN))
    await scene.publish(FIXED)
    again = decoded(await operator.post(f"{API}/runs/{run_id}/retry", json={"version": version}), 202)["run_id"]
    found = await ended_or_paused(operator, again)

    assert (found["version"], found["status"]) == (runs, "succeeded" if runs == 2 else "failed")
    assert found["lineage"]["retry_of"] == run_id


async def test_a_version_that_is_no_longer_current_is_a_conflict_and_runs_nothing(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    run_id = await failed(operator, await scene.publish(BROKEN))
    await scene.publish(STILL_BROKEN)
    await scene.publish(FIXED)
    refused = await operator.post(f"{API}/runs/{run_id}/retry", json={"version": 2})

    assert "neither the current one nor that of the run" in decoded(refused, 409)["message"]
    assert len(decoded(await operator.get(f"{API}/runs"))["data"]) == 1


@pytest.mark.parametrize("version", [1, 2, None])
async def test_a_retry_by_who_has_not_seen_the_newest_version_is_a_conflict(
    scene: Scene, operator: httpx.AsyncClient, version: int | None
) -> None:
    run_id = await failed(operator, await scene.publish(BROKEN))
    await scene.publish(FIXED)
    body = {"version": version, "current": 1}
    refused = decoded(await operator.post(f"{API}/runs/{run_id}/retry", json=body), 409)

    assert refused["message"] == "Version 2 was published meanwhile; the run was not retried. Check again."
    assert len(decoded(await operator.get(f"{API}/runs"))["data"]) == 1
    assert (await operator.post(f"{API}/runs/{run_id}/retry", json={**body, "current": 2})).status_code == 202


async def test_inputs_that_the_new_version_does_not_take_are_told(scene: Scene, operator: httpx.AsyncClient) -> None:
    run_id = await failed(operator, await scene.publish(BROKEN))
    more = {"variable": "who", "label": "who", "type": "text-input", "required": True, "max_length": 9}
    await scene.publish(checking("ftp://one.test", more))
    newer, own = await choices(operator, run_id)

    assert "who is required in input form" in newer["why_not"]
    assert (newer["taken_over"], own["why_not"]) == ([], None)


async def test_from_a_node_on(scene: Scene, operator: httpx.AsyncClient) -> None:
    run_id = await failed(operator, await scene.publish(BROKEN))
    (choice,) = await choices(operator, run_id, from_node_id="look")
    (nowhere,) = await choices(operator, run_id, from_node_id="nowhere")

    assert [entry["id"] for entry in choice["taken_over"]] == ["start"]
    assert "did not run in this run" in nowhere["why_not"]


async def test_viewers_see_it_and_repeat_nothing(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    run_id = await failed(operator, await scene.publish(BROKEN))

    assert len(await choices(viewer, run_id)) == 1
    assert (await viewer.post(f"{API}/runs/{run_id}/retry", json={"version": 1})).status_code == 403


async def test_a_run_without_a_failure_says_so_until_something_changed(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    echo = await scene.publish(ECHO)
    found = await ran(operator, echo, q="x")
    (choice,) = await choices(operator, found["id"])
    await scene.publish(ECHO.replace('"q"', '"r"'))
    newer, own = await choices(operator, found["id"])

    assert "no node of the run failed" in choice["why_not"]
    assert newer["why_not"] is None
    assert "no node of the run failed" in own["why_not"]


async def test_the_values_that_may_be_given_are_told_when_asked_for(scene: Scene, operator: httpx.AsyncClient) -> None:
    run_id = await failed(operator, await scene.publish(BROKEN))
    (plain,) = await choices(operator, run_id, from_node_id="look")
    (choice,) = await choices(operator, run_id, from_node_id="look", values="1")

    assert not {"reads", "mockable"} & plain.keys()
    assert choice["reads"] == {"start": {"q": "x"}}
    assert choice["mockable"] == [
        {"id": "look", "title": "Look up 📖", "outputs": {"output": "x"}, "handles": [], "can_fake": False},
        {"id": "fails", "title": "fails", "outputs": None, "handles": [], "can_fake": False},
    ]


async def test_a_run_with_given_values_says_which_and_so_does_the_audit(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    run_id = await failed(operator, await scene.publish(BROKEN))
    body = {
        "from_node_id": "look",
        "values": {"start": {"q": "別 🎉"}},
        "mocks": {"fails": {"body": "ok", "status_code": 200}},
    }
    again = decoded(await operator.post(f"{API}/runs/{run_id}/retry", json=body), 202)["run_id"]
    found = await ended_or_paused(operator, again)
    audit = decoded(await operator.get(f"{API}/audit", params={"action": "retry_run"}))["data"]

    assert (found["status"], found["outputs"]) == ("succeeded", {"q": "別 🎉"})
    assert found["lineage"]["replaced"] == {"start": ["q"]}
    assert found["lineage"]["mocked"] == ["fails"]
    assert [entry["after"] for entry in audit] == [{"given": {"start": ["q"]}, "mocked": ["fails"]}]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"mocks": {"nowhere": {}}}, "mocks: no node has the id or title 'nowhere'"),
        ({"mocks": {"fails": "x"}}, "mocks"),
        ({"values": {"look": {"output": 5}}, "mocks": {"start": {}}}, "values: 'look' runs again: mock it"),
        ({"values": [1]}, "values: must be an object of objects"),
    ],
)
async def test_values_that_do_not_fit_are_refused(
    scene: Scene, operator: httpx.AsyncClient, body: dict[str, Any], says: str
) -> None:
    run_id = await failed(operator, await scene.publish(BROKEN))
    refused = decoded(await operator.post(f"{API}/runs/{run_id}/retry", json={"from_node_id": "look", **body}), 400)

    assert (refused["code"], says in refused["message"]) == ("invalid_param", True), refused
    assert len(decoded(await operator.get(f"{API}/runs"))["data"]) == 1
