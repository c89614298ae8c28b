"""Datasets, as the console shows them."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from jikko.knowledge.datasets import DatasetWishes
from tests.effort import PATIENCE
from tests.http.console.scene import API, Scene, decoded

pytestmark = pytest.mark.anyio

DATASET_KEY = {"indexing_technique": "economy", "process_rule": {"mode": "automatic"}}


async def test_datasets_documents_segments_and_what_is_found(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    assert decoded(await viewer.get(f"{API}/datasets"))["data"] == []
    knowledge = scene.assembly.knowledge
    dataset = await knowledge.datasets.create(DatasetWishes(name="Rules", technique="economy"))
    key, _ = await knowledge.keys.create()
    leading = asyncio.ensure_future(knowledge.indexing.lead())
    try:
        async with scene.client(Authorization=f"Bearer {key}") as client:
            body = {"name": "refunds.txt", "text": "Refunds take ten days.", **DATASET_KEY}
            made = await client.post(f"/v1/datasets/{dataset.id}/document/create-by-text", json=body)
            assert made.status_code == 200, made.text
        path = f"{API}/datasets/{dataset.id}"
        async with asyncio.timeout(PATIENCE):
            while True:
                [document] = decoded(await viewer.get(f"{path}/documents"))["data"]
                if document["status"] == "completed":
                    break
                await asyncio.sleep(0.01)
    finally:
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
    assert (document["name"], document["segments"], document["segments_done"]) == ("refunds.txt", 1, 1)
    [shown] = decoded(await viewer.get(f"{API}/datasets"))["data"]
    assert (shown["name"], shown["documents"], shown["available"]) == ("Rules", 1, 1)
    segments = decoded(await viewer.get(f"{path}/documents/{document['id']}/segments"))
    assert [entry["content"] for entry in segments["data"]] == ["Refunds take ten days."]
    [hit] = decoded(await operator.post(f"{path}/search", json={"query": "How many days do refunds take?"}))["data"]
    assert (hit["content"], hit["document_name"]) == ("Refunds take ten days.", "refunds.txt")
    assert (await operator.post(f"{path}/search", json={"query": " "})).status_code == 400
    for missing in (
        f"datasets/{document['id']}/documents",
        "datasets/x/documents",
        f"datasets/{dataset.id}/documents/x/segments",
    ):
        assert (await viewer.get(f"{API}/{missing}")).status_code == 404


async def test_a_dataset_is_created_by_its_name(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    path, body = f"{API}/datasets", {"name": "規程 📘 \ue000"}
    assert (await viewer.post(path, json=body)).status_code == 403
    created = decoded(await operator.post(path, json=body), 201)
    [listed] = decoded(await viewer.get(path))["data"]
    assert listed == created
    # There is no embedding model.
    assert (created["name"], created["technique"], created["documents"]) == (body["name"], "economy", 0)
    taken = await operator.post(path, json=body)
    assert (taken.status_code, taken.json()["code"]) == (409, "dataset_name_duplicate")
    for wrong in ("", "x" * 41, 1):
        refused = await operator.post(path, json={"name": wrong})
        assert (refused.status_code, refused.json()["message"][:11]) == (400, "name: must ")


async def test_a_document_is_added_by_its_file(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    dataset = await scene.assembly.knowledge.datasets.create(DatasetWishes(name="Rules", technique="economy"))
    path = f"{API}/datasets/{dataset.id}/documents"
    sent = {"file": ("休暇 \ue000.md", "有給休暇は年間二十日です。".encode())}
    assert (await viewer.post(path, files=sent)).status_code == 403
    added = decoded(await operator.post(path, files=sent), 201)
    assert added["name"] == "休暇 \ue000.md"
    [document] = decoded(await viewer.get(path))["data"]
    assert document["id"] == added["id"]
    assert (document["segments"], document["segments_done"], document["hits"]) == (0, 0, 0)
    for wrong in ({"file": ("a.exe", b"MZ")}, {"other": ("a.txt", b"a")}):
        refused = await operator.post(path, files=wrong)
        assert refused.status_code in (400, 415), refused.text
    assert (await operator.post(f"{API}/datasets/{added['id']}/documents", files=sent)).status_code == 404


async def test_the_error_of_a_document_has_its_code_and_parameters(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    knowledge = scene.assembly.knowledge
    dataset = await knowledge.datasets.create(DatasetWishes(name="Rules", technique="economy"))
    path = f"{API}/datasets/{dataset.id}/documents"
    decoded(await operator.post(path, files={"file": ("規則 \ue000.pdf", b"no PDF")}), 201)
    await knowledge.indexing.catch_up()

    [document] = decoded(await viewer.get(path))["data"]
    reason = {"code": "extraction.not_pdf", "params": {}}
    assert document["error"] == "Failed to extract text from PDF: it is broken, or not a PDF."
    assert document["error_message"] == {"code": "extraction.failed", "params": {"format": "PDF", "reason": reason}}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("error_message = NULL", "Failed to extract text from PDF: it is broken, or not a PDF."),
        ("error = 'The server is stopping.'", "The server is stopping."),
        (
            """error_message = '{"code": "newer", "params": {}}'""",
            "Failed to extract text from PDF: it is broken, or not a PDF.",
        ),
    ],
    ids=["an older one alone", "an older one over another", "a newer one"],
)
async def test_an_error_that_another_version_wrote_is_shown_as_it_is(
    change: str, error: str, scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient, tmp_path: Path
) -> None:
    knowledge = scene.assembly.knowledge
    dataset = await knowledge.datasets.create(DatasetWishes(name="Rules", technique="economy"))
    path = f"{API}/datasets/{dataset.id}/documents"
    decoded(await operator.post(path, files={"file": ("a.pdf", b"no PDF")}), 201)
    await knowledge.indexing.catch_up()
    with closing(sqlite3.connect(tmp_path / "home" / "knowledge.db", isolation_level=None)) as database:
        database.execute(f"UPDATE document SET {change}")

    [document] = decoded(await viewer.get(path))["data"]
    assert (document["status"], document["error"], document["error_message"]) == ("error", error, None)
