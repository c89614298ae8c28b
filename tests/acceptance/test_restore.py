"""``jikko restore``: restored data, and files that are never overwritten."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from jikko.plugins.install.installed_plugins import LIST
from jikko.repositories.plugin_storage import PluginStorage
from jikko.store.sqlite.plugin_file import PluginFile
from tests.acceptance.client import Client
from tests.acceptance.conftest import apps_of
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command, Server
from tests.acceptance.test_backup import snapshot
from tests.effort import PATIENCE
from tests.files.buckets import Buckets

CHAT = "/v1/chat-messages"


class Place:
    """A data folder that is served."""

    def __init__(self, command: Command, keys: dict[str, str], **settings: str) -> None:
        self.server = Server(command.home, settings=settings)
        self.clients = {name: Client(self.server.url, key) for name, key in keys.items()}

    def __getitem__(self, app: str) -> Client:
        return self.clients[app]

    def close(self) -> None:
        for client in self.clients.values():
            client.close()
        self.server.close()


@contextmanager
def served(command: Command, keys: dict[str, str], **settings: str) -> Iterator[Place]:
    with closing(Place(command, keys, **settings)) as place:
        yield place


@pytest.fixture
def keys(jikko: Command, echo: EchoServer, tmp_path: Path) -> dict[str, str]:
    """Apps in the data folder, and what opens each."""
    return jikko.imported(tmp_path, apps_of(echo))


@pytest.fixture(params=["folder", "bucket"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a backup goes, as a command is told it."""
    if request.param == "folder":
        return str(tmp_path / "copy")
    buckets: Buckets = request.getfixturevalue("buckets")
    return buckets.made()


def test_everything_is_there_again_and_what_was_under_way_or_paused_goes_on(
    jikko: Command, keys: dict[str, str], echo: EchoServer, tmp_path: Path, target: str
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "owls.txt").write_text("Owls hunt at night.\n")
    jikko.json("knowledge", "add", "animals", tmp_path / "docs", "--technique", "economy")
    installed(jikko.home)
    (jikko.home / "tools.yaml").write_text("tools: {}\n")
    (jikko.home / "jikko.toml").write_text(f'tools = "{jikko.home / "tools.yaml"}"\n')
    with served(jikko, keys) as place:
        ended = place["echo"].run(q="ended")["workflow_run_id"]
        paused = place["asks"].run(q="paused")
        token = paused["data"]["reasons"][0]["form_token"]
        turn = place["chat"].request("POST", CHAT, json={"query": "山", "inputs": {}, "user": "someone"}).json()
        link = uploaded(place["echo"], "契約書".encode())
        name = f"restored-{tmp_path.name}"
        under_way = place["held"].run("async", name=name)["workflow_run_id"]
        echo.wait_for_calls(f"/hold/{name}")
        [report] = jikko.json("backup", target)
        assert report["elsewhere"] == []
        lost = place["echo"].run(q="later")["workflow_run_id"]
        place.server.kill()

    restored = Command(tmp_path / "elsewhere")
    [report] = restored.json("restore", target)
    assert (report["home"], report["contents"]) == (str(restored.home), 1)
    echo.release(f"/hold/{name}")

    with served(restored, keys) as place:
        assert place["echo"].detail(ended)["status"] == "succeeded"
        assert place["echo"].request("GET", f"/v1/workflows/run/{lost}").status_code == 404
        assert place["echo"].request("GET", link).content == "契約書".encode()
        assert place["held"].finished(under_way)["status"] == "succeeded"
        answer = {"inputs": {"comment": "とても良い"}, "action": "yes", "user": "someone"}
        assert place["asks"].request("POST", f"/v1/form/human_input/{token}", json=answer).status_code == 200
        assert place["asks"].finished(paused["workflow_run_id"])["outputs"] == {"said": "とても良い"}
        query = {"conversation_id": turn["conversation_id"], "user": "someone"}
        [message] = place["chat"].request("GET", "/v1/messages", params=query).json()["data"]
        assert (message["query"], message["answer"]) == ("山", "hello")
        [hit] = restored.json("knowledge", "search", "animals", "Owls")
        assert hit["content"] == "Owls hunt at night."
    plugins = restored.home / "plugins"
    assert (plugins / LIST).read_text() == '{"format": 1, "plugins": []}'
    assert os.readlink(plugins / "environments" / "one" / "python") == "/usr/bin/python3"
    assert (plugins / "environments" / "one" / "run").stat().st_mode & 0o777 == 0o555
    assert not (plugins / "cache").exists()
    assert (restored.home / "tools.yaml").read_text() == "tools: {}\n"
    assert kept(restored.home) == b"\x00kept"


def installed(home: Path) -> None:
    """A folder of plugins as an installation leaves it, one of which keeps something."""
    import asyncio

    folder = home / "plugins"
    environment = folder / "environments" / "one"
    environment.mkdir(parents=True)
    (folder / "cache").mkdir()
    (folder / "cache" / "wheel").write_bytes(b"made again when it is wanted")
    (folder / LIST).write_text('{"format": 1, "plugins": []}')
    (environment / "python").symlink_to("/usr/bin/python3")
    (environment / "run").write_text("#!")
    (environment / "run").chmod(0o555)
    environment.chmod(0o555)
    storage = PluginStorage(PluginFile(folder / "storage.db"))
    asyncio.run(storage.set("app", "author/plugin", "key", b"\x00kept", most=100))


def kept(home: Path) -> bytes | None:
    import asyncio

    return asyncio.run(PluginStorage(PluginFile(home / "plugins" / "storage.db")).get("app", "author/plugin", "key"))


def uploaded(client: Client, content: bytes) -> str:
    """Upload a file. Returns where it can be fetched."""
    file = ("a.txt", content, "text/plain")
    answer = client.request("POST", "/v1/files/upload", files={"file": file}, data={"user": client.user}).json()
    return "/files/" + str(answer["source_url"]).partition("/files/")[2]


def test_a_backup_that_is_made_while_runs_end_by_the_hundred_has_each_whole(
    jikko: Command, keys: dict[str, str], tmp_path: Path
) -> None:
    started: list[str] = []
    with served(jikko, keys, JIKKO_WORKERS="2") as place:
        enough, stop = threading.Event(), threading.Event()

        def load() -> None:
            while not stop.is_set():
                started.append(place["work"].run(q=f"no {len(started)}!")["workflow_run_id"])
                if len(started) >= 20:
                    enough.set()

        thread = threading.Thread(target=load)
        thread.start()
        try:
            assert enough.wait(PATIENCE)
            before = list(started)
            jikko.json("backup", tmp_path / "copy")
        finally:
            stop.set()
            thread.join()

    restored = Command(tmp_path / "elsewhere")
    restored.json("restore", tmp_path / "copy")
    with served(restored, keys) as place:
        there = [
            place["work"].finished(run_id)["status"]
            for run_id in started
            if place["work"].request("GET", f"/v1/workflows/run/{run_id}").status_code == 200
        ]
    assert len(there) >= len(before)
    assert set(there) == {"succeeded"}


def test_the_server_makes_backups_by_itself_and_keeps_the_newest(
    jikko: Command, keys: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    # Half a second; each is named by its second, so they are a second apart at least.
    settings = {"JIKKO_BACKUP_FOLDER": str(folder), "JIKKO_BACKUP_HOURS": "0.0003", "JIKKO_BACKUP_KEEP": "2"}
    with served(jikko, keys, **settings) as place:
        link = uploaded(place["echo"], b"content")
        run = place["echo"].run(q="hi")["workflow_run_id"]
        seen: set[str] = set()
        deadline = time.monotonic() + PATIENCE
        while len(seen) < 4:
            assert time.monotonic() < deadline, place.server.output
            seen |= {path.name for path in folder.glob("????-??-??T*")} if folder.exists() else set()
    assert len(list(folder.glob("????-??-??T*"))) <= 3  # a third one for the moment until the oldest is removed

    restored = Command(tmp_path / "elsewhere")
    [report] = restored.json("restore", folder)
    assert Path(report["source"]).name == max(path.name for path in folder.glob("????-??-??T*"))
    with served(restored, keys) as place:
        assert place["echo"].detail(run)["status"] == "succeeded"
        assert place["echo"].request("GET", link).content == b"content"


def test_nothing_is_overwritten(jikko: Command, keys: dict[str, str], tmp_path: Path) -> None:
    jikko.json("backup", tmp_path / "copy")
    before = snapshot(jikko.home)

    outcome = jikko("restore", tmp_path / "copy")

    assert (outcome.code, outcome.has_traceback) == (1, False)
    assert f"{jikko.home} is not empty" in outcome.err
    assert "nothing was overwritten. Name another folder with --home" in outcome.err
    assert snapshot(jikko.home) == before


@pytest.mark.parametrize("name", ["jikko.db", "signing.key", "files/ab"])
def test_a_damaged_backup_is_told_and_not_restored(
    jikko: Command, keys: dict[str, str], tmp_path: Path, name: str
) -> None:
    content = jikko.home / "files" / "ab" / "cd" / ("abcd" + "0" * 60)
    content.parent.mkdir(parents=True)
    content.write_bytes(b"not what its name says")
    jikko.json("backup", tmp_path / "copy")
    if name == "files/ab":
        report = f"the content of a file, {content.name}, is damaged"
    else:
        content.unlink()
        (tmp_path / "copy" / content.relative_to(jikko.home)).unlink()
        jikko.json("backup", tmp_path / "copy")
        (tmp_path / "copy" / name).write_bytes(b"damaged" * 100)
        report = f"{name} is damaged"

    looked = jikko("restore", "--check", tmp_path / "copy")
    outcome = Command(tmp_path / "elsewhere")("restore", tmp_path / "copy")

    assert (looked.code, report in looked.err) == (1, True), looked
    assert (outcome.code, report in outcome.err) == (1, True), outcome
    assert not (tmp_path / "elsewhere").exists()


def test_a_whole_backup_is_told_to_be_and_nothing_is_written(
    jikko: Command, keys: dict[str, str], tmp_path: Path
) -> None:
    jikko.json("backup", tmp_path / "copy")
    before = snapshot(tmp_path / "copy")

    [report] = Command(tmp_path / "elsewhere").json("restore", "--check", tmp_path / "copy")

    assert (report["source"], report["home"]) == (str(tmp_path / "copy"), None)
    assert (snapshot(tmp_path / "copy"), (tmp_path / "elsewhere").exists()) == (before, False)


def test_a_restore_that_was_broken_off_is_served_by_nothing_and_finished_by_the_next(
    jikko: Command, keys: dict[str, str], tmp_path: Path
) -> None:
    jikko.json("backup", tmp_path / "copy")
    half = Command(tmp_path / "half")
    half.home.mkdir()
    (half.home / "restore.json").write_text(str(tmp_path / "copy"))
    (half.home / "signing.key").write_bytes(b"")

    refused, examined = half("apps", "list"), half("doctor")
    half.json("restore", tmp_path / "copy")

    assert (refused.code, "`jikko restore` was broken off" in refused.err) == (2, True), refused
    assert (examined.code, "`jikko restore` was broken off" in examined.out) == (1, True), examined
    assert {each["name"] for each in half.json("apps", "list")} >= {"Echo", "Asks"}


@pytest.mark.parametrize("what", ["nothing", "an empty folder", "a data folder", "an unfinished backup"])
def test_what_is_no_backup_is_told(jikko: Command, tmp_path: Path, what: str) -> None:
    source = tmp_path / "source"
    if what != "nothing":
        source.mkdir()
    if what == "a data folder":
        Command(source).json("migrate")
    if what == "an unfinished backup":
        (source / "backup.json").write_text(json.dumps({"backup_of": "one"}))

    outcome = jikko("restore", source)

    assert (outcome.code, outcome.has_traceback) == (1, False)
    told = {"nothing": "does not exist", "an unfinished backup": "was broken off"}.get(what, "is neither a backup")
    assert told in outcome.err
    assert not jikko.home.exists()
