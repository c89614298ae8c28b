"""Old runs in the archive of a real server: read by their ids as before, in no list, and nothing secret is there."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from jikko.files.bucket import BucketObjects
from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command, Outcome, Server
from tests.acceptance.workflows import app, end, fetch, start, with_environment
from tests.effort import PATIENCE
from tests.files.buckets import CREDENTIALS, Buckets
from tests.store.postgres_server import PostgresServer

pytestmark = pytest.mark.services
SECRET = "sk-geheim-0123456789"
OLD_DAYS = 30


@pytest.fixture
def settings(postgres_server: PostgresServer, buckets: Buckets) -> dict[str, str]:
    return {"JIKKO_DATABASE_URL": postgres_server.made(), "JIKKO_FILES_URL": buckets.made(), **CREDENTIALS}


def aged(run_id: str) -> str:
    """The id of a run that began long ago."""
    moment = int((time.time() - OLD_DAYS * 86_400) * 1000).to_bytes(6).hex()
    return f"{moment[:8]}-{moment[8:]}-{run_id[14:]}"


def age(server: PostgresServer, settings: dict[str, str], run_id: str) -> str:
    """Have a run be an old one. Returns its id as it is then."""
    name, old = urlsplit(settings["JIKKO_DATABASE_URL"]).path[1:], aged(run_id)
    ids = [f"'\\x{each.replace('-', '')}'" for each in (old, run_id)]
    server.execute(f"UPDATE runs SET retry_of = {ids[0]} WHERE retry_of = {ids[1]}", name)
    times = f"created_at = created_at - {OLD_DAYS * 86_400}, finished_at = finished_at - {OLD_DAYS * 86_400}"
    server.execute(f"UPDATE runs SET run_id = {ids[0]}, {times} WHERE run_id = {ids[1]}", name)
    return old


def read(client: Client, run: str) -> list[Any]:
    """What the API says of a run."""
    paths = ("", "/node-executions", "/events")
    streams = (f"{run}/events?user=x", f"{run}/events?user=x&include_state_snapshot=true")
    with client.following(run, after=2) as events:
        rest = list(events)
    return [
        *(client.get(f"/v1/workflows/run/{run}{path}") for path in paths),
        *(client.request("GET", f"/v1/workflow/{stream}").text for stream in streams),
        rest,
    ]


def stored(settings: dict[str, str]) -> list[bytes]:
    """All objects of the archive."""
    bucket = BucketObjects(settings["JIKKO_FILES_URL"], "files_url")
    return [bucket.get(path) for path in bucket.listed("archive")]


def test_an_old_run_is_read_as_before_and_lists_say_where_they_end(
    jikko: Command, tmp_path: Path, postgres_server: PostgresServer, settings: dict[str, str], echo: EchoServer
) -> None:
    def ran(*arguments: str | Path) -> Outcome:
        outcome = jikko(*arguments, **settings)
        assert outcome.code == 0, outcome
        return outcome

    asks = fetch("asks", f"{echo.url}/asked")
    asks["data"]["headers"] = "Authorization: {{#env.api_key#}}"
    nodes = [start("q"), asks, end(q="start.q", status="asks.status_code")]
    text = with_environment(app("Old", nodes, "start>asks>end"), api_key=("secret", SECRET))
    (tmp_path / "old.yml").write_text(text, encoding="utf-8")
    key = ran("apps", "import", tmp_path / "old.yml", "--json").lines[0]["api_key"]
    with closing(Server(jikko.home, settings=settings)) as server, closing(Client(server.url, key)) as client:
        started = client.run(q="請求書 🧾")["workflow_run_id"]
        late = client.run(q="new")["workflow_run_id"]
        run = age(postgres_server, settings, started)
        before, listed = read(client, run), client.get("/v1/workflows/logs")
    assert (listed["total"], "archived_until" in listed, stored(settings)) == (2, False, [])

    archiving = {**settings, "JIKKO_ARCHIVE_AFTER_DAYS": "7"}
    with closing(Server(jikko.home, settings=archiving)) as server, closing(Client(server.url, key)) as client:
        until = time.monotonic() + PATIENCE
        while (listed := client.get("/v1/workflows/logs"))["total"] == 2:
            assert time.monotonic() < until
        after = read(client, run)
        retried = client.request(
            "POST", f"/v1/workflows/run/{run}/retry", json={"user": client.user, "from_node_id": "end"}
        )
        other = Client(server.url, "app-wrong")
        refused = other.request("GET", f"/v1/workflows/run/{run}").status_code
        other.close()
        unknown = client.request("GET", f"/v1/workflows/run/{aged(late)}").status_code
        found = client.get(f"/v1/workflows/logs?keyword={run}")

    assert after == before
    assert [entry["workflow_run"]["id"] for entry in listed["data"]] == [late]
    assert listed["archived_until"] == before[0]["created_at"]
    assert (retried.status_code, refused, unknown, found["total"]) == (200, 401, 404, 0)
    assert "may be in the archive" in ran("runs", "list").err
    assert "請求書" in ran("runs", "show", run).out
    [content] = stored(settings)
    assert (SECRET.encode() in content, b"geheim" in content) == (False, False)

    # An export has it, by its id and by its age; a backup names what it has not.
    spans = (("--run", run), ("--since", "40d", "--until", "20d"), ("--since", "20d"))
    exports = [[line["owner"]["run_id"] for line in ran("runs", "export", *span).lines] for span in spans]
    assert exports == [[run], [run], [late, retried.json()["workflow_run_id"]]]
    assert jikko("runs", "export", "--run", run, "--since", "20d", **settings).code == 2
    replayed = ran("replay", "--app", "Old", "--json").lines[:-1]
    newest_first = (retried.json()["workflow_run_id"], late, run)
    assert [(each["run"], each["outcome"]) for each in replayed] == [(each, "same") for each in newest_first]
    assert ran("replay", run).out.split()[:2] == ["1", "same"]
    assert "not in it: the archive, 1 objects below s3://" in ran("backup", tmp_path / "backup").err
    assert "the archive, 1 objects" in ran("backup", tmp_path / "backup", "--json").lines[0]["archive"]
    short = jikko("runs", "show", run[:12], **settings)
    assert (short.code != 0, "archived ones, which need their full ids" in short.err) == (True, True)

    # A run that is removed is nowhere any more.
    ran("runs", "prune", "--older-than", "20d", "--yes")
    assert stored(settings) == []
    assert jikko("runs", "show", run, **settings).code != 0


def test_settings_that_cannot_be_are_refused(jikko: Command, settings: dict[str, str]) -> None:
    alone = jikko("serve", "--port", "0", JIKKO_ARCHIVE_AFTER_DAYS="30")
    too_soon = jikko("serve", "--port", "0", **settings, JIKKO_ARCHIVE_AFTER_DAYS="6.9")

    assert (alone.code, "set database_url and files_url" in alone.err) == (2, True)
    assert (too_soon.code, "7 is the minimum" in too_soon.err) == (2, True)


def test_an_object_that_is_gone_is_told_as_what_it_is(
    jikko: Command, tmp_path: Path, postgres_server: PostgresServer, settings: dict[str, str]
) -> None:
    (tmp_path / "echo.yml").write_text(app("Echo", [start("q"), end(q="start.q")], "start>end"), encoding="utf-8")
    key = jikko("apps", "import", tmp_path / "echo.yml", "--json", **settings).lines[0]["api_key"]
    archiving = {**settings, "JIKKO_ARCHIVE_AFTER_DAYS": "7"}
    with closing(Server(jikko.home, settings=settings)) as server, closing(Client(server.url, key)) as client:
        run = age(postgres_server, settings, client.run(q="hi")["workflow_run_id"])
    with closing(Server(jikko.home, settings=archiving)) as server, closing(Client(server.url, key)) as client:
        until = time.monotonic() + PATIENCE
        while client.get("/v1/workflows/logs")["total"]:
            assert time.monotonic() < until
        bucket = BucketObjects(settings["JIKKO_FILES_URL"], "files_url")
        for path in bucket.listed("archive"):
            bucket.delete(path)
        answers = [
            client.request("GET", f"/v1/workflows/run/{run}{more}") for more in ("", "/node-executions", "/events")
        ]
        other = client.run(q="still")["data"]["status"]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert all("is missing. Restore it" in answer.json()["message"] for answer in answers)
    assert other == "succeeded"
