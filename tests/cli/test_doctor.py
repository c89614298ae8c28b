"""``jikko doctor``: problems of machine and settings, with remedies."""

import importlib.metadata
import json
import os
import re
import shutil
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
from click.testing import CliRunner

from jikko.assemble.health import machine
from jikko.cli.health.doctor import port
from jikko.cli.main import cli
from jikko.cluster.data_folder import FOLDER_ID
from jikko.cluster.data_folder_lock import sole_owner
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.diagnostics.translations import texts
from jikko.errors import InvalidSettings
from jikko.extras import Extra
from jikko.observing.traces.export import ENDPOINTS, is_wanted
from jikko.server.observers import Observers
from jikko.settings import Settings
from tests.free_ports import free_port

resource = pytest.importorskip("resource")

PACKAGES = (
    'first>=1; extra == "documents"',
    "second[x]>=2; extra == 'documents'",
    "only-there; (sys_platform == 'plan9') and extra == 'local'",
    "anthropic[aiohttp]>=2; extra == 'anthropic'",
    "always>=1",
)


@pytest.fixture
def no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told of all else needs no sandbox, whose examination takes most of the time."""

    async def nothing(_: Settings) -> list[Diagnostic]:
        return []

    monkeypatch.setattr("jikko.cli.health.doctor.try_sandbox", nothing)


def examined(home: Path, **variables: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and the lines but for those of the sandbox."""
    outcome = CliRunner().invoke(cli, ["doctor", "--json", "--home", str(home)], env={"JIKKO_PORT": "0", **variables})
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    return outcome.exit_code, [line for line in lines if not line["name"].startswith("sandbox")]


@pytest.mark.usefixtures("no_sandbox")
def test_the_last_line_says_whether_all_is_well(tmp_path: Path) -> None:
    def last(**variables: str) -> str:
        asked = ["doctor", "--lang", "en", "--home", str(tmp_path / "home")]
        return CliRunner().invoke(cli, asked, env={"JIKKO_PORT": "0", **variables}).stdout.splitlines()[-1]

    assert re.fullmatch("all is well|failed: 0, warnings: [1-9]", last())
    assert last(JIKKO_PROVIDERS=str(tmp_path / "無い.yml")).startswith("failed: 1, warnings: ")


def named(lines: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["name"] == name]


def test_a_machine_that_will_do_has_no_failure(tmp_path: Path) -> None:
    code, lines = examined(tmp_path / "home")
    assert code == 0, lines
    assert all(line["ok"] for line in lines)
    names = {line["name"] for line in lines}
    assert names > {"settings", "python", "data folder", "database", "disk", "open files", "port", "retention"}
    assert names > {"extra anthropic", "extra documents", "extra local"}


@pytest.mark.usefixtures("no_sandbox")
def test_a_folder_of_backups_that_cannot_be_written_is_told_and_none_is_made(tmp_path: Path) -> None:
    taken = tmp_path / "控え"
    taken.write_text("🗂", encoding="utf-8")
    code, lines = examined(tmp_path / "home", JIKKO_BACKUP_FOLDER=str(taken / "backups"))
    [found] = named(lines, "backups")
    assert (code, found["ok"], found["code"]) == (1, False, "backups.unwritable")
    assert f"{taken}/backups cannot be written: Not a directory" in found["detail"]
    assert "JIKKO_BACKUP_FOLDER" in found["detail"]

    code, lines = examined(tmp_path / "home", JIKKO_BACKUP_FOLDER=str(tmp_path / "new" / "backups"))
    assert (code, [line["ok"] for line in named(lines, "backups")]) == (0, [True])
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("no_sandbox")
@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("endpoint", ["foo", "grpc://127.0.0.1:4317", "http://", "127.0.0.1:4318"])
def test_an_endpoint_for_traces_that_is_not_a_url_is_refused(tmp_path: Path, name: str, endpoint: str) -> None:
    told = f"{name} is not a URL; expected one such as http://127.0.0.1:4318."
    code, lines = examined(tmp_path / "home", **{name: endpoint})
    assert (code, [line["detail"] for line in named(lines, "settings")]) == (1, [told])
    with pytest.raises(InvalidSettings, match=told):
        Observers(Settings(), {name: endpoint})


def test_an_endpoint_that_another_one_replaces_may_be_for_other_programs() -> None:
    traces, general = ENDPOINTS
    assert is_wanted({traces: "http://127.0.0.1:4318/v1/traces", general: "localhost:4317"})


@pytest.mark.usefixtures("no_sandbox")
def test_every_wrong_setting_is_told_with_its_place_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "jikko.toml").write_text("max_steps = 'viele'\nprot = 80\n", encoding="utf-8")
    code, lines = examined(tmp_path, JIKKO_WORKERS="5000", JIKKO_CODE_SECONDS="soon", JIKKO_MAX_SECNDS="1")
    findings = [(line["ok"], line["detail"]) for line in named(lines, "settings")]
    assert code == 1
    assert findings == [
        (False, f"{tmp_path}/jikko.toml: 'viele' is not a valid max_steps; expected a whole number from 0 up."),
        (False, f"{tmp_path}/jikko.toml: unknown setting 'prot' (did you mean 'port'?)."),
        (
            False,
            "environment variable JIKKO_CODE_SECONDS: 'soon' is not a valid code_seconds; expected a number from 0 up.",
        ),
        (False, "workers is 5000; at most 1024 processes can share the work."),
        (True, "JIKKO_MAX_SECNDS (did you mean 'JIKKO_MAX_SECONDS'?) has no effect: see docs/settings.md"),
    ]
    assert named(lines, "database")[0]["ok"]


@pytest.mark.usefixtures("no_sandbox")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MOCKS", "[1]", "Expected a JSON object of objects"),
        ("HTTP_ALLOW", "10.0.0.0/99", "JIKKO_HTTP_ALLOW"),
        ("TRUSTED_PROXIES", "例え", "must be an address or a network"),
        ("ROOT_PATH", "jikko?", "expected a path such as /jikko"),
    ],
)
def test_a_setting_with_which_no_server_starts_fails(tmp_path: Path, name: str, value: str, message: str) -> None:
    code, lines = examined(tmp_path, **{f"JIKKO_{name}": value})
    [failed] = [line for line in lines if not line["ok"]]
    assert (code, failed["name"]) == (1, "settings")
    assert message in failed["detail"]


@pytest.mark.usefixtures("no_sandbox")
def test_what_is_only_for_trying_is_warned_of(tmp_path: Path) -> None:
    code, lines = examined(tmp_path, JIKKO_FAKE_MODELS="1", JIKKO_MOCKS='{"翻訳": {}}')
    assert code == 0
    assert [line["name"] for line in lines if line["warning"]] == ["models", "nodes"]


@pytest.mark.usefixtures("no_sandbox")
def test_a_port_that_another_program_has_fails_and_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        code, lines = examined(tmp_path, JIKKO_PORT=str(number))
    assert code == 1
    [line] = named(lines, "port")
    assert line["detail"] == (
        f"Cannot listen on 127.0.0.1:{number}: Address already in use. "
        "Choose another with --port or JIKKO_PORT (0: any free one)."
    )


def test_a_port_that_the_server_of_the_data_folder_has_is_well(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, sole_owner(tmp_path) as hold:
        number = taken.getsockname()[1]
        hold.say(address=f"http://127.0.0.1:{number}")
        found = port(Settings(home=tmp_path, port=number))
    assert found.ok
    assert f"127.0.0.1:{number} is served: jikko serve, process {os.getpid()}" in found.sentence()


def test_a_port_is_looked_at_without_being_kept(tmp_path: Path) -> None:
    number = free_port()
    for _ in range(2):
        assert port(Settings(home=tmp_path, port=number)).sentence() == f"127.0.0.1:{number} is free"


class Room(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(("free", "severity"), [(10**10, "ok"), (10**8, "warning"), (10**7, "error")])
def test_a_disk_that_is_nearly_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, severity: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Room(10**11, 10**11 - free, free))
    found = machine.disk(tmp_path / "not" / "made")
    assert found.severity == severity
    assert ("`jikko runs prune --older-than 30d`" in found.sentence()) == (severity != "ok")


@pytest.mark.parametrize(
    ("most", "severity"),
    [(1_048_576, "ok"), (resource.RLIM_INFINITY, "ok"), (1024, "warning"), (100, "error")],
)
def test_a_low_limit_of_open_files_is_told(monkeypatch: pytest.MonkeyPatch, most: int, severity: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (64, most))
    [found] = machine.open_files()
    assert found.severity == severity
    assert ("LimitNOFILE=" in found.sentence()) == (severity != "ok")


def test_a_data_folder_that_is_none_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    found = machine.data_folder(tmp_path / "file")
    assert not found.ok
    assert found.sentence() == f"{tmp_path}/file is not a folder; name another with JIKKO_HOME or --home"


@pytest.mark.parametrize("made", [True, False])
def test_a_data_folder_that_this_user_cannot_write_to_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    home = tmp_path if made else tmp_path / "データ"
    found = machine.data_folder(home)
    assert not found.ok
    assert found.sentence() == (
        f"this user may not write to {home}; give it to this user (chown), or {ELSEWHERE}"
        if made
        else f"{home} cannot be created: this user may not write to {tmp_path}; {ELSEWHERE}"
    )


ELSEWHERE = "name another folder with JIKKO_HOME or --home"


def test_files_of_another_user_in_the_data_folder_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jikko.db").write_text("")
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    found = machine.data_folder(tmp_path)
    assert found.severity == "error"
    assert "jikko.db" in found.sentence()
    assert f"chown -R {tmp_path.stat().st_uid + 1} {tmp_path}" in found.sentence()


@pytest.mark.usefixtures("no_sandbox")
def test_a_data_folder_that_others_may_read_is_told_and_closed_by_its_first_use(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = machine.data_folder(tmp_path)
    assert (found.where, found.severity, found.snippet) == ("data folder", "warning", f"chmod 700 {tmp_path}")
    assert found.sentence() == f"other users may read {tmp_path} (mode 755): chmod 700 {tmp_path}"
    assert CliRunner().invoke(cli, ["migrate", "--home", str(tmp_path)]).exit_code == 0
    code, lines = examined(tmp_path)
    assert code == 0
    assert named(lines, "data folder") == [
        {
            **{"name": "data folder", "ok": True, "detail": str(tmp_path), "warning": False, "paste": ""},
            **{"code": "check.verbatim", "params": {"text": str(tmp_path)}},
        }
    ]


def lacking(*names: str) -> Any:
    def version(name: str) -> str:
        if name in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return "1"

    return version


@pytest.mark.parametrize(
    ("missing", "message", "warning"),
    [
        ((), "installed, for the text of PDF", False),
        (("first", "second"), "not installed; for the text of PDF", False),
        (("second",), "second is missing; for the text of PDF", True),
    ],
)
def test_an_extra_is_told_with_what_it_is_for_and_how_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], message: str, warning: bool
) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: PACKAGES)
    monkeypatch.setattr(importlib.metadata, "version", lacking(*missing))
    found: Mapping[str, Diagnostic] = {each.where: each for each in machine.extras()}
    documents = found["extra documents"]
    assert documents.ok
    assert (documents.severity == "warning") == warning
    assert documents.sentence().startswith(message)
    assert ("pip install '.[documents]'" in documents.sentence()) == bool(missing)


def test_every_extra_of_the_project_is_told_with_what_it_is_for() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    told = {code.removeprefix("extra.for_") for code in texts("en") if code.startswith("extra.for_")}
    assert set(get_args(Extra)) == told == set(project["optional-dependencies"]) - {"dev"}


@pytest.mark.usefixtures("no_sandbox")
def test_retention_is_told(tmp_path: Path) -> None:
    assert "off: runs stay" in named(examined(tmp_path)[1], "retention")[0]["detail"]
    set_ = named(examined(tmp_path, JIKKO_RETENTION_DAYS="7")[1], "retention")
    assert set_[0]["detail"] == "runs are removed 7 days after their end"


@pytest.mark.usefixtures("no_sandbox")
@pytest.mark.parametrize("command", [("doctor",), ("runs", "list"), ("tools", "list"), ("providers", "list")])
def test_a_folder_whose_record_is_elsewhere_is_no_empty_one(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / FOLDER_ID).write_text("a-folder")

    outcome = CliRunner().invoke(cli, [*command, "--home", str(tmp_path)], env={"JIKKO_PORT": "0"})

    assert outcome.exit_code == (1 if command == ("doctor",) else 2)
    assert f"The record of {tmp_path} is in PostgreSQL: set database_url, as it was." in outcome.output
