"""Settings: sources, precedence, and refusals."""

import math
from pathlib import Path
from typing import Any

import pytest

from jikko.documents.processes import DocumentLimits
from jikko.errors import InvalidSettings
from jikko.sandbox.limits import SandboxLimits
from jikko.setting_sources import read_settings
from jikko.settings import Settings, for_worker


@pytest.fixture
def home(tmp_path: Path) -> str:
    return str(tmp_path)


def in_file(home: str, text: str) -> None:
    (Path(home) / "jikko.toml").write_text(text, encoding="utf-8")


def test_without_anything_the_defaults_hold(home: str) -> None:
    assert read_settings({"JIKKO_HOME": home}) == Settings(home=Path(home))


def test_the_command_wins_over_the_environment_and_that_over_the_file(home: str) -> None:
    in_file(home, "port = 1\nmax_runs = 1\nmax_steps = 1\n")
    read = read_settings({"JIKKO_HOME": home, "JIKKO_PORT": "2", "JIKKO_MAX_RUNS": "2"}, port=3, host=None)
    assert (read.port, read.max_runs, read.max_steps, read.host) == (3, 2, 1, "127.0.0.1")


def test_an_empty_variable_counts_as_not_set(home: str) -> None:
    in_file(home, "port = 1\n")
    assert read_settings({"JIKKO_HOME": home, "JIKKO_PORT": ""}).port == 1


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", " 9000 ", 9000),
        ("shutdown_seconds", "2.5", 2.5),
        ("http_verify", "Off", False),
        ("http_verify", "yes", True),
        ("http_allow", "10.0.0.0/8, ,127.0.0.1", ("10.0.0.0/8", "127.0.0.1")),
        ("providers", "~/providers.yml", Path.home() / "providers.yml"),
        ("public_url", "https://flows.example", "https://flows.example"),
    ],
)
def test_a_variable_is_read_as_its_setting_wants_it(home: str, name: str, text: str, value: object) -> None:
    assert getattr(read_settings({"JIKKO_HOME": home, f"JIKKO_{name.upper()}": text}), name) == value


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("port = 9000", 9000),
        ("shutdown_seconds = 3", 3.0),
        ("http_verify = false", False),
        ('http_allow = ["10.0.0.0/8"]', ("10.0.0.0/8",)),
        ('http_allow = "10.0.0.0/8"', ("10.0.0.0/8",)),
    ],
)
def test_the_file_has_values_of_its_own_types(home: str, line: str, value: object) -> None:
    in_file(home, line)
    assert getattr(read_settings({"JIKKO_HOME": home}), line.partition(" ")[0]) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "http"),
        ("port", "80.5"),
        ("port", "-1"),
        ("shutdown_seconds", "soon"),
        ("shutdown_seconds", "-0.1"),
        ("shutdown_seconds", "nan"),
        ("shutdown_seconds", "inf"),
        ("http_verify", "perhaps"),
    ],
)
def test_a_variable_of_another_type_is_refused_by_its_name(home: str, name: str, text: str) -> None:
    with pytest.raises(InvalidSettings, match=f"environment variable JIKKO_{name.upper()}: '{text}' is not a valid"):
        read_settings({"JIKKO_HOME": home, f"JIKKO_{name.upper()}": text})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"port": 65_536}, "port is 65536"),
        ({"workers": 1025}, "workers is 1025; at most 1024"),
        ({"log_level": "loud"}, "log_level is 'loud'"),
        ({"code_memory": 1, "code_output": 2}, "code_memory is 1; .* 16777216 bytes.\ncode_output is 2"),
        ({"code_seconds": 0.0}, "code_seconds is 0"),
        ({"public_url": "日本.example"}, "public_url is '日本.example'; expected a URL such as https://"),
    ],
)
def test_a_value_out_of_range_is_refused_wherever_it_comes_from(
    home: str, given: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidSettings, match=message):
        read_settings({"JIKKO_HOME": home}, **given)
    with pytest.raises(InvalidSettings, match=message):
        read_settings({"JIKKO_HOME": home, **{f"JIKKO_{name.upper()}": str(value) for name, value in given.items()}})
    in_file(home, "".join(f"{name} = {value!r}\n" for name, value in given.items()))
    with pytest.raises(InvalidSettings, match=message):
        read_settings({"JIKKO_HOME": home})


@pytest.mark.parametrize("given", [{"port": -1}, {"shutdown_seconds": math.nan}, {"shutdown_seconds": math.inf}])
def test_a_number_of_the_command_line_is_refused_where_one_of_the_environment_is(
    home: str, given: dict[str, object]
) -> None:
    ((name, value),) = given.items()
    with pytest.raises(InvalidSettings, match=f"{name} is {value}; expected a number from 0 up"):
        read_settings({"JIKKO_HOME": home}, **given)


@pytest.mark.parametrize("line", ["port = 80.5", "port = true", 'port = "http"', "http_verify = 2"])
def test_a_value_of_another_type_in_the_file_is_refused_with_its_place(home: str, line: str) -> None:
    in_file(home, line)
    with pytest.raises(InvalidSettings, match=r"jikko\.toml: .* is not a valid"):
        read_settings({"JIKKO_HOME": home})


@pytest.mark.parametrize(
    ("text", "message"),
    [("prot = 80", r"jikko\.toml: unknown setting 'prot'"), ("port =", r"jikko\.toml cannot be read")],
)
def test_a_file_that_is_not_understood_is_refused(home: str, text: str, message: str) -> None:
    in_file(home, text)
    with pytest.raises(InvalidSettings, match=message):
        read_settings({"JIKKO_HOME": home})


@pytest.mark.parametrize(("limit", "workers", "part"), [(10, 1, 10), (10, 2, 5), (10, 3, 4), (10, 11, 1), (0, 3, 0)])
def test_each_of_several_workers_has_its_part_of_a_limit_rounded_up(limit: int, workers: int, part: int) -> None:
    of_all = (
        *("max_runs", "max_runs_per_app", "max_queued_runs", "body_memory", "runs_memory", "http_connections"),
        *("knowledge_memory", "plugin_processes"),
    )
    of_one_run = ("max_steps", "run_memory")
    limits: dict[str, Any] = dict.fromkeys((*of_all, *of_one_run), limit)
    shared = for_worker(Settings(**limits), workers)
    assert {name: getattr(shared, name) for name in of_all} == dict.fromkeys(of_all, part)
    assert {name: getattr(shared, name) for name in of_one_run} == dict.fromkeys(of_one_run, limit)


@pytest.mark.parametrize(
    ("number", "workers", "part"), [(10, 1, 10), (10, 3, 4), (10, 11, 2), (2, 2, 2), (2, 64, 2), (1, 2, 1)]
)
def test_of_programs_and_documents_at_once_it_has_two_so_that_no_app_has_all(
    number: int, workers: int, part: int
) -> None:
    programs = SandboxLimits(concurrent_runs=number, queued_runs=10).for_worker(workers)
    assert programs.queued_runs == -(-10 // workers)
    assert programs.concurrent_runs == part
    assert DocumentLimits(max_processes=number).for_worker(workers).max_processes == part


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(InvalidSettings, match="JIKKO_HOME"):
        Settings()
    assert Settings(home=tmp_path).home == tmp_path


def test_a_server_stays_for_balancers_only_among_others_unless_that_is_set() -> None:
    several: dict[str, Any] = {"database_url": "postgresql://a@b/c", "files_url": "s3://d", "nats_url": "nats://e:4222"}
    assert (Settings().lame_duck, Settings(**several).lame_duck) == (0.0, 5.0)
    assert Settings(**several, lame_duck_seconds=0.0).lame_duck == 0.0
    assert Settings(lame_duck_seconds=2.5).stop_seconds == Settings().stop_seconds + 2.5
