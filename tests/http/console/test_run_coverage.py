"""Coverage of a version by its recorded runs: how often they came to each node, and took each branch."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from jikko.repositories.app_store import App
from tests.acceptance.workflows import app, end, form, if_contains, iteration, python, start, template
from tests.http.console.scene import API, Scene, decoded
from tests.http.console.test_runs import ASKS, ended_or_paused, ran
from tests.runs.damage import WAYS, damage

pytestmark = pytest.mark.anyio

GONE = "019acd4e-0000-7000-8000-000000000000"


def divides(title: str = "割り算 🍓") -> str:
    """A workflow with a branch, an iteration and a fail branch."""
    risky = python("risky", "def main(n):\n    return {'x': str(6 // int(n))}", {"x": "string"}, n="start.n")
    risky["data"] |= {"title": title, "error_strategy": "fail-branch"}
    items = python("items", "def main():\n    return {'all': ['a', 'b', 'c']}", {"all": "array[string]"})
    nodes = [
        start("n"),
        if_contains("way", "start.n", "0"),
        risky,
        items,
        *iteration("each", "items.all", "shout.output", template("shout", "{{ i }}!", i="each.item")),
        end("fine", n="start.n"),
        end("saved", n="start.n"),
    ]
    edges = (
        "start>way way:true>risky way:false>items>each>fine each-start>shout risky:source>fine risky:fail-branch>saved"
    )
    return app("Divides", nodes, edges)


async def covered(
    client: httpx.AsyncClient, of: App, **query: Any
) -> tuple[int, dict[str, tuple[int, dict[str, int]]]]:
    """How many runs were looked at, and by node how often it ran and how often each of its branches was taken."""
    found = decoded(await client.get(f"{API}/apps/{of.id}/coverage", params=query))
    nodes = {
        node["id"]: (node["times"], {branch["handle"]: branch["times"] for branch in node["branches"]})
        for node in found["nodes"]
    }
    return found["runs"], nodes


async def test_each_node_and_branch_has_the_number_of_times_that_runs_came_to_it(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    flow = await scene.publish(divides())
    for n in ("1", "2", "0"):
        assert (await ran(operator, flow, n=n))["status"] in ("succeeded", "partial-succeeded")

    runs, nodes = await covered(viewer, flow)

    assert runs == 3
    assert nodes == {
        "start": (3, {}),
        "way": (3, {"true": 1, "false": 2}),
        "risky": (1, {"source": 0, "fail-branch": 1}),
        "items": (2, {}),
        "each": (2, {}),
        "shout": (6, {}),
        "fine": (2, {}),
        "saved": (1, {}),
    }
    answer = decoded(await viewer.get(f"{API}/apps/{flow.id}/coverage"))
    assert next(node["title"] for node in answer["nodes"] if node["id"] == "risky") == "割り算 🍓"


async def test_the_timeout_of_a_form_is_a_branch_and_a_run_that_waits_is_not_looked_at(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    nodes = [start("q"), form("ask", "いい？"), end("late", q="start.q"), end("said", q="start.q")]
    flow = await scene.publish(app("Asks", nodes, "start>ask ask:yes>said ask:__timeout>late"))
    paused = await ran(operator, flow, q="1")
    assert (await covered(operator, flow))[0] == 0
    scene.clock.now += 3600
    assert await scene.assembly.runs.forms.close_expired() == 1
    await ended_or_paused(operator, paused["id"])

    runs, found = await covered(operator, flow)

    assert runs == 1
    assert found["ask"] == (1, {"yes": 0, "no": 0, "__timeout": 1})
    assert (found["late"][0], found["said"][0]) == (1, 0)


async def test_only_runs_of_the_version_count_and_of_these_the_newest(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    old, other = await scene.publish(divides()), await scene.publish(ASKS)
    await ran(operator, old, n="0")
    await ran(operator, other, q="1")
    new = await scene.publish(divides("別の名前"))
    for n in ("0", "1", "2"):
        await ran(operator, new, n=n)
        scene.clock.now += 1

    assert (await covered(operator, new))[0] == 3
    assert (await covered(operator, new, limit=2))[1]["way"] == (2, {"true": 0, "false": 2})
    assert (await covered(operator, new, version="1"))[1]["way"] == (1, {"true": 1, "false": 0})


async def test_without_a_run_nothing_was_come_to(scene: Scene, viewer: httpx.AsyncClient) -> None:
    runs, nodes = await covered(viewer, await scene.publish(divides()))
    assert runs == 0
    assert {times for times, _ in nodes.values()} == {0}


async def test_a_damaged_log_is_left_out_and_said_to_be(
    scene: Scene, operator: httpx.AsyncClient, tmp_path: Path
) -> None:
    flow = await scene.publish(divides())
    broken, _ = [await ran(operator, flow, n=n) for n in ("0", "1")]
    damage(tmp_path / "home", broken["id"], next(iter(WAYS.values())))

    found = decoded(await operator.get(f"{API}/apps/{flow.id}/coverage"))

    assert (found["runs"], found["unread"]) == (1, 1)
    assert {node["id"]: node["times"] for node in found["nodes"]}["risky"] == 0


@pytest.mark.parametrize(
    ("query", "status"), [("limit=501", 400), ("limit=0", 400), ("version=9", 404), (f"version={GONE}", 404)]
)
async def test_what_there_is_not_is_refused(scene: Scene, viewer: httpx.AsyncClient, query: str, status: int) -> None:
    flow = await scene.publish(divides())
    assert (await viewer.get(f"{API}/apps/{flow.id}/coverage?{query}")).status_code == status
    assert (await viewer.get(f"{API}/apps/{GONE}/coverage")).status_code == 404
