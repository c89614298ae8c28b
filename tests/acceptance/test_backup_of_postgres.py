"""``jikko backup`` and ``jikko restore`` where the record is in PostgreSQL, and files are in a folder or a bucket."""

import hashlib
import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Outcome, Server
from tests.acceptance.workflows import ECHO
from tests.files.buckets import CREDENTIALS, Buckets
from tests.store.postgres_server import PostgresServer

pytestmark = pytest.mark.services
CONTENTS = [b"", "請求書 🧾".encode(), bytes(range(256)) * 20_000]


class Place:
    """A data folder whose record is in PostgreSQL, with an app and uploaded files."""

    def __init__(self, jikko: Command, folder: Path, settings: dict[str, str]) -> None:
        self.jikko, self.settings = jikko, settings
        (folder / "echo.yml").write_text(ECHO, encoding="utf-8")
        self.key = self.ran("apps", "import", folder / "echo.yml", "--json").lines[0]["api_key"]
        with closing(Server(jikko.home, settings=settings)) as server, closing(Client(server.url, self.key)) as client:
            self.run = client.run(q="こんにちは")["workflow_run_id"]
            self.links = [self._uploaded(client, content) for content in CONTENTS]

    def _uploaded(self, client: Client, content: bytes) -> str:
        file, form = ("a.txt", content, "text/plain"), {"user": client.user}
        answer = client.request("POST", "/v1/files/upload", files={"file": file}, data=form).json()
        return "/files/" + str(answer["source_url"]).partition("/files/")[2]

    def ran(self, *arguments: str | Path, **settings: str) -> Outcome:
        outcome = self.jikko(*arguments, **self.settings | settings)
        assert outcome.code == 0, outcome
        return outcome

    def seen(self, home: Path, settings: dict[str, str]) -> tuple[object, list[bytes]]:
        """What a server shows: the outputs of the run, and the files behind the links of before."""
        with closing(Server(home, settings=settings)) as server, closing(Client(server.url, self.key)) as client:
            files = [client.request("GET", link).content for link in self.links]
            return client.detail(self.run)["outputs"], files


def shell(line: str, folder: Path) -> None:
    """What an operator does with a line that was told."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest) -> dict[str, str]:
    """Where contents of files are."""
    if request.param == "folder":
        return {}
    buckets: Buckets = request.getfixturevalue("buckets")
    return {"JIKKO_FILES_URL": buckets.made(), **CREDENTIALS}


@pytest.fixture
def place(jikko: Command, tmp_path: Path, postgres_server: PostgresServer, files: dict[str, str]) -> Place:
    return Place(jikko, tmp_path, {"JIKKO_DATABASE_URL": postgres_server.made(), **files})


def test_what_was_told_and_copied_brings_all_of_it_back(
    place: Place, tmp_path: Path, postgres_server: PostgresServer, buckets: Buckets
) -> None:
    [report] = place.ran("backup", tmp_path / "copy", "--json").lines
    shell(report["record"]["command"], tmp_path)
    again = place.ran("backup", tmp_path / "copy")
    looked = place.ran("restore", "--check", tmp_path / "copy")
    settings = place.settings | {"JIKKO_DATABASE_URL": postgres_server.made()}
    if "JIKKO_FILES_URL" in settings:
        settings["JIKKO_FILES_URL"] = buckets.made()
    restored = Command(tmp_path / "elsewhere")("restore", tmp_path / "copy", "--json", **settings)
    shell(restored.lines[0]["record"]["command"], tmp_path)

    assert (report["new_files"], "keys and files, 0 new files" in again.out) == (len(CONTENTS), True)
    assert ("pg_dump" in again.err, "pg_restore" in looked.err, "complete" in looked.out) == (True, True, True)
    assert restored.lines[0]["contents"] == len(CONTENTS)
    assert place.seen(tmp_path / "elsewhere", settings) == ({"q": "こんにちは"}, CONTENTS)
    kept = [path for path in (tmp_path / "elsewhere" / "files").rglob("*") if path.is_file()]
    assert len(kept) == (0 if "JIKKO_FILES_URL" in settings else len(CONTENTS))


@pytest.mark.parametrize("files", ["bucket"], indirect=True)
def test_files_of_a_bucket_go_to_a_bucket_of_backups_once_and_a_damaged_one_is_told(
    place: Place, tmp_path: Path, buckets: Buckets
) -> None:
    target = buckets.made()
    [first] = place.ran("backup", target, "--json").lines
    [second] = place.ran("backup", target, "--json").lines
    here = place.ran("restore", target, "--home", tmp_path / "here", JIKKO_FILES_URL="")
    content = tmp_path / "here" / "files" / _path_of(CONTENTS[1])

    assert (first["new_files"], second["new_files"]) == (len(CONTENTS), 0)
    assert (content.read_bytes(), "restore with JIKKO_FILES_URL set" in here.err) == (CONTENTS[1], True)
    place.ran("backup", tmp_path / "copy")
    (tmp_path / "copy" / "files" / _path_of(CONTENTS[1])).write_bytes(b"other")
    refused = Command(tmp_path / "there")("restore", tmp_path / "copy", **place.settings)
    assert (refused.code, "is damaged" in refused.err, (tmp_path / "there").exists()) == (1, True, False)


@pytest.mark.parametrize("files", ["folder"], indirect=True)
def test_without_its_database_there_is_no_backup_and_no_password_is_told(
    place: Place, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    url = postgres_server.url("no_such").replace("jikko@", "jikko:geheim@")

    gone = place.jikko("backup", tmp_path / "copy", JIKKO_DATABASE_URL=url)
    empty = place.jikko("backup", tmp_path / "copy", JIKKO_DATABASE_URL=postgres_server.made())
    with_password = place.settings["JIKKO_DATABASE_URL"].replace("jikko@", "jikko:geheim@")
    made = place.ran("backup", tmp_path / "copy", JIKKO_DATABASE_URL=with_password)

    assert (gone.code, gone.has_traceback, "no_such" in gone.err) == (1, False, True)
    assert (empty.code, "has no tables of Jikko" in empty.err) == (1, True)
    assert "geheim" not in gone.err + made.out + made.err + (tmp_path / "copy" / "backup.json").read_text()


def _path_of(content: bytes) -> Path:
    digest = hashlib.sha256(content).hexdigest()
    return Path(digest[:2], digest[2:4], digest)
