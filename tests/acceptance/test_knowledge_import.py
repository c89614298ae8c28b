"""Datasets that are copied from a server of Dify's knowledge API: here from another Jikko, over real sockets."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import Command, Outcome, Server
from tests.effort import PATIENCE, trusted
from tests.knowledge.embedding_server import EmbeddingServer

LINES = {"mode": "custom", "rules": {"pre_processing_rules": [], "segmentation": {"separator": "\n", "max_tokens": 90}}}
TREE = {
    "mode": "hierarchical",
    "rules": {
        "pre_processing_rules": [],
        "segmentation": {"separator": "\n\n", "max_tokens": 200},
        "parent_mode": "full-doc",
        "subchunk_segmentation": {"separator": "\n", "max_tokens": 60},
    },
}


class There:
    """The server that is copied from: a client of its knowledge API."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        self._client = httpx.Client(
            base_url=f"{url}/v1", headers={"Authorization": f"Bearer {key}"}, verify=trusted(), timeout=PATIENCE
        )

    def __call__(self, method: str, path: str, **body: Any) -> Any:
        answer = self._client.request(method, path, json=body or None)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def add(self, dataset: str, name: str, text: str, rule: Any, form: str = "text_model") -> str:
        """A document that is indexed. Returns its id."""
        made = self(
            "POST",
            f"/datasets/{dataset}/document/create-by-text",
            name=name,
            text=text,
            process_rule=rule,
            doc_form=form,
        )
        status = ""
        while status not in ("completed", "error"):
            [each] = self("GET", f"/datasets/{dataset}/documents/{made['batch']}/indexing-status")["data"]
            status = each["indexing_status"]
        assert status == "completed", each["error"]
        return str(made["document"]["id"])

    def segments(self, dataset: str, document: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self("GET", f"/datasets/{dataset}/documents/{document}/segments?limit=100")[
            "data"
        ]
        return found

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddingServer]:
    with EmbeddingServer(tmp_path_factory.mktemp("models") / "providers.yaml", seconds=0.0) as server:
        yield server


@pytest.fixture(scope="module")
def there(embeddings: EmbeddingServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    home = tmp_path_factory.mktemp("there") / "home"
    [key] = Command(home).json("knowledge", "keys", "create")
    server = Server(home, settings={"JIKKO_PROVIDERS": str(embeddings.providers)})
    there = There(server.url, key["api_key"])
    yield there
    there.close()
    server.close()


class Here(Command):
    """The data folder that is copied to, with a model that makes vectors."""

    def __init__(self, home: Path, providers: Path) -> None:
        super().__init__(home)
        self.providers = providers

    def __call__(self, *arguments: str | Path, **settings: str) -> Outcome:
        return super().__call__(*arguments, JIKKO_PROVIDERS=str(self.providers), **settings)


@contextmanager
def served(here: Here) -> Iterator[There]:
    """The copy, over its own knowledge API."""
    [key] = here.json("knowledge", "keys", "create")
    server = Server(here.home, settings={"JIKKO_PROVIDERS": str(here.providers)})
    copy = There(server.url, key["api_key"])
    try:
        yield copy
    finally:
        copy.close()
        server.close()


@contextmanager
def answering(status: int, body: Any) -> Iterator[str]:
    """A server that gives each request the same answer, or what a function returns for its path. Yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = body(self.path.partition("?")[0]) if callable(body) else body
            content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def here(tmp_path: Path, embeddings: EmbeddingServer) -> Here:
    return Here(tmp_path / "home", embeddings.providers)


def imported(here: Here, there: There, *more: str) -> Outcome:
    return here("knowledge", "import", "--from-dify", there.url, "--key", there.key, "--json", *more)


def dataset_of(there: There, name: str, technique: str) -> str:
    return str(there("POST", "/datasets", name=name, indexing_technique=technique, description=f"on {name}")["id"])


def fields_of(segment: dict[str, Any]) -> list[Any]:
    """What of a segment is the same here and there."""
    same = ("id", "position", "content", "answer", "word_count", "keywords", "index_node_hash", "enabled", "status")
    return [segment[name] for name in same]


def test_texts_metadata_tags_and_ids_are_those_of_there(here: Here, there: There) -> None:
    dataset = dataset_of(there, "animals", "high_quality")
    owls = there.add(dataset, "owls.txt", "Owls hunt at night.\nOwls sleep by day.\nOwls cook 🦉.", LINES)
    there.add(dataset, "蜂.txt", "蜂は花を訪れる。\nBees live in hives.", LINES)
    wrong = there.segments(dataset, owls)[2]["id"]
    there("POST", f"/datasets/{dataset}/documents/{owls}/segments/{wrong}", segment={"enabled": False})
    field = there("POST", f"/datasets/{dataset}/metadata", type="number", name="year")
    values = [{"id": field["id"], "name": "year", "value": 2021}]
    operation = {"document_id": owls, "metadata_list": values}
    there("POST", f"/datasets/{dataset}/documents/metadata", operation_data=[operation])
    tag = there("POST", "/datasets/tags", name="nature")
    there("POST", "/datasets/tags/binding", tag_ids=[tag["id"]], target_id=dataset)

    [report] = imported(here, there, "animals").lines

    assert report == {"dataset_id": dataset, "name": "animals", "added": 2, "unchanged": 0, "failed": 0}
    found = here.json("knowledge", "search", "animals", "Owls cook at night", "--top", "9")
    assert found[0]["content"] == "Owls hunt at night."
    assert "Owls cook 🦉." not in [each["content"] for each in found]
    with served(here) as copy:
        assert list(map(fields_of, copy.segments(dataset, owls))) == list(map(fields_of, there.segments(dataset, owls)))
        shown = copy("GET", f"/datasets/{dataset}")
        assert (shown["description"], [each["name"] for each in shown["tags"]]) == ("on animals", ["nature"])
        names = [each["name"] for each in copy("GET", f"/datasets/{dataset}/documents")["data"]]
        assert names == ["蜂.txt", "owls.txt"]
        detail = copy("GET", f"/datasets/{dataset}/documents/{owls}")
        assert detail["doc_metadata"][0] == {"id": field["id"], "name": "year", "type": "number", "value": 2021}
        source = copy("GET", f"/datasets/{dataset}/documents/{owls}/download")["url"]
        assert httpx.get(source, verify=trusted(), timeout=PATIENCE).text.startswith("Owls hunt at night.\nOwls sleep")


def test_once_more_only_what_has_changed_is_taken(here: Here, there: There, embeddings: EmbeddingServer) -> None:
    dataset = dataset_of(there, "plants", "high_quality")
    oaks = there.add(dataset, "oaks.txt", "Oaks grow slowly.\nOaks live long.", LINES)
    there.add(dataset, "reeds.txt", "Reeds grow in water.", LINES)
    assert imported(here, there, dataset).lines[0]["added"] == 2
    before = len(embeddings.texts)

    assert imported(here, there, dataset).lines[0] | {"dataset_id": ""} == {
        "dataset_id": "",
        "name": "plants",
        "added": 0,
        "unchanged": 2,
        "failed": 0,
    }
    assert len(embeddings.texts) == before

    segment = there.segments(dataset, oaks)[0]["id"]
    there("POST", f"/datasets/{dataset}/documents/{oaks}/segments/{segment}", segment={"content": "Oaks grow tall."})
    assert imported(here, there, "plants").lines[0]["added"] == 1
    with served(here) as copy:
        assert [each["content"] for each in copy.segments(dataset, oaks)] == ["Oaks grow tall.", "Oaks live long."]


def test_parents_and_children_and_keywords_come_as_they_are(here: Here, there: There) -> None:
    tree, words = dataset_of(there, "family", "high_quality"), dataset_of(there, "words", "economy")
    family = there.add(tree, "f.txt", "Ada bakes bread.\nBruno keeps bees.", TREE, "hierarchical_model")
    listed = there.add(words, "w.txt", "Cherries are red.", LINES)
    segment = there.segments(words, listed)[0]["id"]
    there(
        "POST",
        f"/datasets/{words}/documents/{listed}/segments/{segment}",
        segment={"content": "Cherries are red.", "keywords": ["crimson"]},
    )

    outcome = imported(here, there, "family", "words")

    assert outcome.code == 0, outcome.err
    [hit] = here.json("knowledge", "search", "words", "crimson")
    assert hit["content"] == "Cherries are red."
    with served(here) as copy:
        [parent] = copy.segments(tree, family)
        path = f"/datasets/{tree}/documents/{family}/segments/{parent['id']}/child_chunks"
        assert [each["content"] for each in copy("GET", path)["data"]] == ["Ada bakes bread.", "Bruno keeps bees."]


@pytest.mark.parametrize(
    ("answer", "report"),
    [
        ((401, {"code": "unauthorized", "message": "Access token is invalid"}), "Access token is invalid"),
        ((404, "<html>"), "404"),
        ((200, "no JSON"), "it is not JSON"),
        ((200, []), "not what Dify's API answers"),
        ((200, {"data": 1}), "no list"),
        ((200, {"data": [{"id": 7}]}), "not what Dify's API answers"),
    ],
)
def test_a_server_that_is_no_dify_is_told_and_nothing_is_made(
    jikko: Command, answer: tuple[int, Any], report: str
) -> None:
    with answering(*answer) as url:
        outcome = jikko("knowledge", "import", "--from-dify", url, "--key", "dataset-x")

    assert outcome.code != 0
    assert report in outcome.err
    assert not outcome.has_traceback
    assert not (jikko.home / "knowledge.db").exists()


def test_wrong_calls_are_told(here: Here, there: There) -> None:
    assert "'nothing'" in imported(here, there, "nothing").err
    assert imported(here, there, "--model", "alone").code == 2
    assert here("knowledge", "import", "--from-dify", "http://127.0.0.1:9", "--key", "k").code == 10
    assert here("knowledge", "import", "--from-dify", "nowhere", "--key", "k").code != 0
