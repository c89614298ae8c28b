"""API keys: where new ones go, and how those that clients have come in."""

import os
import pty
import re
import select
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server, begun, environment
from tests.acceptance.workflows import ECHO
from tests.effort import PATIENCE, trusted

KEY = "app-0123456789abcdefghijABCD"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "echo.yml"
    path.write_text(ECHO, encoding="utf-8")
    return path


def opens(server: Server, key: str) -> bool:
    return (
        httpx.get(
            f"{server.url}/v1/info", headers={"Authorization": f"Bearer {key}"}, verify=trusted(), timeout=PATIENCE
        ).status_code
        == 200
    )


def on_a_terminal(home: Path, *arguments: str | Path) -> str:
    """What a command prints on a terminal."""
    ours, theirs = pty.openpty()
    with open(os.devnull, "rb") as nothing:
        process = begun(arguments, environment(home), nothing, theirs, theirs)
    os.close(theirs)
    printed = b""
    while select.select([ours], [], [], PATIENCE)[0]:
        try:
            printed += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    return printed.decode()


def key_files(home: Path) -> list[Path]:
    return (
        sorted((home / "keys").iterdir(), key=lambda path: path.stat().st_mtime_ns) if (home / "keys").exists() else []
    )


def test_a_known_key_opens_an_app_and_clients_in_the_field_go_on(jikko: Command, file: Path, tmp_path: Path) -> None:
    jikko.json("apps", "import", file, "--no-key")
    others = tmp_path / "keys.txt"
    others.write_text(f"{KEY}x\n\n{KEY}y\n")
    piped = jikko("apps", "keys", "Echo", "--add", "-", given=f"{KEY}\n")
    assert (piped.code, KEY in piped.out + piped.err) == (0, False)
    assert [entry["hint"] for entry in jikko.json("apps", "keys", "Echo", "--add", others)] == ["app-0123…"] * 2

    server = Server(jikko.home)
    try:
        assert all(opens(server, key) for key in (KEY, f"{KEY}x", f"{KEY}y"))
        assert not opens(server, f"{KEY}z")
    finally:
        server.close()


@pytest.mark.parametrize("text", ["", "app-short", "sk-proj-0123456789abcdefghij", "\x00" * 40, "app-\udcff"])
def test_what_is_no_key_is_a_usage_error_that_quotes_nothing(
    jikko: Command, file: Path, tmp_path: Path, text: str
) -> None:
    jikko.json("apps", "import", file, "--no-key")
    wrong = tmp_path / "wrong"
    wrong.write_bytes(text.encode("utf-8", "surrogateescape"))
    outcome = jikko("apps", "keys", "Echo", "--add", wrong)
    assert (outcome.code, outcome.has_traceback) == (2, False)
    assert not text or text not in outcome.err
    assert jikko.json("apps", "keys", "Echo") == []


@pytest.mark.parametrize("in_a_file", [False, True])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_container_without_a_data_folder_has_the_keys_of_its_clients(
    tmp_path: Path, file: Path, in_a_file: bool, workers: str
) -> None:
    keys = f"# clients\nEcho = {KEY}\n"
    if in_a_file:
        (tmp_path / "keys").write_text(keys)
        keys = str(tmp_path / "keys")
    for _ in range(2):
        server = Server(tmp_path / "home", file, settings={"JIKKO_KEYS": keys, "JIKKO_WORKERS": workers})
        try:
            assert opens(server, KEY)
        finally:
            server.close()
        # It needs no further key.
        assert "curl" not in server.output
        assert KEY not in server.output
    assert len(Command(tmp_path / "home").json("apps", "keys", "Echo")) == 1
    assert key_files(tmp_path / "home") == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (f"Nobody = {KEY}", "No app 'Nobody'"),
        (f"Echo = {KEY}\nEcho : app-secret", "line 2 is not APP = KEY"),
        ("/nowhere/keys", "nor a file that can be read (No such file or directory)"),
        ("app-secret", "neither a list of `APP = KEY` lines"),
    ],
)
def test_keys_that_cannot_be_taken_in_end_the_start(jikko: Command, file: Path, keys: str, message: str) -> None:
    outcome = jikko("serve", file, "--port", "0", JIKKO_KEYS=keys)
    assert (outcome.code, outcome.has_traceback) == (2, False)
    assert message in outcome.err
    assert "secret" not in outcome.err


def test_further_imports_of_an_app_make_no_further_keys(jikko: Command, file: Path) -> None:
    entries = [jikko.json("apps", "import", file)[0] for _ in range(3)]
    assert entries[0]["api_key"].startswith("app-")
    assert [entry["api_key"] for entry in entries[1:]] == [None, None]
    assert "key" not in jikko("apps", "import", file).out
    assert len(jikko.json("apps", "keys", "Echo")) == 1
    [more] = jikko.json("apps", "import", file, "--new-key")
    assert more["api_key"].startswith("app-")
    assert len(jikko.json("apps", "keys", "Echo")) == 2


def test_what_is_no_terminal_gets_no_key_in_its_log(jikko: Command, file: Path) -> None:
    imported = jikko("apps", "import", file)
    made = jikko("apps", "keys", "Echo", "--new")
    files = key_files(jikko.home)
    keys = [path.read_text().strip() for path in files]

    assert len(set(keys)) == 2
    assert all(re.fullmatch(r"app-[A-Za-z0-9]{32}", key) for key in keys)
    assert not [key for key in keys if key in imported.out + imported.err + made.out + made.err]
    assert str(files[0].resolve()) in imported.out
    assert str(files[1].resolve()) in made.out
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((jikko.home / "keys").stat().st_mode) == 0o700

    server = Server(jikko.home)
    try:
        assert all(opens(server, key) for key in keys)
    finally:
        server.close()


def test_the_log_of_a_server_has_no_key_and_its_curl_line_runs_all_the_same(jikko: Command, file: Path) -> None:
    server = Server(jikko.home, file)
    try:
        until(lambda: "  curl" in server.output, "it is shown how to try it")
        [line] = [line for line in server.output.splitlines() if "curl" in line]
        [path] = key_files(jikko.home)
        assert path.read_text().strip() not in server.output
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=PATIENCE, check=True)
        assert '"status":"succeeded"' in done.stdout
    finally:
        server.close()


def test_a_terminal_is_shown_the_key_and_no_file_has_it(jikko: Command, file: Path) -> None:
    shown = on_a_terminal(jikko.home, "apps", "import", file)
    assert re.search(r"key +app-[A-Za-z0-9]{32} ", shown)
    assert re.search(r"^app-[A-Za-z0-9]{32} ", on_a_terminal(jikko.home, "apps", "keys", "Echo", "--new"))
    assert key_files(jikko.home) == []


def test_a_key_goes_into_the_file_that_is_named(jikko: Command, file: Path, tmp_path: Path) -> None:
    jikko.json("apps", "import", file, "--no-key")
    target = tmp_path / "key.txt"
    target.write_text("old")
    target.chmod(0o644)
    outcome = jikko("apps", "keys", "Echo", "--new", "--to", target)
    assert (outcome.code, outcome.out) == (0, f"in {target}\n")
    assert re.fullmatch(r"app-[A-Za-z0-9]{32}\n", target.read_text())
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert key_files(jikko.home) == []

    refused = jikko("apps", "keys", "Echo", "--new", "--to", tmp_path / "nowhere" / "key.txt")
    assert (refused.code, refused.has_traceback) == (1, False)
    assert len(jikko.json("apps", "keys", "Echo")) == 1


def test_a_revoked_key_and_those_of_a_removed_app_leave_no_file(jikko: Command, file: Path) -> None:
    jikko("apps", "import", file)
    jikko("apps", "keys", "Echo", "--new")
    first, second = jikko.json("apps", "keys", "Echo")
    assert jikko("apps", "keys", "Echo", "--revoke", first["id"]).code == 0
    assert [path.name for path in key_files(jikko.home)] == [f"echo-{second['id'][-12:]}"]
    assert jikko("apps", "delete", "Echo", "--yes").code == 0
    assert key_files(jikko.home) == []
