"""Data shared by several servers: sign-ins, plugin storage, partly indexed documents, old runs. One-time work is done
by one of them."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.faults import until
from tests.acceptance.processes import Command
from tests.acceptance.several_servers import ONLY_THE_DEAD_GO, SeveralServers
from tests.acceptance.test_archive import age, read
from tests.acceptance.test_plugins_and_workers import calling, package, ran
from tests.acceptance.workflows import ECHO, app, end, start, template, with_environment
from tests.effort import PATIENCE, trusted
from tests.knowledge.embedding_server import EmbeddingServer
from tests.plugins.world import installed
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.services, pytest.mark.slow]
API = "/console/api"
TOKEN = "a" * 40
LINES = 30


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddingServer]:
    with EmbeddingServer(tmp_path_factory.mktemp("embeddings") / "providers.yaml", seconds=0.05) as server:
        yield server


@pytest.fixture(scope="module")
def several_of_module(
    tmp_path_factory: pytest.TempPathFactory, several_settings_of_module: dict[str, str], embeddings: EmbeddingServer
) -> Iterator[SeveralServers]:
    """Two servers that no test ends."""
    folder = tmp_path_factory.mktemp("several")
    settings = {
        **several_settings_of_module,
        "JIKKO_CONSOLE_TOKEN": TOKEN,
        "JIKKO_PROVIDERS": str(embeddings.providers),
        "JIKKO_ARCHIVE_AFTER_DAYS": "7",
        "JIKKO_RETENTION_DAYS": "60",
    }
    apps = {"echo": ECHO, "storage": calling("Storage", "ask", type="storage", request=None), "word": saying("word")}
    made = SeveralServers(folder, apps, settings, count=2)
    yield made
    made.close()


def saying(output: str) -> str:
    """An app that puts out a variable of its environment."""
    nodes = [start("q"), template("say", "{{ word }}", word="env.word"), end(**{output: "say.output"})]
    return with_environment(app("Word", nodes, "start>say>end"), word=("string", "既定"))


def page(url: str) -> dict[str, str]:
    """The headers of the console's own page."""
    return {"X-Jikko-Console": "1", "Origin": url, "Sec-Fetch-Site": "same-origin"}


def test_who_signed_in_at_one_is_known_to_the_other_until_signing_out_there(several_of_module: SeveralServers) -> None:
    one, other = (server.url for server in several_of_module.servers)
    with httpx.Client(base_url=one, verify=trusted(), timeout=PATIENCE) as client:
        assert client.post(f"{API}/session", json={"token": TOKEN}, headers=page(one)).status_code == 200
        [(name, value)] = client.cookies.items()
    with httpx.Client(base_url=other, cookies={name: value}, verify=trusted(), timeout=PATIENCE) as client:
        assert client.get(f"{API}/session").json()["role"] == "operator"
        assert client.get(f"{API}/apps").status_code == 200
        assert client.delete(f"{API}/session", headers=page(other)).status_code == 204
    with httpx.Client(base_url=one, cookies={name: value}, verify=trusted(), timeout=PATIENCE) as client:
        assert client.get(f"{API}/session").status_code == 401


def test_what_an_operator_changes_elsewhere_reaches_all(several_of_module: SeveralServers, tmp_path: Path) -> None:
    operator, settings = Command(tmp_path / "operator"), several_of_module.settings
    one, other = (several_of_module.client("word", server) for server in several_of_module.servers)

    def outputs() -> list[dict[str, str]]:
        return [client.run(q="?")["data"]["outputs"] for client in (one, other)]

    assert outputs() == [{"word": "既定"}] * 2
    assert operator("apps", "env", "Word", "word=設定 🔧", **settings).code == 0
    # The database tells the servers, which may have another request to answer first.
    until(lambda: outputs() == [{"word": "設定 🔧"}] * 2, "both have the value")
    (tmp_path / "newer.yml").write_text(saying("newer"), encoding="utf-8")
    assert operator("apps", "import", tmp_path / "newer.yml", **settings).code == 0
    until(lambda: outputs() == [{"newer": "設定 🔧"}] * 2, "both have the version")

    url, headers = several_of_module.servers[0].url, {"Authorization": f"Bearer {TOKEN}", "X-Jikko-Console": "1"}
    with httpx.Client(base_url=f"{url}{API}", headers=headers, verify=trusted(), timeout=PATIENCE) as console:
        [id_] = [each["id"] for each in console.get("/apps").json()["data"] if each["name"] == "Word"]
        made = console.post(f"/apps/{id_}/keys", json={"name": "short"}).json()
        with closing(Client(several_of_module.servers[1].url, made["key"])) as client:
            assert client.run(q="?")["data"]["status"] == "succeeded"
            assert console.delete(f"/apps/{id_}/keys/{made['id']}").status_code == 204
            until(lambda: client.request("GET", "/v1/parameters").status_code == 401, "the key opens nothing")


def test_what_a_plugin_keeps_at_one_it_has_at_the_other(several_of_module: SeveralServers) -> None:
    for server in several_of_module.servers:
        asyncio.run(installed(server.home, package()))
    one, other = (several_of_module.client("storage", server) for server in several_of_module.servers)

    ran(one, '{"opt": "set", "key": "k", "value": "e382ad"}')
    assert "e382ad" in ran(other, '{"opt": "get", "key": "k"}')["text"]
    ran(other, '{"opt": "set", "key": "k", "value": "e382ae"}')
    assert "e382ae" in ran(one, '{"opt": "get", "key": "k"}')["text"]


def test_an_old_run_is_read_retried_and_removed_at_any(
    several_of_module: SeveralServers, postgres_server: PostgresServer
) -> None:
    settings = several_of_module.settings
    several_of_module.close()
    with ExitStack() as stack:
        server = stack.enter_context(closing(several_of_module.start(JIKKO_ARCHIVE_AFTER_DAYS="0")))
        client = several_of_module.client("echo", server)
        begun = [client.run(q=f"請求書 {number}")["workflow_run_id"] for number in range(2)]
        begun.append(retried(client, begun[0]))
        ids = [age(postgres_server, settings, run) for run in begun]
        before = [read(client, run) for run in ids]
    servers = [several_of_module.start(**ONLY_THE_DEAD_GO), several_of_module.start(**ONLY_THE_DEAD_GO)]
    clients = [several_of_module.client("echo", server) for server in servers]
    until(lambda: clients[0].get("/v1/workflows/logs")["total"] == 0, "all are in the archive")
    moved = [line for server in servers for line in server.output.splitlines() if "archive" in line]

    for client in clients:
        assert [read(client, run) for run in ids] == before
        assert client.get("/v1/workflows/logs")["archived_until"] >= before[0][0]["created_at"]
        begun.append(retried(client, ids[0]))
        assert relatives(client, ids[0]) == [ids[2], *begun[3:]]
    assert len(moved) <= 1
    command = Command(servers[0].home)
    assert command("runs", "prune", "--older-than", "20d", "--yes", **settings).code == 0
    for client in clients:
        assert [client.request("GET", f"/v1/workflows/run/{run}").status_code for run in ids] == [404] * 3


def retried(client: Client, run: str) -> str:
    """Repeat a run. Returns the id of the new one."""
    again = {"user": client.user, "from_node_id": "end"}
    answer = client.request("POST", f"/v1/workflows/run/{run}/retry", json=again)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["workflow_run_id"])


def relatives(client: Client, run: str) -> list[str]:
    """The runs that repeat a run."""
    return [each["workflow_run_id"] for each in client.get(f"/v1/workflows/run/{run}/lineage")["retries"]]


def test_documents_that_one_began_to_index_another_finishes_when_it_dies(
    tmp_path: Path, several_settings: dict[str, str], embeddings: EmbeddingServer
) -> None:
    several = SeveralServers(
        tmp_path, {"echo": ECHO}, {**several_settings, "JIKKO_PROVIDERS": str(embeddings.providers)}, count=2
    )
    rule = {
        "mode": "custom",
        "rules": {"pre_processing_rules": [], "segmentation": {"separator": "\n", "max_tokens": 60}},
    }
    texts = {f"梟{number}.txt": [f"梟 {number} line {line}" for line in range(LINES)] for number in range(4)}
    embeddings.texts.clear()
    try:
        outcome = Command(several.servers[0].home)("knowledge", "keys", "create", "--json", **several.settings)
        headers = {"Authorization": f"Bearer {outcome.lines[0]['api_key']}"}
        leader, other = several.servers
        with httpx.Client(base_url=other.url, headers=headers, verify=trusted(), timeout=PATIENCE) as client:
            body = {"name": "梟", "indexing_technique": "high_quality"}
            dataset = client.post("/v1/datasets", json=body).json()["id"]
            for name, lines in texts.items():
                new = {"name": name, "text": "\n".join(lines), "process_rule": rule}
                made = client.post(f"/v1/datasets/{dataset}/document/create-by-text", json=new)
                assert made.status_code == 200, made.text
            until(lambda: bool(embeddings.texts), "one has begun to index")
            leader.kill()
            deadline = time.monotonic() + PATIENCE
            while True:
                found = client.get(f"/v1/datasets/{dataset}/documents?limit=100").json()["data"]
                if all(each["indexing_status"] == "completed" for each in found):
                    break
                assert time.monotonic() < deadline, found
            for document in found:
                path = f"/v1/datasets/{dataset}/documents/{document['id']}/segments?limit=100"
                assert [each["content"] for each in client.get(path).json()["data"]] == texts[document["name"]]
    finally:
        several.close()
    counts = Counter(embeddings.texts)
    assert len(counts) == len(texts) * LINES
    assert sum(count - 1 for count in counts.values()) <= 2 * embeddings.batch
