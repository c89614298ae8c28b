"""A server of this version on the data folder that one of version 0.1.0 left when it was killed; and the way back."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from jikko.store.sqlite.migrate import migrations
from tests.acceptance.client import Client
from tests.acceptance.old_folder import unpack
from tests.acceptance.processes import Command, Server
from tests.store.old_databases import unpack as unpack_database
from tests.store.old_databases import versions

NEWEST = migrations()[-1].version


@pytest.fixture
def known(jikko: Command) -> dict[str, Any]:
    jikko.home.mkdir()
    return unpack(jikko.home)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_runs_of_0_1_that_were_under_way_or_paused_go_on(jikko: Command, known: dict[str, Any], workers: str) -> None:
    runs = known["runs"]
    server = Server(jikko.home, settings={"JIKKO_WORKERS": workers})
    clients = {name: Client(server.url, key) for name, key in known["keys"].items()}
    try:
        assert clients["echo"].detail(runs["ended"])["outputs"] == {"q": "終わり"}
        assert clients["slow"].finished(runs["under way"])["outputs"] == {"text": "遅い遅い。"}
        first = [node for node in clients["slow"].node_executions(runs["under way"]) if node["node_id"] == "first"]
        assert [node["status"] for node in first] == ["succeeded"]
        answer = {"inputs": {"comment": "続き"}, "action": "yes", "user": "someone"}
        form = f"/v1/form/human_input/{runs['token']}"
        assert clients["asks"].request("POST", form, json=answer).status_code == 200
        assert clients["asks"].finished(runs["paused"])["outputs"] == {"said": "続き"}
        assert clients["echo"].run(q="new")["data"]["outputs"] == {"q": "new"}
    finally:
        for client in clients.values():
            client.close()
        server.close()
    assert (jikko.home / f"jikko.db.before-{NEWEST:04d}").exists()


@pytest.mark.parametrize("version", [version for version in versions() if version < NEWEST])
def test_a_server_takes_the_database_of_each_version(jikko: Command, version: int) -> None:
    jikko.home.mkdir()
    _, contents = unpack_database(version, jikko.home)

    Server(jikko.home).stop()

    with closing(sqlite3.connect(jikko.home / "jikko.db")) as database:
        assert database.execute("SELECT max(version) FROM schema_version").fetchone() == (NEWEST,)
    listed = {entry["workflow_run_id"] for entry in jikko.json("runs", "list", "--all", "--limit", "1000")}
    assert listed == {run.id for run in contents.runs.values()}


def test_a_newer_database_is_refused_and_the_way_back_is_told(jikko: Command, known: dict[str, Any]) -> None:
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
