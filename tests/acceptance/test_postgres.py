"""The installed command with its record in PostgreSQL."""

import json
import re
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO, app, end, fetch, start
from tests.effort import PATIENCE, trusted
from tests.store.postgres_server import PostgresServer

pytestmark = pytest.mark.services


@pytest.fixture
def settings(postgres_server: PostgresServer) -> dict[str, str]:
    return {"JIKKO_DATABASE_URL": postgres_server.made()}


def imported(jikko: Command, file: Path, settings: dict[str, str]) -> str:
    outcome = jikko("apps", "import", file, "--json", **settings)
    assert outcome.code == 0, outcome
    return str(outcome.lines[0]["api_key"])


def test_runs_are_kept_in_the_database_and_no_file_has_them(
    jikko: Command, tmp_path: Path, settings: dict[str, str]
) -> None:
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    key = imported(jikko, tmp_path / "echo.yml", settings)

    with closing(Server(jikko.home, settings=settings)) as server:
        client = Client(server.url, key)
        run = client.run(q="こんにちは 🙂")["workflow_run_id"]
        client.close()
    # Another server, the same database.
    with closing(Server(jikko.home, settings=settings, options=["--workers", "2"])) as server:
        client = Client(server.url, key)
        detail = client.detail(run)
        listed = client.get("/v1/workflows/logs?keyword=にちは")
        events = [event["event"] for event in client.log(run)]
        client.close()

    assert (detail["status"], detail["outputs"]) == ("succeeded", {"q": "こんにちは 🙂"})
    assert [entry["workflow_run"]["id"] for entry in listed["data"]] == [run]
    assert (events[0], events[-1]) == ("run_started", "run_finished")
    assert not (jikko.home / "jikko.db").exists()


def test_a_run_of_a_killed_server_goes_on(
    jikko: Command, tmp_path: Path, echo: EchoServer, settings: dict[str, str]
) -> None:
    held = app(
        "Held", [start("name"), fetch("wait", f"{echo.url}/hold/{{{{#start.name#}}}}"), end()], "start>wait wait>end"
    )
    (tmp_path / "held.yml").write_text(held, encoding="utf-8")
    key = imported(jikko, tmp_path / "held.yml", settings)
    with closing(Server(jikko.home, settings=settings)) as server:
        client = Client(server.url, key)
        run = client.run("async", name="dies")["workflow_run_id"]
        echo.wait_for_calls("/hold/dies")
        client.close()
        server.kill()
    echo.release("/hold/dies")

    with closing(Server(jikko.home, settings=settings)) as server:
        client = Client(server.url, key)
        with client.following(run) as events:
            seen = [event["event"] for _, event in events]
        client.close()

    assert "run_recovered" in seen
    assert seen[-1] == "run_finished"


def test_a_database_belongs_to_one_data_folder(jikko: Command, tmp_path: Path, settings: dict[str, str]) -> None:
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    imported(jikko, tmp_path / "echo.yml", settings)

    refused = Command(tmp_path / "other")("apps", "list", **settings)

    assert (refused.code, "belongs to another data folder" in refused.err) == (2, True)


def test_what_is_wrong_with_a_database_is_said_at_the_start(jikko: Command, postgres_server: PostgresServer) -> None:
    nowhere = jikko("serve", "--port", "0", JIKKO_DATABASE_URL="postgresql://jikko:geheim@127.0.0.1:1/jikko")
    missing = jikko("serve", "--port", "0", JIKKO_DATABASE_URL=postgres_server.url("missing"))
    another = jikko("serve", "--port", "0", JIKKO_DATABASE_URL="mysql://host/database")

    assert (nowhere.code != 0, "postgresql://127.0.0.1:1/jikko" in nowhere.err) == (True, True)
    assert "geheim" not in nowhere.err
    assert 'database "missing" does not exist' in missing.err
    assert (another.code, "expected postgresql://" in another.err) == (2, True)
    for outcome in (nowhere, missing, another):
        assert not outcome.has_traceback


def test_a_database_of_a_newer_version_is_left_alone(
    jikko: Command, postgres_server: PostgresServer, settings: dict[str, str]
) -> None:
    assert jikko("migrate", **settings).code == 0
    name = urlsplit(settings["JIKKO_DATABASE_URL"]).path.strip("/")
    postgres_server.execute("UPDATE installation SET value = '9999' WHERE name LIKE 'schema%'", name)

    refused = jikko("serve", "--port", "0", **settings)

    assert (refused.code, "of a newer version of Jikko" in refused.err) == (2, True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_console_shows_what_is_in_the_database(
    jikko: Command, tmp_path: Path, settings: dict[str, str], workers: str
) -> None:
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    key = imported(jikko, tmp_path / "echo.yml", settings)
    made = jikko("console", "tokens", "new", "CI", "--json", **settings)
    assert made.code == 0, made
    api = {"Authorization": f"Bearer {made.lines[0]['token']}"}

    with closing(Server(jikko.home, settings=settings, options=["--workers", workers])) as server:
        client = Client(server.url, key)
        run = client.run(q="こんにちは 🙂")["workflow_run_id"]
        client.close()
        with httpx.Client(
            base_url=f"{server.url}/console/api", headers=api, verify=trusted(), timeout=PATIENCE
        ) as console:
            [app_] = console.get("/apps").json()["data"]
            assert console.get("/system").json()["store"]["path"].startswith("postgresql://")
            assert [entry["id"] for entry in console.get("/runs?status=succeeded").json()["data"]] == [run]
            assert [entry["id"] for entry in console.get("/runs?keyword=にちは").json()["data"]] == [run]
            assert console.get("/runs?status=failed").json()["data"] == []
            assert console.get(f"/runs/{run}").json()["status"] == "succeeded"
            began = {"inputs": {"q": "by hand"}}
            started = console.post(f"/apps/{app_['id']}/runs", json=began, headers={"X-Jikko-Console": "1"}).json()
            with console.stream("GET", "/runs/stream") as ticks:
                lines = (line for line in ticks.iter_lines() if line.startswith("data: "))
                assert any(_has_ended(console, started) for _ in lines)
            paths = httpx.get(
                f"{server.url}/console/openapi.json", headers=api, verify=trusted(), timeout=PATIENCE
            ).json()["paths"]
            for path, operations in paths.items():
                if "get" in operations and not path.endswith("/stream"):
                    filled = re.sub(r"\{\w+\}", lambda part: app_["id"] if part[0] == "{app_id}" else run, path)
                    assert console.get(f"{server.url}{filled}").status_code < 500, path


def _has_ended(console: httpx.Client, started: dict[str, str]) -> bool:
    return bool(console.get(f"/runs/{started['run_id']}").json()["status"] == "succeeded")


def test_datasets_are_in_the_database(jikko: Command, tmp_path: Path, settings: dict[str, str]) -> None:
    (tmp_path / "animals").mkdir()
    (tmp_path / "animals" / "梟.txt").write_text("梟は夜に鳴く。\n\nOwls hunt at night.", encoding="utf-8")
    added = jikko("knowledge", "add", "動物", tmp_path / "animals", "--technique", "economy", "--json", **settings)
    assert added.code == 0, added

    [found] = jikko("knowledge", "search", "動物", "Owls", "--json", **settings).lines[:1]
    assert "Owls hunt at night." in json.dumps(found, ensure_ascii=False)
    assert [line["name"] for line in jikko("knowledge", "list", "--json", **settings).lines] == ["動物"]
    assert not (jikko.home / "knowledge.db").exists()
