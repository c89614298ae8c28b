"""``jikko move``: the data folder of a killed server continues with its record in PostgreSQL."""

import asyncio
import subprocess
from contextlib import ExitStack, closing
from pathlib import Path
from shutil import rmtree
from urllib.parse import urlsplit

import pytest

from jikko.maintenance.callbacks import signature
from tests.acceptance.client import Client
from tests.acceptance.everything import HARD, Everything, require_same, until
from tests.acceptance.old_folder import unpack
from tests.acceptance.processes import JIKKO, Command, Server, environment
from tests.acceptance.several_servers import NOBODY_GOES
from tests.acceptance.test_operations import Receiver
from tests.acceptance.test_plugins_and_workers import calling, package, ran
from tests.acceptance.workflows import ECHO
from tests.effort import PATIENCE
from tests.plugins.world import installed
from tests.store.postgres_server import PostgresServer

pytestmark = pytest.mark.services


def test_a_moved_folder_is_served_with_all_that_it_had(jikko: Command, postgres_server: PostgresServer) -> None:
    jikko.home.mkdir()
    known = unpack("e75ef27", jikko.home)
    url = postgres_server.made()

    outcome = jikko("move", "--from", jikko.home, "--to", url, "--json")

    assert outcome.code == 0, outcome
    [report] = outcome.lines
    assert (report["rows"]["apps"], report["rows"]["runs"], report["rows"]["open_runs"]) == (3, 1, 3)
    assert (jikko.home / "jikko.db.moved").exists()
    assert not (jikko.home / "jikko.db").exists()
    runs = known["runs"]
    with ExitStack() as stack:
        server = stack.enter_context(closing(Server(jikko.home, settings={"JIKKO_DATABASE_URL": url})))
        clients = {name: stack.enter_context(closing(Client(server.url, key))) for name, key in known["keys"].items()}
        assert clients["echo"].detail(runs["ended"])["outputs"] == {"q": "終わり"}
        assert clients["slow"].finished(runs["under way"])["outputs"] == {"text": "遅い遅い。"}
        assert clients["slow"].finished(runs["queued"])["outputs"] == {"text": "待つ待つ。"}
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
    assert jikko("migrate").code == 0

    refused = jikko("move", "--from", jikko.home, "--to", url, "--files-to", several_settings["JIKKO_FILES_URL"])

    assert (refused.code, refused.has_traceback) == (2, False), refused
    assert "belongs to other servers: a move needs an empty one of its own" in refused.err
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


def test_all_of_a_folder_is_said_as_before_and_goes_on(
    jikko: Command, tmp_path: Path, several_settings: dict[str, str]
) -> None:
    made = Everything(jikko, tmp_path, {})
    made.imported("storage", calling("Storage", "ask", type="storage", request=None))
    asyncio.run(installed(jikko.home, package()))
    (jikko.home / "jikko.toml").write_text("retention_days = 400\n")
    receiver = Receiver()
    receiver.status = 500
    with closing(Server(jikko.home, settings=made.settings)) as server:
        made.fill(server)
        with made.client(server, "echo") as client:
            body = {**client.body("async", {"q": HARD}), "callback_url": receiver.url}
            reported = client.request("POST", "/v1/workflows/run", json=body).json()["workflow_run_id"]
            key = made.idempotent(client)
        with made.client(server, "storage") as client:
            ran(client, '{"opt": "set", "key": "k", "value": "e382ad"}')
        until(lambda: bool(receiver.requests))
        with made.client(server, "asks") as client:
            [form] = [event["form"] for event in client.log(made.paused) if event["event"] == "form_requested"]
            path = f"/v1/form/human_input/{form['form_token']}"
            form_before = client.get(path)
        before = made.seen(server)
        server.kill()
    secret = jikko("apps", "webhook-secret", "Echo").out

    shared = {name: value for name, value in several_settings.items() if name != "JIKKO_NATS_URL"}
    moved = jikko("move", "--to", shared["JIKKO_DATABASE_URL"], "--json", **shared)
    assert moved.code == 0, moved
    assert moved.lines[0]["rows"]["file_contents"] >= 1
    rmtree(jikko.home / "files")
    made.settings |= shared
    receiver.status, tried = 200, len(receiver.requests)
    with closing(Server(jikko.home, settings=made.settings)) as server:
        require_same(before, made.seen(server))
        assert made.ran("callbacks", "resend", reported)["workflow_run_id"] == reported
        with made.client(server, "echo") as client:
            assert made.idempotent(client) == key
        with made.client(server, "asks") as client:
            assert client.get(path) == form_before
            answer = {"inputs": {"comment": HARD}, "action": "yes", "user": client.user}
            assert client.request("POST", path, json=answer).status_code == 200
            assert client.finished(made.paused)["outputs"] == {"said": HARD}
        with made.client(server, "chat") as client:
            assert made.ask(client, "third 🥉", conversation_id=made.conversation)["answer"] == "third 🥉|3"
        with made.client(server, "word") as client:
            assert client.run(q="?")["data"]["outputs"] == {"newer": HARD, "q": "?"}
        with made.client(server, "storage") as client:
            assert "e382ad" in ran(client, '{"opt": "get", "key": "k"}')["text"]
        until(lambda: len(receiver.requests) > tried)
        assert jikko("apps", "webhook-secret", "Echo", **shared).out == secret
        headers, content = receiver.requests[-1]
        assert headers["webhook-signature"] == signature(
            secret.strip(), headers["webhook-id"], int(headers["webhook-timestamp"]), content
        )
        after = made.seen(server)
        assert server.stop() == 0

    # Any number of servers, then: another says what the first did.
    made.settings |= several_settings | NOBODY_GOES
    asyncio.run(installed(tmp_path / "second", package()))
    with ExitStack() as stack:
        homes = (jikko.home, tmp_path / "second")
        _, second = (stack.enter_context(closing(Server(home, settings=made.settings))) for home in homes)
        require_same(after, made.seen(second))


def test_a_command_that_was_killed_while_it_copied_is_called_again(
    jikko: Command, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    [imported] = jikko.json("apps", "import", tmp_path / "echo.yml")
    url = postgres_server.made()
    name = urlsplit(url).path[1:]
    assert Command(tmp_path / "other")("migrate", JIKKO_DATABASE_URL=url).code == 0
    postgres_server.execute("DELETE FROM installation WHERE name = 'data_folder'", name)
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'runs'::regclass AND NOT granted"
    with postgres_server.holding("LOCK TABLE runs", name):
        moving = subprocess.Popen(
            [JIKKO, "move", "--to", url], env=environment(jikko.home), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        until(lambda: postgres_server.execute(waiting, name).strip() != "0")
        moving.kill()
        assert moving.communicate(timeout=PATIENCE)[1] == b""
        for settings in ({}, {"JIKKO_DATABASE_URL": url}):
            refused = jikko("serve", "--port", "0", **settings)
            assert (refused.code, "was interrupted. Run it again" in refused.err) == (2, True), refused

    moved = jikko("move", "--to", url)
    assert moved.code == 0
    assert f"Serve {jikko.home} with JIKKO_DATABASE_URL set; what it had is kept as " in moved.out
    with closing(Server(jikko.home, settings={"JIKKO_DATABASE_URL": url})) as server:
        client = Client(server.url, imported["api_key"])
        assert client.run(q=HARD)["data"]["outputs"] == {"q": HARD}
        client.close()
