"""Differences from an earlier run in the console; and a test made from a run."""

import httpx
import pytest
import yaml

from jikko.proving.recorded_case import as_test_file
from tests.acceptance.workflows import app, end, node, python, start, template
from tests.effort import cpu_seconds
from tests.http.console.scene import API, Scene, decoded
from tests.http.console.test_runs import ended_or_paused, ran

pytestmark = pytest.mark.anyio

GONE = "019acd4e-0000-7000-8000-000000000000"


def divides(by: str) -> str:
    """A workflow that fails by 0."""
    nodes = [
        start("q"),
        template("greets", "やあ {{ q }} 🙂", q="start.q"),
        python("divides", f"def main():\n    return {{'n': str(6 // {by})}}", {"n": "string"}),
        end(n="divides.n", said="greets.output"),
    ]
    return app("Divides", nodes, "start>greets>divides>end")


async def test_a_retry_is_compared_with_the_run_that_it_repeats(scene: Scene, operator: httpx.AsyncClient) -> None:
    failed = await ran(operator, await scene.publish(divides("0")), q="x")
    await scene.publish(divides("2"))
    retry = decoded(await operator.post(f"{API}/runs/{failed['id']}/retry", json={"version": 2}), 202)["run_id"]
    await ended_or_paused(operator, retry)

    found = decoded(await operator.get(f"{API}/runs/{retry}/diff"))

    assert (found["before"]["id"], found["after"]["id"]) == (failed["id"], retry)
    fields = {field["path"]: (field["before"], field["after"]) for field in found["fields"]}
    assert fields["/status"] == ("failed", "succeeded")
    assert fields["/outputs/n"] == (None, "3")
    changes = {node["node_id"]: node["change"] for node in found["nodes"]}
    assert changes == {"divides": "changed", "end": "added"}
    assert (found["same"], found["more_nodes"]) == (2, 0)


async def test_any_two_runs_are_compared_and_long_values_are_cut(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    flow = await scene.publish(divides("2"))
    one, other = await ran(operator, flow, q="短い"), await ran(operator, flow, q="長" * 100_000)

    found = decoded(await viewer.get(f"{API}/runs/{other['id']}/diff", params={"to": one["id"]}))

    said = next(field for field in found["fields"] if field["path"] == "/outputs/said")
    assert said["before"] == "やあ 短い 🙂"
    assert said["after"] == f"やあ {'長' * 997}…"
    assert {node["node_id"] for node in found["nodes"]} == {"start", "greets", "end"}


@pytest.mark.parametrize(("query", "status"), [("", 400), ("?to=x", 400), (f"?to={GONE}", 404)])
async def test_without_another_run_there_is_nothing_to_compare(
    scene: Scene, operator: httpx.AsyncClient, query: str, status: int
) -> None:
    run = await ran(operator, await scene.publish(divides("2")), q="x")
    assert (await operator.get(f"{API}/runs/{run['id']}/diff{query}")).status_code == status
    of_no_run = await operator.get(f"{API}/runs/x/diff{query}")
    assert of_no_run.status_code == (400 if query == "?to=x" else 404)  # the query is read before the run is looked for


async def test_a_run_is_made_a_test_of_its_version(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    flow = await scene.publish(divides("2"))
    run = await ran(operator, flow, q="長い 🙂 \ue000")
    answer = await viewer.get(f"{API}/runs/{run['id']}/test")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/yaml")
    assert f"run-{run['id'][-12:]}.test.yml" in answer.headers["content-disposition"]
    test = yaml.safe_load(answer.text)
    assert test["workflow"] == "version-1.yml"
    [case] = test["cases"]
    assert case["inputs"] == {"q": "長い 🙂 \ue000"}
    assert case["expect"]["outputs"] == {"equals": {"n": "3", "said": "やあ 長い 🙂 \ue000 🙂"}}


async def test_a_long_test_is_written_soon_and_one_above_a_megabyte_is_left_to_the_command(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    flow = await scene.publish(divides("2"))
    long = await ran(operator, flow, q="長い 🙂\n# \ue000\n" * 10_000)
    longer = await ran(operator, flow, q="長" * 200_000)
    answer = await viewer.get(f"{API}/runs/{long['id']}/test")
    made = yaml.safe_load(answer.text)
    [case] = made["cases"]
    assert case["inputs"] == {"q": "長い 🙂\n# \ue000\n" * 10_000}
    readably = cpu_seconds(lambda: yaml.safe_dump(made, allow_unicode=True))
    assert min(cpu_seconds(lambda: as_test_file(made)) for _ in range(3)) < readably / 2
    refused = await viewer.get(f"{API}/runs/{longer['id']}/test")
    assert (refused.status_code, refused.json()["code"]) == (413, "request_entity_too_large")
    assert "jikko runs save" in refused.json()["message"]


async def test_what_no_test_can_do_is_refused(scene: Scene, operator: httpx.AsyncClient) -> None:
    rules = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["local_file"], "required": True}
    variable = {"variable": "file", "label": "File", "type": "file", **rules}
    flow = await scene.publish(app("Takes", [node("start", "start", variables=[variable]), end()], "start>end"))
    sent = {"file": ("a.txt", b"a", "text/plain")}
    file = decoded(await operator.post(f"{API}/apps/{flow.id}/files", files=sent), 201)
    given = {"type": "document", "transfer_method": "local_file", "upload_file_id": file["id"]}
    run = await ran(operator, flow, file=given)
    refused = await operator.get(f"{API}/runs/{run['id']}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "jikko runs save" in refused.json()["message"]
    assert (await operator.get(f"{API}/runs/{GONE}/test")).status_code == 404
