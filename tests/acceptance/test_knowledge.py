"""Datasets on the command line and over the API: also where processes are killed."""

import json
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, node, start
from tests.dsl.encrypting import WORKSPACE, encrypted
from tests.effort import PATIENCE, trusted
from tests.knowledge.embedding_server import EmbeddingServer

KILLS = int(os.environ.get("TEST_KILLS") or 50)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that become documents."""
    made = tmp_path / "docs"
    (made / "more").mkdir(parents=True)
    (made / "owls.txt").write_text("Owls hunt at night.\n", encoding="utf-8")
    (made / "more" / "bees.md").write_text("# Bees\n\nBees live in hives. 蜜蜂\n", encoding="utf-8")
    (made / "picture.png").write_bytes(b"png")
    (made / ".hidden.txt").write_text("no", encoding="utf-8")
    return made


@pytest.fixture
def embeddings(tmp_path: Path) -> Iterator[EmbeddingServer]:
    with EmbeddingServer(tmp_path / "providers.yaml", seconds=0.05) as server:
        yield server


def test_a_folder_becomes_a_dataset_and_is_kept_in_step(jikko: Command, folder: Path) -> None:
    [report] = jikko.json("knowledge", "add", "animals", folder, "--technique", "economy")
    assert (report["added"], report["unchanged"], report["removed"], report["failed"]) == (2, 0, 0, 0)
    names = [each["name"] for each in jikko.json("knowledge", "show", "animals")]
    assert sorted(names) == ["more/bees.md", "owls.txt"]
    assert jikko("knowledge", "list").out.split()[:5] == ["DATASET", "TECHNIQUE", "DOCUMENTS", "CHARACTERS", "NAME"]
    assert jikko("knowledge", "show", "animals").out.split()[:5] == ["DOCUMENT", "STATUS", "SEGMENTS", "NAME", "ERROR"]
    [hit] = jikko.json("knowledge", "search", "animals", "Bees")
    assert hit["content"] == "Bees\nBees live in hives. 蜜蜂"

    (folder / "owls.txt").write_text("Owls sleep by day.\n", encoding="utf-8")
    (folder / "more" / "bees.md").unlink()
    [report] = jikko.json("knowledge", "add", "animals", folder, "--sync")
    assert (report["added"], report["unchanged"], report["removed"]) == (1, 0, 1)
    assert [each["content"] for each in jikko.json("knowledge", "search", "animals", "Owls")] == ["Owls sleep by day."]
    assert jikko.json("knowledge", "search", "animals", "Bees") == []

    assert jikko("knowledge", "remove", "animals", "無い.txt").code == 7
    assert jikko("knowledge", "remove", "animals", "--yes").code == 0
    assert jikko.json("knowledge", "list") == []
    with closing(sqlite3.connect(jikko.home / "knowledge.db")) as database:
        assert database.execute("SELECT count(*) FROM segment").fetchone() == (0,)


def test_wrong_names_are_told_without_a_traceback(jikko: Command, folder: Path) -> None:
    for arguments in (
        ("knowledge", "show", "nothing"),
        ("knowledge", "search", "nothing", "x"),
        ("knowledge", "remove", "nothing", "--yes"),
        ("knowledge", "map", "abc", "nothing"),
        ("knowledge", "keys", "revoke", "nothing"),
        ("knowledge", "add", "animals", folder / "picture.png"),
        ("knowledge", "external", "add", "a", "--endpoint", "nowhere", "--api-key", "k"),
    ):
        outcome = jikko(*arguments)
        assert outcome.code != 0, arguments
        assert not outcome.has_traceback
        assert outcome.err


def test_a_file_means_a_dataset_by_its_encrypted_id_once_the_workspace_is_known(
    jikko: Command, folder: Path, tmp_path: Path
) -> None:
    jikko.json("knowledge", "add", "animals", folder, "--technique", "economy")
    [dataset] = jikko.json("knowledge", "list")
    retrieval = node(
        "found",
        "knowledge-retrieval",
        dataset_ids=[encrypted(dataset["id"], WORKSPACE)],
        query_variable_selector=["start", "q"],
        retrieval_mode="multiple",
        multiple_retrieval_config={"top_k": 3, "reranking_enable": False},
    )
    file = tmp_path / "find.yml"
    file.write_text(app("Find", [start("q"), retrieval, end(found="found.result")], "start>found>end"))
    assert "knowledge map --workspace ID" in jikko("check", file).out

    [report] = jikko.json("knowledge", "map", "--workspace", WORKSPACE)
    assert report == {"workspace_id": WORKSPACE}
    assert "warning" not in jikko("check", file).out
    outcome = jikko("run", file, "-i", "q=Owls", "--json")
    assert outcome.lines[-1]["outputs"]["found"][0]["content"] == "Owls hunt at night."

    assert jikko.json("knowledge", "map", "--workspace", WORKSPACE, "--forget") == []
    for wrong in (["--forget"], ["--workspace", "x"], ["--workspace", WORKSPACE, "--forget"], ["a", "b", "--forget"]):
        assert jikko("knowledge", "map", *wrong).code != 0


def test_a_document_that_cannot_be_read_is_told_and_others_are_indexed(jikko: Command, folder: Path) -> None:
    (folder / "broken.pdf").write_bytes(b"this is no PDF")

    outcome = jikko("knowledge", "add", "animals", folder, "--technique", "economy")

    assert outcome.code == 1
    assert outcome.out.strip() == "animals: 2 added, 1 failed"
    assert "broken.pdf: Failed to extract text from PDF" in outcome.err
    statuses = {each["name"]: each["status"] for each in jikko.json("knowledge", "show", "animals")}
    assert statuses == {"broken.pdf": "error", "more/bees.md": "completed", "owls.txt": "completed"}


def test_a_backup_has_the_datasets(jikko: Command, folder: Path, tmp_path: Path) -> None:
    jikko.json("knowledge", "add", "animals", folder, "--technique", "economy")
    Server(jikko.home).close()

    jikko.json("backup", tmp_path / "copy")

    [hit] = Command(tmp_path / "copy").json("knowledge", "search", "animals", "Owls")
    assert hit["content"] == "Owls hunt at night."


def test_a_server_without_datasets_has_no_file_for_them_and_loads_nothing_for_them(jikko: Command) -> None:
    server = Server(jikko.home, installed=True)
    try:
        answer = httpx.get(
            f"{server.url}/v1/datasets",
            headers={"Authorization": "Bearer dataset-nobody"},
            verify=trusted(),
            timeout=PATIENCE,
        )
        assert answer.status_code == 401
        maps = Path(f"/proc/{server.pid}/maps").read_text()
    finally:
        server.close()
    assert not (jikko.home / "knowledge.db").exists()
    assert "numpy" not in maps
    assert "rjieba" not in maps
    assert "usearch" not in maps


def test_a_server_reads_the_dictionary_before_it_serves_if_a_dataset_needs_it(jikko: Command, folder: Path) -> None:
    jikko.json("knowledge", "add", "animals", folder, "--technique", "economy")
    server = Server(jikko.home, installed=True)
    try:
        maps = Path(f"/proc/{server.pid}/maps").read_text()
    finally:
        server.close()
    assert "rjieba" in maps


def test_a_chat_answers_from_a_dataset_and_cites_it(jikko: Command, folder: Path, tmp_path: Path) -> None:
    jikko.json("knowledge", "add", "animals", folder, "--technique", "economy")
    [dataset] = jikko.json("knowledge", "list")
    model = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    nodes = [
        start(),
        node(
            "found",
            "knowledge-retrieval",
            dataset_ids=[dataset["id"]],
            query_variable_selector=["sys", "query"],
            retrieval_mode="multiple",
            multiple_retrieval_config={"top_k": 3, "reranking_enable": False},
        ),
        node(
            "model",
            "llm",
            model=model,
            prompt_template=[{"role": "user", "text": "By this: {{#context#}}"}],
            context={"enabled": True, "variable_selector": ["found", "result"]},
            vision={"enabled": False},
        ),
        node("said", "answer", answer="{{#model.text#}}"),
    ]
    file = tmp_path / "guide.yml"
    features = {"retriever_resource": {"enabled": True}}
    file.write_text(app("Guide", nodes, "start>found found>model model>said", mode="advanced-chat", features=features))
    [entry] = jikko.json("apps", "import", file)
    server = Server(jikko.home, options=["--fake-models"])
    try:
        answer = httpx.post(
            f"{server.url}/v1/chat-messages",
            json={"query": "When do owls hunt?", "inputs": {}, "user": "anna", "response_mode": "blocking"},
            headers={"Authorization": f"Bearer {entry['api_key']}"},
            verify=trusted(),
            timeout=PATIENCE,
        )
    finally:
        server.close()

    assert answer.status_code == 200, answer.text
    assert answer.json()["answer"].endswith("By this: Owls hunt at night.")
    [cited] = answer.json()["metadata"]["retriever_resources"]
    assert (cited["position"], cited["dataset_name"], cited["document_name"]) == (1, "animals", "owls.txt")


@pytest.mark.slow
def test_killed_again_and_again_every_document_completes_once(
    jikko: Command, embeddings: EmbeddingServer, tmp_path: Path
) -> None:
    """No segment twice, none missing, and of what is embedded at most one batch twice for each kill."""
    seed = int(os.environ.get("TEST_SEED") or random.randrange(1 << 32))
    print("TEST_SEED", seed)
    chance = random.Random(seed)
    [key] = jikko.json("knowledge", "keys", "create")
    headers = {"Authorization": f"Bearer {key['api_key']}"}
    settings = {"JIKKO_PROVIDERS": str(embeddings.providers)}
    documents, lines, kills = 40, 40, 0
    texts = {
        f"d{number}.txt": "\n".join(f"document {number} line {line}" for line in range(lines))
        for number in range(documents)
    }
    rule = {
        "mode": "custom",
        "rules": {"pre_processing_rules": [], "segmentation": {"separator": "\n", "max_tokens": 60}},
    }
    server = Server(jikko.home, settings=settings)
    try:
        with httpx.Client(base_url=server.url, headers=headers, verify=trusted(), timeout=PATIENCE) as client:
            body = {"name": "bulk", "indexing_technique": "high_quality"}
            dataset = client.post("/v1/datasets", json=body).json()["id"]
            for name, text in texts.items():
                new = {"name": name, "text": text, "process_rule": rule}
                answer = client.post(f"/v1/datasets/{dataset}/document/create-by-text", json=new)
                assert answer.status_code == 200, answer.text
        while kills < KILLS and not embeddings.is_done(documents * lines):
            before, deadline = len(embeddings.texts), time.monotonic() + PATIENCE
            while len(embeddings.texts) == before and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(chance.uniform(0.0, 0.3))
            server.kill()
            kills += 1
            server = Server(jikko.home, settings=settings)
        with httpx.Client(base_url=server.url, headers=headers, verify=trusted(), timeout=PATIENCE) as client:
            deadline = time.monotonic() + 4 * PATIENCE
            while True:
                found = client.get(f"/v1/datasets/{dataset}/documents?limit=100").json()["data"]
                if all(each["indexing_status"] == "completed" for each in found):
                    break
                assert time.monotonic() < deadline, [each["indexing_status"] for each in found]
                time.sleep(0.2)
            for document in found:
                path = f"/v1/datasets/{dataset}/documents/{document['id']}/segments?limit=100"
                segments = client.get(path).json()["data"]
                assert [each["content"] for each in segments] == texts[document["name"]].split("\n")
    finally:
        server.close()
    again = Counter(embeddings.texts)
    assert len(again) == documents * lines
    twice = sum(count - 1 for count in again.values())
    assert twice <= kills * embeddings.batch, (twice, kills)
    with closing(sqlite3.connect(jikko.home / "knowledge.db")) as database:
        nodes, distinct = database.execute("SELECT count(*), count(DISTINCT segment_id) FROM node").fetchone()
    assert (nodes, distinct) == (documents * lines, documents * lines)
    print(json.dumps({"kills": kills, "embedded twice": twice}))
