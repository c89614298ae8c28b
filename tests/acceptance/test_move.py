"""``jikko move``: a data folder, as a killed server left it, goes on with its record in PostgreSQL."""

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.old_folder import unpack
from tests.acceptance.processes import Command, Server
from tests.store.postgres_server import PostgresServer

pytestmark = pytest.mark.services


def test_a_moved_folder_is_served_with_all_that_it_had(jikko: Command, postgres_server: PostgresServer) -> None:
    jikko.home.mkdir()
    known = unpack(jikko.home)
    url = postgres_server.made()

    outcome = jikko("move", "--from", jikko.home, "--to", url, "--json")

    assert outcome.code == 0, outcome
    [report] = outcome.lines
    assert (report["rows"]["apps"], report["rows"]["runs"], report["rows"]["open_runs"]) == (3, 1, 2)
    assert (jikko.home / "jikko.db.moved").exists()
    assert not (jikko.home / "jikko.db").exists()
    runs = known["runs"]
    with ExitStack() as stack:
        server = stack.enter_context(closing(Server(jikko.home, settings={"JIKKO_DATABASE_URL": url})))
        clients = {name: stack.enter_context(closing(Client(server.url, key))) for name, key in known["keys"].items()}
        assert clients["echo"].detail(runs["ended"])["outputs"] == {"q": "終わり"}
        assert clients["slow"].finished(runs["under way"])["outputs"] == {"text": "遅い遅い。"}
        answer = {"inputs": {"comment": "続き"}, "action": "yes", "user": "someone"}
        form = f"/v1/form/human_input/{runs['token']}"
        assert clients["asks"].request("POST", form, json=answer).status_code == 200
        assert clients["asks"].finished(runs["paused"])["outputs"] == {"said": "続き"}
        assert clients["echo"].run(q="new")["data"]["outputs"] == {"q": "new"}


def test_a_database_of_several_servers_is_refused_and_left_alone(
    jikko: Command, tmp_path: Path, several_settings: dict[str, str]
) -> None:
    url = several_settings["JIKKO_DATABASE_URL"]
    with closing(Server(tmp_path / "other", settings=several_settings)):
        pass
    assert jikko("apps", "list").code == 0

    refused = jikko("move", "--from", jikko.home, "--to", url, "--files-to", several_settings["JIKKO_FILES_URL"])

    assert (refused.code, refused.has_traceback) == (2, False), refused
    assert "belongs to other servers: what is moved needs an empty one of its own" in refused.err
    assert jikko("apps", "list").code == 0, "the folder is served as before"


def test_a_folder_that_is_served_and_one_without_a_record_are_refused(
    jikko: Command, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    url = postgres_server.made()
    nothing = jikko("move", "--from", tmp_path / "empty", "--to", url)
    assert (nothing.code, nothing.has_traceback) == (2, False), nothing
    assert "There is nothing to move" in nothing.err

    nowhere = jikko("move", "--from", jikko.home)
    assert (nowhere.code, "JIKKO_DATABASE_URL" in nowhere.err) == (2, True), nowhere

    with closing(Server(jikko.home)):
        served = jikko("move", "--from", jikko.home, "--to", url)
    assert (served.code != 0, served.has_traceback) == (True, False), served
    assert "jikko serve" in served.err

    unreachable = jikko("move", "--from", jikko.home, "--to", "postgresql://u:ひみつ@127.0.0.1:1/x")
    assert (unreachable.code != 0, unreachable.has_traceback) == (True, False), unreachable
    assert "ひみつ" not in unreachable.out + unreachable.err
    assert (jikko.home / "jikko.db").exists()
