"""``jikko check`` and ``jikko show`` with context outside of the file: the data folder, and trial inputs."""

import json
import os
from pathlib import Path

import pytest

from jikko.cluster.data_folder_lock import sole_owner
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, if_contains, node, start, template, with_environment
from tests.store.old_databases import unpack

MODEL = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
ASKS_A_MODEL = app(
    "Model",
    [
        start("q"),
        node("think", "llm", model=MODEL, prompt_template=[{"role": "user", "text": "{{#start.q#}}"}]),
        end(answer="think.text"),
    ],
    "start>think think>end",
)
HAS_A_TOOL = app(
    "Tool",
    [start("q"), node("翻訳", "tool", tool_name="translate"), end(said="翻訳.text")],
    "start>翻訳 翻訳>end",
)
CHOOSES = app(
    "Chooses",
    [start("q"), if_contains("which", "start.q", "a"), node("bad", "tool"), end(q="start.q"), end("end2", q="start.q")],
    "start>which which:true>bad which:false>end bad>end2",
)
NEEDS_A_SECRET = with_environment(
    app("Secret 鍵", [start("q"), template("t", "{{ k }}", k="env.key"), end(said="t.output")], "start>t t>end"),
    key=("secret", ""),
    host=("string", "old.example"),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.yml"


def verdict(jikko: Command, file: Path, *options: str, **settings: str) -> str:
    found: str = jikko("check", file, "--json", *options, **settings).lines[0]["verdict"]
    return found


def test_a_faked_model_needs_no_provider(jikko: Command, file: Path) -> None:
    file.write_text(ASKS_A_MODEL)
    assert verdict(jikko, file) == "will_fail"
    assert verdict(jikko, file, "--fake-models") == "runs"
    assert verdict(jikko, file, JIKKO_FAKE_MODELS="1") == "runs"
    assert jikko("run", file, "-i", "q=x", JIKKO_FAKE_MODELS="1").code == 0


def test_a_mocked_node_does_not_fail(jikko: Command, file: Path) -> None:
    file.write_text(HAS_A_TOOL, encoding="utf-8")
    mocks = json.dumps({"翻訳": {"text": "訳文"}})
    assert verdict(jikko, file) == "will_fail"
    [report] = jikko("check", file, "--json", "--strict", JIKKO_MOCKS=mocks).lines
    assert (report["verdict"], report["problems"]) == ("runs", [])
    assert verdict(jikko, file, "--mock", '翻訳={"text": "訳文"}') == "runs"
    assert json.loads(jikko("run", file, "-i", "q=x", JIKKO_MOCKS=mocks).out) == {"said": "訳文"}


def test_a_node_with_a_fake_model_runs(jikko: Command, file: Path) -> None:
    file.write_text(ASKS_A_MODEL, encoding="utf-8")
    mock = ("--mock", 'think={"fake_model": true}')
    assert verdict(jikko, file) == "will_fail"
    assert verdict(jikko, file, *mock) == "runs"
    assert "fake answer" in jikko("run", file, "-i", "q=x", *mock).out


def test_a_node_that_cannot_have_a_fake_model_does_not_run(jikko: Command, file: Path) -> None:
    file.write_text(HAS_A_TOOL, encoding="utf-8")
    mock = ("--mock", '翻訳={"fake_model": true}')
    assert verdict(jikko, file, *mock) == "will_fail"
    assert "A node of the type tool does not run with a fake model" in jikko("run", file, "-i", "q=x", *mock).err


def test_a_node_that_is_mocked_to_fail_does(jikko: Command, file: Path) -> None:
    file.write_text(HAS_A_TOOL, encoding="utf-8")
    mocks = json.dumps({"翻訳": {"error": "休み"}})
    [problem] = jikko("check", file, "--json", JIKKO_MOCKS=mocks).lines[0]["problems"]
    assert (problem["level"], problem["cause"]) == ("will_fail", "mock")
    assert problem["problem"] == "is mocked and fails: 休み"
    assert "休み" in jikko("run", file, "-i", "q=x", JIKKO_MOCKS=mocks).err


@pytest.mark.parametrize(("chosen", "expected"), [(True, "will_fail"), (False, "runs"), ("?", "will_fail")])
def test_a_mocked_branch_goes_one_way(jikko: Command, file: Path, chosen: bool | str, expected: str) -> None:
    file.write_text(CHOOSES)
    mocks = json.dumps({"which": {"result": chosen}})
    assert verdict(jikko, file) == "may_fail"
    problems = jikko("check", file, "--json", JIKKO_MOCKS=mocks).lines[0]["problems"]
    assert verdict(jikko, file, JIKKO_MOCKS=mocks) == expected, problems
    assert (jikko("run", file, "-i", "q=x", JIKKO_MOCKS=mocks).code == 0) == (expected == "runs")


def test_mocks_of_no_node_are_told_once_for_all_files(jikko: Command, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(HAS_A_TOOL, encoding="utf-8")
    (tmp_path / "b.yml").write_text(ASKS_A_MODEL)
    outcome = jikko("check", tmp_path, "--mock", '翻訳={"text": "x"}', "--mock", 'thnik={"text": "x"}')
    assert outcome.err == (
        "warning: --mock, JIKKO_MOCKS: no node has the id or title 'thnik' (did you mean 'think'?)\n"
    )


def test_mocks_that_are_no_mocks_are_wrong_usage(jikko: Command, file: Path) -> None:
    file.write_text(ASKS_A_MODEL)
    outcome = jikko("check", file, JIKKO_MOCKS="[1]")
    assert outcome.code == 2
    assert "JIKKO_MOCKS" in outcome.err


def test_what_was_set_for_the_app_of_that_name_counts(jikko: Command, file: Path) -> None:
    file.write_text(NEEDS_A_SECRET, encoding="utf-8")
    assert jikko("check", file, "--strict").code == 1
    assert "secret, EMPTY" in jikko("show", file).out
    jikko.json("apps", "import", file)
    assert jikko("check", file, "--strict").code == 1

    jikko.json("apps", "env", "Secret 鍵", "key=本物の秘密", "host=new.example")

    assert jikko("check", file, "--strict").code == 0
    shown = jikko("show", file).out
    assert "key   secret, set by jikko apps env 'Secret 鍵' key\n" in shown
    assert "host  string, \"new.example\", set by jikko apps env 'Secret 鍵' host\n" in shown
    assert "本物の秘密" not in shown + jikko("show", file, "--json").out
    assert jikko("check", file, "--strict", "--home", file.parent / "none").code == 1


def test_values_of_the_process_are_shown_with_their_place(jikko: Command, file: Path) -> None:
    file.write_text(NEEDS_A_SECRET, encoding="utf-8")
    [entry] = jikko("show", file, "--json", JIKKO_ENV_KEY="x").lines
    assert {each["name"]: (each["is_set"], each["place"]) for each in entry["environment"]} == {
        "key": (True, "JIKKO_ENV_KEY"),
        "host": (True, ""),
    }
    assert "secret, set by JIKKO_ENV_KEY" in jikko("show", file, JIKKO_ENV_KEY="x").out


def test_a_served_database_is_read_as_it_is_and_left_so(jikko: Command, file: Path) -> None:
    file.write_text(NEEDS_A_SECRET, encoding="utf-8")
    server = Server(jikko.home, file)
    try:
        jikko.json("apps", "env", "Secret 鍵", "key=x")
        assert jikko("check", file, "--strict").code == 0
    finally:
        server.close()


def test_a_database_of_an_earlier_version_stays_one(jikko: Command, file: Path) -> None:
    file.write_text(NEEDS_A_SECRET, encoding="utf-8")
    jikko.home.mkdir()
    path, _ = unpack(5, jikko.home)
    before, listed = path.read_bytes(), sorted(os.listdir(jikko.home))
    with sole_owner(jikko.home):
        listed = sorted([*listed, "serve.lock"])
        outcome = jikko("check", file)
        assert (outcome.code, outcome.err) == (0, "")
        assert jikko("show", file).err == ""
        assert sorted(os.listdir(jikko.home)) == listed
    assert path.read_bytes() == before


def test_a_damaged_database_is_told_and_the_file_is_checked(jikko: Command, file: Path) -> None:
    file.write_text(ASKS_A_MODEL)
    jikko.home.mkdir()
    (jikko.home / "jikko.db").write_bytes("壊れた".encode() * 1000)
    outcome = jikko("check", file)
    assert outcome.code == 1
    assert "will fail" in outcome.out
    assert "the values of `jikko apps env` are unknown: The database" in outcome.err
