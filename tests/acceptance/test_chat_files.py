"""Chat files in the process of a command: ``jikko chat FILE`` and ``jikko run FILE -q``."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.acceptance.processes import JIKKO, Command, Outcome, environment
from tests.acceptance.terminal import Terminal
from tests.acceptance.workflows import app, node, start

MODEL = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
UPLOAD = {"enabled": True, "allowed_file_upload_methods": ["local_file"], "number_limits": 3}
BANNED = {
    "enabled": True,
    "type": "keywords",
    "config": {"keywords": "bad", "inputs_config": {"enabled": True, "preset_response": "not that"}},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talk.yml"
    prompt = [{"role": "user", "text": "{{#sys.query#}}"}]
    llm = node("llm", "llm", model=MODEL, prompt_template=prompt, context={"enabled": False}, vision={"enabled": False})
    answer = "{{#sys.dialogue_count#}}: {{#llm.text#}} {{#sys.files#}} 🙂"
    nodes = [start(), llm, node("reply", "answer", answer=answer)]
    features = {"file_upload": UPLOAD, "sensitive_word_avoidance": BANNED, "opening_statement": "ようこそ"}
    path.write_text(app("Talk", nodes, "start>llm llm>reply", mode="advanced-chat", features=features))
    return path


def piped(home: Path, lines: str, arguments: Sequence[str | Path]) -> Outcome:
    return Command(home)("chat", *arguments, given=lines)


def test_a_file_is_talked_with_and_nothing_is_kept(file: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"

    outcome = piped(home, "今日は\nand bad\nonce more\n", [file, "-", "--fake-models"])

    assert (outcome.code, outcome.err) == (0, "")
    first, second, third = outcome.out.splitlines()
    assert first.startswith("1: [fake answer of openai/gpt-4o] 今日は")
    assert second == "not that"
    assert third.startswith("3: ")
    assert not (home / "jikko.db").exists()


def test_a_file_is_talked_with_on_a_terminal(file: Path, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("a note")
    with Terminal(tmp_path / "home", ["chat", file, "--fake-models"]) as terminal:
        terminal.wait_for("ようこそ")
        terminal.wait_for("> ")
        terminal.say(f"see @{tmp_path}/note.txt")
        terminal.wait_for("1: [fake answer")
        terminal.wait_for("note.txt")
        terminal.wait_for("🙂\r\n")
        terminal.wait_for("> ")
        terminal.type("not")
        terminal.wait_for("not")
        terminal.interrupt_until("Ctrl-D")
        terminal.wait_for("> ")
        terminal.say("again")
        terminal.wait_for("2: [fake answer")


def test_an_app_of_the_data_folder_is_talked_with_and_all_is_kept(jikko: Command, file: Path) -> None:
    jikko("apps", "import", file)

    outcome = piped(jikko.home, "one\n", ["-", "--app", "Talk", "--fake-models", "--json"])

    [turn] = outcome.lines
    assert outcome.code == 0
    assert turn["answer"].startswith("1: ")
    again = piped(jikko.home, "two\n", ["--app", "Talk", "--fake-models", "--conversation", turn["conversation_id"]])
    assert again.out.startswith("2: ")
    assert [run["status"] for run in jikko.json("runs", "list")] == ["succeeded"] * 2
    assert len(jikko.json("apps", "keys", "Talk")) == 1


@pytest.mark.parametrize("name", ["-お茶 会.yml", "$(tea) 'x'.yml"])
def test_the_example_of_what_is_missing_said_file_for_any_app(jikko: Command, tmp_path: Path, name: str) -> None:
    nodes = [start("cup", required=True), node("a", "answer", answer="x")]
    asks = app("-Tea 'x'", nodes, "start>a", mode="advanced-chat")
    (tmp_path / name).write_text(asks, encoding="utf-8")
    jikko("apps", "import", tmp_path / name)
    for given in ([f"./{name}", "-"], ["-", "--app=-Tea 'x'"]):
        missing = shell(jikko, tmp_path, "jikko", "chat", *given)
        assert missing.code == 3, missing
        [example] = [line for line in missing.err.splitlines() if "Example: " in line]

        # What it shows, typed into a shell, is right.
        typed = shell(jikko, tmp_path, "sh", "-c", example.partition("Example: ")[2])
        assert (typed.code, typed.out) == (0, "x\n"), typed


def shell(jikko: Command, folder: Path, *command: str) -> Outcome:
    """A command in a folder, with one question at its standard input."""
    settings = environment(jikko.home, PATH=f"{JIKKO.parent}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(
        command, cwd=folder, env=settings, input=b"hello\n", capture_output=True, timeout=60, check=False
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize(("text", "code"), [("app: {}", 8), (None, 2)])
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str | None, code: int) -> None:
    broken = tmp_path / "broken.yml"
    if text is not None:
        broken.write_text(text)

    outcome = piped(tmp_path / "home", "one\n", [broken])

    assert outcome.code == code
    assert not outcome.has_traceback


def test_one_question_is_asked_and_the_answer_is_printed(jikko: Command, file: Path, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("a note")

    outcome = jikko("run", file, "-q", f"what is in @{tmp_path}/note.txt", "--fake-models")
    banned = jikko("run", file, "-q", "bad", "--fake-models")
    events = jikko("run", file, "-q", "hi", "--fake-models", "--json").lines

    assert outcome.code == 0
    assert outcome.out.startswith("1: [fake answer of openai/gpt-4o] what is in")
    assert "note.txt" in outcome.out
    assert "run succeeded" in outcome.err
    assert (banned.code, banned.out) == (0, "not that\n")
    assert events[-1]["event"] == "run_finished"


def test_a_question_and_a_chat_belong_together(jikko: Command, file: Path, tmp_path: Path) -> None:
    workflow = tmp_path / "flow.yml"
    workflow.write_text(app("Flow", [start(), node("end", "end", outputs=[])], "start>end"))

    without, needless = jikko("run", file), jikko("run", workflow, "-q", "hi")
    missing = jikko("run", file, "-q", "see @no.pdf", "--fake-models")

    assert (without.code, "jikko chat" in without.err) == (3, True)
    assert needless.code == 2
    assert missing.code == 3


def test_a_question_without_an_answer_fails(jikko: Command, file: Path) -> None:
    outcome = jikko("run", file, "-q", "hi", "--json")

    assert (outcome.code, json.loads(outcome.err.splitlines()[-1])["code"]) == (1, "run_failed")
