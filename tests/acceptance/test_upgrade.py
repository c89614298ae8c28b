"""A server of this version on the data folders that earlier builds left when they were killed; and the way back."""

import sqlite3
from contextlib import closing

import pytest

from jikko.store.sqlite.migrate import migrations
from tests.acceptance.client import Client
from tests.acceptance.old_folder import COMMITS, ask, unpack
from tests.acceptance.processes import Command, Server
from tests.store.old_databases import unpack as unpack_database
from tests.store.old_databases import versions

NEWEST = migrations()[-1].version


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("commit", COMMITS)
def test_runs_and_chats_of_earlier_builds_go_on(jikko: Command, commit: str, workers: str) -> None:
    jikko.home.mkdir()
    known = unpack(commit, jikko.home)
    runs = known["runs"]
    server = Server(jikko.home, settings={"JIKKO_WORKERS": workers})
    clients = {name: Client(server.url, key) for name, key in known["keys"].items()}
    try:
        assert clients["echo"].detail(runs["ended"])["outputs"] == {"q": "終わり"}
        assert clients["slow"].finished(runs["under way"])["outputs"] == {"text": "遅い遅い。"}
        first = [node for node in clients["slow"].node_executions(runs["under way"]) if node["node_id"] == "first"]
        assert [node["status"] for node in first] == ["succeeded"]
        assert clients["slow"].finished(runs["queued"])["outputs"] == {"text": "待つ待つ。"}
        answer = {"inputs": {"comment": "続き"}, "action": "yes", "user": "someone"}
        form = f"/v1/form/human_input/{runs['token']}"
        assert clients["asks"].request("POST", form, json=answer).status_code == 200
        assert clients["asks"].finished(runs["paused"])["outputs"] == {"said": "続き"}
        assert clients["echo"].run(q="new")["data"]["outputs"] == {"q": "new"}
        if "chat" in clients:
            _chats_go_on(clients["chat"], runs)
    finally:
        for client in clients.values():
            client.close()
        server.close()
    [copy] = jikko.home.glob(f"jikko.db.before-{NEWEST:04d}")
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT max(version) FROM schema_version").fetchone() == (COMMITS[commit],)


def _chats_go_on(client: Client, runs: dict[str, str]) -> None:
    """The turn under way ends, and the next one knows of both before it."""
    client.finished(runs["asking run"])
    page = client.get("/v1/messages", params={"conversation_id": runs["conversation"], "user": client.user})
    assert {message["id"]: message["answer"] for message in page["data"]} == {
        runs["asked"]: "1: 今日は 🙂",
        runs["asking"]: "2: 遅い",
    }
    assert ask(client, "更に", runs["conversation"])["answer"] == "3: 更に"


@pytest.mark.parametrize("version", [version for version in versions() if version < NEWEST])
def test_a_server_takes_the_database_of_each_version(jikko: Command, version: int) -> None:
    jikko.home.mkdir()
    _, contents = unpack_database(version, jikko.home)

    Server(jikko.home).stop()

    with closing(sqlite3.connect(jikko.home / "jikko.db")) as database:
        assert database.execute("SELECT max(version) FROM schema_version").fetchone() == (NEWEST,)
    listed = {entry["workflow_run_id"] for entry in jikko.json("runs", "list", "--all", "--limit", "1000")}
    assert listed == {run.id for run in contents.runs.values()}


def test_a_newer_database_is_refused_and_the_way_back_is_told(jikko: Command) -> None:
    jikko.home.mkdir()
    unpack("e75ef27", jikko.home)
    Server(jikko.home).close()
    kept = jikko.home / f"jikko.db.before-{NEWEST:04d}"
    with closing(sqlite3.connect(jikko.home / "jikko.db")) as database:
        database.execute("INSERT INTO schema_version (version, applied_at) VALUES (?, 0)", (NEWEST + 1,))
        database.commit()
    kept.rename(jikko.home / f"jikko.db.before-{NEWEST + 1:04d}")
    before = (jikko.home / "jikko.db").read_bytes()

    outcome = jikko("serve", "--port", "0")

    assert (outcome.code, outcome.has_traceback) == (2, False), outcome
    assert f"has schema version {NEWEST + 1}; this version of Jikko knows up to {NEWEST}" in outcome.err
    assert f"put {jikko.home / f'jikko.db.before-{NEWEST + 1:04d}'} in its place" in outcome.err
    assert (jikko.home / "jikko.db").read_bytes() == before
