"""Obstacles to the start of one of several servers, and the report of `jikko doctor --cluster`."""

import asyncio
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from jikko.assemble import assemble
from jikko.assemble.health.server_checks import check_servers
from jikko.errors import InvalidSettings
from jikko.setting_sources import read_settings
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO
from tests.cluster.nats_server import nats_running
from tests.faults.queue import name_of
from tests.faults.test_bucket import refusing
from tests.faults.test_database import pair
from tests.store.pooler import pooler
from tests.store.postgres_server import PostgresServer

pytestmark = pytest.mark.services
SERVE = ("serve", "--port", "0")


@pytest.mark.parametrize("missing", ["JIKKO_DATABASE_URL", "JIKKO_FILES_URL"])
def test_nats_alone_is_refused_with_what_it_needs(
    jikko: Command, several_settings: dict[str, str], missing: str
) -> None:
    refused = jikko(*SERVE, **{name: value for name, value in several_settings.items() if name != missing})

    assert (refused.code, "set database_url and files_url" in refused.err, refused.has_traceback) == (2, True, False)


def test_what_is_wrong_with_nats_is_said_at_the_start_and_by_the_doctor(
    jikko: Command, several_settings: dict[str, str]
) -> None:
    away = several_settings | {"JIKKO_NATS_URL": "nats://jikko:geheim@127.0.0.1:1"}
    with nats_running(jetstream=False) as server:
        plain = several_settings | {"JIKKO_NATS_URL": server.url}
        outcomes = [
            jikko(*command, **chosen) for chosen in (away, plain) for command in (SERVE, ("doctor", "--cluster"))
        ]

    for outcome in outcomes:
        assert (outcome.code != 0, outcome.has_traceback, "geheim" in outcome.out + outcome.err) == (True, False, False)
    assert "127.0.0.1:1 cannot be reached" in outcomes[0].err
    assert "127.0.0.1:1 cannot be reached" in outcomes[1].out
    assert "no JetStream" in outcomes[2].err
    assert "no JetStream" in outcomes[3].out


def test_the_doctor_looks_at_all_that_several_servers_need(jikko: Command, several_settings: dict[str, str]) -> None:
    found = {line["name"]: line for line in jikko("doctor", "--cluster", "--json", **several_settings).lines}

    assert {name for name in found if name != "settings"} == {
        "database",
        "connections",
        "room",
        "rights",
        "schema",
        "clock",
        "standby",
        "datasets",
        "nats",
        "servers",
        "bucket",
    }
    assert [name for name, line in found.items() if not line["ok"]] == []
    assert found["standby"]["warning"] is True
    assert "JetStream" in found["nats"]["detail"]
    assert jikko("doctor", "--cluster").code == 1, "nothing is set"


def made_as(server: PostgresServer, name: str, sql: str) -> str:
    """The url of a database for another user, behind some statements of its owner.

    Args:
        name: Of the user, which is made.
    """
    database = name_of(server.made())
    server.execute(f"CREATE USER {name}")
    for statement in sql.split(";"):
        server.execute(statement, database)
    return server.url(database).replace("//jikko@", f"//{name}@")


def both(jikko: Command, settings: dict[str, str], code: int = 2) -> tuple[str, str]:
    """What is said at the start and by the doctor, both of which must fail, without a traceback."""
    start, doctor = jikko(*SERVE, **settings), jikko("doctor", "--cluster", **settings)
    assert (start.code, doctor.code) == (code, 1), (start, doctor)
    assert (start.has_traceback, doctor.has_traceback) == (False, False)
    failed = [line for line in doctor.out.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1, doctor
    return start.err, failed[0]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        pytest.param("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "may not make tables", id="none in the schema"),
        pytest.param(
            "ALTER DATABASE {database} SET default_transaction_read_only = on", "takes no writes", id="only to read"
        ),
    ],
)
def test_a_database_without_rights_is_said(
    jikko: Command, several_settings: dict[str, str], postgres_server: PostgresServer, made: str, message: str
) -> None:
    user = f"user_{secrets.token_hex(4)}"
    url = made_as(postgres_server, user, "SELECT 1")
    postgres_server.execute(made.format(database=name_of(url)), name_of(url))

    for text in both(jikko, several_settings | {"JIKKO_DATABASE_URL": url}):
        assert message in text


def test_tables_without_rights_are_named(
    jikko: Command, several_settings: dict[str, str], postgres_server: PostgresServer
) -> None:
    assert jikko("apps", "list", **several_settings).code == 0
    database, user = name_of(several_settings["JIKKO_DATABASE_URL"]), f"user_{secrets.token_hex(4)}"
    postgres_server.execute(f"CREATE USER {user}")
    postgres_server.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}", database)
    postgres_server.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {user}", database)
    postgres_server.execute(f"REVOKE INSERT ON open_runs FROM {user}", database)
    other = {"JIKKO_DATABASE_URL": postgres_server.url(database).replace("//jikko@", f"//{user}@")}

    for text in both(jikko, several_settings | other):
        assert "may not read and write all tables" in text
        assert "(open_runs)" in text
    postgres_server.execute(f"GRANT INSERT ON open_runs TO {user}", database)
    assert jikko("doctor", "--cluster", **several_settings | other).code == 0


def test_a_database_of_a_newer_version_is_said(
    jikko: Command, several_settings: dict[str, str], postgres_server: PostgresServer
) -> None:
    assert jikko("apps", "list", **several_settings).code == 0
    database = name_of(several_settings["JIKKO_DATABASE_URL"])
    postgres_server.execute("UPDATE installation SET value = '9999' WHERE name LIKE 'schema%'", database)

    for text in both(jikko, several_settings):
        assert "has schema 9999, of a newer version of Jikko" in text


def test_a_standby_is_said(jikko: Command, several_settings: dict[str, str], tmp_path: Path) -> None:
    with pair() as (_, standby, url, _):
        alone = {"JIKKO_DATABASE_URL": standby.url(name_of(url))}
        for text in both(jikko, several_settings | alone):
            assert "is a standby, which cannot be written to" in text


@pytest.mark.anyio
async def test_a_database_without_room_is_warned_of(
    several_settings: dict[str, str], postgres_server: PostgresServer, tmp_path: Path
) -> None:
    name = name_of(several_settings["JIKKO_DATABASE_URL"])
    user = f"user_{secrets.token_hex(4)}"
    postgres_server.execute(f"CREATE USER {user} CONNECTION LIMIT 40; GRANT CREATE ON SCHEMA public TO {user}", name)
    url = postgres_server.url(name).replace("//jikko@", f"//{user}@")

    async def said(**more: str) -> tuple[bool, str]:
        settings = read_settings({**several_settings, "JIKKO_HOME": str(tmp_path), **more})
        found = {found.where: found async for found in check_servers(settings)}
        assert [each.where for each in found.values() if not each.ok] == []
        return found["room"].severity == "warning", found["room"].sentence()

    assert (await said())[0] is False
    of_user = {"JIKKO_DATABASE_URL": url}
    is_little, detail = await said(**of_user, JIKKO_WORKERS="2")
    assert is_little
    assert re.match(
        r"\d\d more may be opened, and a server like this one opens up to 64; raise max_connections", detail
    )
    assert (await said(**of_user))[0] is False
    postgres_server.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 20")
    assert (await said(**of_user))[0] is True


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_shares_connections_is_said(
    jikko: Command, several_settings: dict[str, str], postgres_server: PostgresServer, mode: str
) -> None:
    with pooler(postgres_server, mode) as url:
        for text in both(jikko, several_settings | {"JIKKO_DATABASE_URL": url}):
            assert "is behind a pooler that shares connections" in text


def test_a_pooler_that_gives_each_its_own_will_do(
    jikko: Command, several_settings: dict[str, str], postgres_server: PostgresServer
) -> None:
    with pooler(postgres_server, "session") as url:
        assert jikko("doctor", "--cluster", **several_settings | {"JIKKO_DATABASE_URL": url}).code == 0


def test_a_bucket_that_refuses_is_said(jikko: Command, several_settings: dict[str, str]) -> None:
    with refusing() as port:
        url = f"s3://bucket/folder?endpoint=http://127.0.0.1:{port}&region=eu-central-1"
        # As a bucket that is away: it may come back.
        texts = both(jikko, several_settings | {"JIKKO_FILES_URL": url}, 10)

    for text in texts:
        assert "bucket" in text


@pytest.mark.anyio
async def test_a_clock_that_differs_is_said(several_settings: dict[str, str], tmp_path: Path) -> None:
    settings = read_settings({**several_settings, "JIKKO_HOME": str(tmp_path)})

    def ahead() -> float:
        return time.time() + 60

    # The time that the question takes does not count.
    with pytest.raises(InvalidSettings, match=r"(5\d|60) seconds ahead of that of the database"):
        async with assemble(settings, owned=True, clock=ahead):
            pass
    found = {found.where: found async for found in check_servers(settings, ahead)}

    assert re.search(r"(5\d|60) seconds ahead of that of the database", found["clock"].sentence())
    assert [name for name, finding in found.items() if not finding.ok] == ["clock"]


def test_a_database_that_is_away_is_named_with_why(jikko: Command, several_settings: dict[str, str]) -> None:
    away = several_settings | {"JIKKO_DATABASE_URL": "postgresql://jikko:geheim@127.0.0.1:1/記録"}

    for text in both(jikko, away, 10):
        assert "The database postgresql://127.0.0.1:1/記録 cannot be opened: " in text
        assert "geheim" not in text


def test_a_password_that_postgresql_refuses_is_told_with_what_to_check_and_not_shown(
    jikko: Command, several_settings: dict[str, str], postgres_server: PostgresServer
) -> None:
    database = name_of(several_settings["JIKKO_DATABASE_URL"])
    url = several_settings["JIKKO_DATABASE_URL"].replace(f"/{database}", "/no_such_database")

    for text in both(jikko, several_settings | {"JIKKO_DATABASE_URL": url}, 10):
        assert 'database "no_such_database" does not exist; make it, or correct database_url.' in text
    url = several_settings["JIKKO_DATABASE_URL"].replace("jikko@", "nobody_known:geheim@")
    for text in both(jikko, several_settings | {"JIKKO_DATABASE_URL": url}, 10):
        assert 'role "nobody_known" does not exist; check user and password' in text
        assert "geheim" not in text


@contextmanager
def breaking_off() -> Iterator[int]:
    """The port of a server that hangs up on whoever connects, as a balancer without anything behind it does."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(hang_up, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_what_hangs_up_is_told_in_our_words(jikko: Command, several_settings: dict[str, str]) -> None:
    with breaking_off() as port:
        other = {
            "JIKKO_DATABASE_URL": f"postgresql://jikko:geheim@127.0.0.1:{port}/db",
            "JIKKO_NATS_URL": f"nats://jikko:geheim@127.0.0.1:{port}",
            "JIKKO_FILES_URL": f"s3://bucket?endpoint=http://127.0.0.1:{port}&region=eu",
        }
        looked = jikko("doctor", "--cluster", **several_settings | other)
        started = jikko(*SERVE, **several_settings | other)

    assert (looked.code, started.code) == (1, 10)
    database, nats, bucket = [line for line in looked.out.splitlines() if line.startswith("FAILED")]
    assert f"127.0.0.1:{port}/db cannot be opened: " in database
    assert database.endswith("check host and port in database_url, and that PostgreSQL listens there.")
    assert nats.endswith("nothing there answers as NATS does; check host and port in nats_url.")
    # By the moment at which it hangs up.
    assert "the endpoint cannot be reached; correct endpoint=" in bucket or "the endpoint disconnects" in bucket
    for outcome in (looked, started):
        assert (outcome.has_traceback, "geheim" in outcome.out + outcome.err) == (False, False)
        assert "connection_lost" not in outcome.out + outcome.err


def test_everything_that_is_wrong_is_told_in_one_go(jikko: Command, several_settings: dict[str, str]) -> None:
    wrong = {
        "JIKKO_DATABASE_URL": "mysql://jikko:geheim@host/db",
        "JIKKO_NATS_URL": "nats://jikko:ge/heim@host",
        "JIKKO_FILES_URL": "s3://KEY:geheim@bucket",
    }
    start, doctor = jikko(*SERVE, **wrong), jikko("doctor", "--cluster", **wrong)
    away = {
        "JIKKO_DATABASE_URL": "postgresql://jikko:geheim@127.0.0.1:1/db",
        "JIKKO_NATS_URL": "nats://jikko:geheim@127.0.0.1:1",
        "JIKKO_FILES_URL": "s3://bucket?endpoint=http://127.0.0.1:1&region=eu",
    }
    looked = jikko("doctor", "--cluster", **several_settings | away)

    assert (start.code, doctor.code, looked.code) == (2, 1, 1)
    for name in wrong:
        assert name.removeprefix("JIKKO_").lower() + " " in start.err
        assert name.removeprefix("JIKKO_").lower() + " " in doctor.out
    assert [line.split()[1] for line in looked.out.splitlines() if line.startswith("FAILED")] == [
        "database:",
        "nats:",
        "bucket:",
    ]
    assert "heim" not in "".join(outcome.out + outcome.err for outcome in (start, doctor, looked))


def test_a_data_folder_with_a_record_of_its_own_is_no_folder_of_a_server_of_another(
    jikko: Command, tmp_path: Path, several_settings: dict[str, str]
) -> None:
    assert jikko("migrate").code == 0, "makes an empty database"
    assert jikko("apps", "import", written(tmp_path), **several_settings).code == 0, "a command of an operator"
    with closing(Server(jikko.home, settings=several_settings)):
        pass
    assert jikko("apps", "import", written(tmp_path)).code == 0

    refused = jikko(*SERVE, **several_settings)

    assert (refused.code, refused.has_traceback) == (2, False)
    assert "has a record of its own, and database_url names another one" in refused.err
    assert "`jikko move`" in refused.err


def written(folder: Path) -> Path:
    file = folder / "echo.yml"
    file.write_text(ECHO, encoding="utf-8")
    return file


def test_settings_that_cannot_be_used_are_all_that_the_doctor_tells(
    jikko: Command, several_settings: dict[str, str]
) -> None:
    outcome = jikko("doctor", "--cluster", **several_settings | {"JIKKO_MEMBER_SECONDS": "0.1"})

    assert outcome.code == 1
    *lines, last = outcome.out.splitlines()
    assert [line for line in lines if not line.startswith("FAILED  settings: member_seconds")] == []
    assert last == "failed: 1, warnings: 0"


def test_a_database_of_one_machine_is_shared_once_its_server_wants_it(
    jikko: Command, tmp_path: Path, several_settings: dict[str, str]
) -> None:
    alone = {name: value for name, value in several_settings.items() if name != "JIKKO_NATS_URL"}
    other = Command(tmp_path / "other")
    assert jikko("apps", "list", **alone).code == 0

    early = other(*SERVE, **several_settings)
    with closing(Server(jikko.home, settings=several_settings)), closing(Server(other.home, settings=several_settings)):
        pass
    late = jikko("apps", "list", **alone)

    assert (early.code, "belongs to the server of another data folder" in early.err) == (2, True)
    assert (late.code, "set nats_url" in late.err) == (2, True)


def test_a_dataset_of_one_machine_is_one_of_all(
    jikko: Command, tmp_path: Path, several_settings: dict[str, str]
) -> None:
    other = Command(tmp_path / "other")
    (tmp_path / "梟.txt").write_text("梟は夜に鳴く。\n\nOwls hunt at night.", encoding="utf-8")

    added = jikko("knowledge", "add", "動物", tmp_path / "梟.txt", "--technique", "economy", **several_settings)
    listed = other("knowledge", "list", "--json", **several_settings)
    found = other("knowledge", "search", "動物", "Owls", **several_settings)

    assert added.code == 0, added
    assert [line["name"] for line in listed.lines] == ["動物"]
    assert "Owls hunt at night." in found.out
