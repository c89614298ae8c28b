"""``jikko run`` for scripts: inputs, errors, exit codes; and without keys."""

import json
import os
import pty
import select
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import JIKKO, Command, begun, environment
from tests.acceptance.workflows import ASKS, ECHO, app, end, fetch, form, iteration, node, python, start, template

LLM = node(
    "Draft",
    "llm",
    model={"provider": "langgenius/openai/openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}},
    prompt_template=[{"role": "user", "text": "Answer {{#start.q#}}"}],
    context={"enabled": False, "variable_selector": []},
    vision={"enabled": False},
)
FAILS = app(
    "Fails",
    [start("q"), python("bad", "def main():\n    return 1 / 0\n", {"x": "string"}), end(x="bad.x")],
    "start>bad bad>end",
)


def written(folder: Path, text: str) -> Path:
    path = folder / "flow.yml"
    path.write_text(text, encoding="utf-8")
    return path


def typed(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"variable": name, "label": name, "type": kind, "required": True, **more}


def with_inputs(*variables: dict[str, Any], **outputs: str) -> str:
    return app("Typed", [node("start", "start", variables=list(variables)), end(**outputs)], "start>end")


def test_json_given_for_a_text_is_handed_on_as_the_text(jikko: Command, tmp_path: Path) -> None:
    outcome = jikko("run", written(tmp_path, ECHO), "-i", 'q={"a":"hello"}')

    assert (outcome.code, json.loads(outcome.out)) == (0, {"q": '{"a":"hello"}'})


def test_all_missing_inputs_are_told_at_once_with_a_line_that_would_run(jikko: Command, tmp_path: Path) -> None:
    file = written(tmp_path, with_inputs(typed("pieces", "number"), typed("country", "text-input", max_length=2)))

    outcome = jikko("run", file, "-i", "piece=1")

    assert (outcome.code, outcome.out) == (3, "")
    assert "no input 'piece' (did you mean 'pieces'?)" in outcome.err
    assert "missing inputs: pieces (number), country (text, at most 2 characters)" in outcome.err
    assert f"Example: jikko run {file} -i pieces=1 -i country=te" in outcome.err


def test_a_file_of_this_machine_is_an_input_and_so_is_the_text_in_one(jikko: Command, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("a,b\n1,2\n")
    (tmp_path / "note.txt").write_text("行 🚀")
    reads = node("doc", "document-extractor", variable_selector=["start", "File"], is_array_file=False)
    several = typed("Files", "file-list", max_length=3)
    variables = [typed("File", "file", allowed_file_types=["document"]), typed("note", "paragraph"), several]
    file = written(
        tmp_path,
        app(
            "Files",
            [
                node("start", "start", variables=variables),
                reads,
                end(doc="doc.text", note="start.note", files="start.Files"),
            ],
            "start>doc doc>end",
        ),
    )
    sales = f"@{tmp_path / 'sales.csv'}"

    outcome = jikko(
        "run",
        file,
        "-i",
        f"File={sales}",
        "-i",
        f"note=@{tmp_path / 'note.txt'}",
        "-i",
        f"Files={sales}",
        "-i",
        f"Files={sales}",
    )

    assert outcome.code == 0, outcome
    outputs = json.loads(outcome.out)
    assert "1" in outputs["doc"]
    assert outputs["note"] == "行 🚀"
    assert [entry["filename"] for entry in outputs["files"]] == ["sales.csv", "sales.csv"]


def test_a_file_that_is_not_there_is_a_wrong_input(jikko: Command, tmp_path: Path) -> None:
    outcome = jikko("run", written(tmp_path, with_inputs(typed("F", "file"), x="start.F")), "-i", "F=@/nowhere.csv")

    assert (outcome.code, outcome.has_traceback) == (3, False)
    assert "input 'F' cannot be read from /nowhere.csv: No such file or directory" in outcome.err


def test_a_file_that_the_input_does_not_take_is_told_with_what_it_takes(jikko: Command, tmp_path: Path) -> None:
    (tmp_path / "flow.zip").write_bytes(b"PK")
    variables = [
        typed("paper", "file", allowed_file_types=["document", "image"]),
        typed("log", "file", allowed_file_types=["custom"], allowed_file_extensions=[".log"]),
        typed("link", "file", allowed_file_types=["custom"], allowed_file_upload_methods=["remote_url"]),
    ]
    file = written(tmp_path, with_inputs(*variables, x="start.paper"))
    zip = tmp_path / "flow.zip"

    outcome = jikko("run", file, "-i", f"paper=@{zip}", "-i", f"log=@{zip}", "-i", f"link=@{zip}")

    assert (outcome.code, outcome.has_traceback) == (3, False)
    assert f"input 'paper' cannot be {zip}: expected a file of type document or image" in outcome.err
    assert f"input 'log' cannot be {zip}: expected a file that ends in .log" in outcome.err
    assert f"input 'link' cannot be {zip}: expected an http address" in outcome.err


def test_what_is_no_json_is_told_by_its_place(jikko: Command, tmp_path: Path) -> None:
    file = written(tmp_path, ECHO)
    (tmp_path / "inputs.json").write_text('{"q":\n x}')

    outcomes = [
        jikko("run", file, "--inputs", "{q: 1}"),
        jikko("run", file, "--inputs", tmp_path / "inputs.json"),
        jikko("run", file, "--mock", "End={"),
    ]

    assert [outcome.code for outcome in outcomes] == [2, 2, 2]
    for outcome, place in zip(outcomes, ("line 1, column 2", "line 2, column 2", "line 1, column 2"), strict=True):
        assert f"is not JSON ({place})" in outcome.err
        assert "Expecting" not in outcome.err


def test_the_workflow_and_the_inputs_come_from_standard_input(jikko: Command, tmp_path: Path) -> None:
    def piped(text: str, *arguments: str | Path) -> Any:
        outcome = jikko("run", *arguments, given=text)
        assert outcome.code == 0, outcome
        return json.loads(outcome.out)

    assert piped(ECHO, "-", "-i", "q=x") == {"q": "x"}
    assert piped('{"q": "y"}', written(tmp_path, ECHO), "--inputs", "-") == {"q": "y"}
    assert piped("z", written(tmp_path, ECHO), "-i", "q=@-") == {"q": "z"}


def test_a_failed_run_prints_nothing_to_standard_output_and_its_error_once(jikko: Command, tmp_path: Path) -> None:
    outcome = jikko("run", written(tmp_path, FAILS))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("division by zero") == 1


def test_with_json_an_error_is_json_on_standard_error(jikko: Command, tmp_path: Path) -> None:
    failed = jikko("run", written(tmp_path, FAILS), "--json")
    error = json.loads(failed.err.splitlines()[-1])
    assert (failed.code, error["code"], "division by zero" in error["message"]) == (1, "run_failed", True)
    assert failed.lines[-1]["event"] == "run_finished"

    missing = jikko("run", written(tmp_path, with_inputs(typed("n", "number"), x="start.n")), "--json")
    assert (missing.code, missing.out) == (3, "")
    assert json.loads(missing.err) == {
        "code": "invalid_param",
        "message": "missing input: n (number)",
        "hint": f"Example: jikko run {tmp_path / 'flow.yml'} -i n=1",
    }
    wrong = jikko("run", "--nonsense", "--json")
    assert (wrong.code, json.loads(wrong.err)["code"]) == (2, "usage")


def test_a_file_that_is_no_workflow_is_named_as_it_was_given(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("# hello")
    for given in (file, Path("/dev/null")):
        outcome = jikko("run", given)
        assert (outcome.code, f"Error: {given}: 1 problem" in outcome.err) == (8, True)
        imported = jikko("apps", "import", given)
        assert (imported.code, f"not imported: {given}: 1 problem" in imported.err) == (8, True)
        served = jikko("serve", "--port", "0", given)
        assert (served.code, f"Error: {given}: 1 problem" in served.err) == (8, True)
    gone = jikko("run", tmp_path / "nofile.yml")
    assert (gone.code, "nofile.yml: cannot be read: No such file or directory" in gone.err) == (2, True)


def test_what_is_wrong_with_a_file_is_named_with_its_line_wherever_the_file_is_taken(
    jikko: Command, tmp_path: Path
) -> None:
    file = written(tmp_path, app("日本", [start("q"), node("Draft", "lmm"), end(x="start.q")], "start>Draft Draft>end"))
    line = next(n for n, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1) if "lmm" in text)
    for command in (("run",), ("apps", "import"), ("serve", "--port", "0")):
        outcome = jikko(*command, file)
        assert (outcome.code, f"  line {line}, column " in outcome.err) == (8, True), outcome


@pytest.mark.parametrize(
    ("number", "code", "by"),
    [(signal.SIGTERM, 143, "SIGTERM"), (signal.SIGHUP, 129, "SIGHUP"), (signal.SIGINT, 130, "Ctrl-C")],
)
def test_a_signal_stops_the_run_in_good_order_and_its_end_is_told(
    jikko: Command, tmp_path: Path, echo: EchoServer, number: signal.Signals, code: int, by: str
) -> None:
    file = written(tmp_path, app("H", [start(), fetch("wait", f"{echo.url}/hold/{by}"), end()], "start>wait wait>end"))
    command = [str(JIKKO), "run", str(file), "--json"]
    process = subprocess.Popen(command, env=environment(jikko.home), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    echo.wait_for_calls(f"/hold/{by}")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert process.returncode == code
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["error"]) == ("run_finished", f"Workflow run was stopped by user cli ({by}).")
    assert json.loads(err)["message"] == f"stopped by {by}"


def test_a_run_that_takes_longer_than_it_may_has_a_code_of_its_own(
    jikko: Command, tmp_path: Path, echo: EchoServer
) -> None:
    file = written(tmp_path, app("H", [start(), fetch("w", f"{echo.url}/hold/time"), end()], "start>w w>end"))

    outcome = jikko("run", file, "--timeout", "0.3")

    assert (outcome.code, outcome.out) == (6, "")


def test_models_are_faked_without_a_key_and_the_record_says_so(jikko: Command, tmp_path: Path) -> None:
    file = written(tmp_path, app("L", [start("q"), LLM, end(x="Draft.text")], "start>Draft Draft>end"))

    outcome = jikko("run", file, "-i", "q=why", "--fake-models", "--json")

    assert outcome.code == 0, outcome
    assert outcome.lines[-1]["outputs"] == {"x": "[fake answer of openai/gpt-4o] Answer why"}
    assert len([line for line in outcome.lines if line["event"] == "text_chunk" and line["text"]]) > 2
    [record] = [line for line in outcome.lines if line["event"] == "node_finished" and line["node_id"] == "Draft"]
    assert record["process_data"]["fake_model"] is True


def test_a_node_is_mocked_by_its_title_from_the_line_or_from_a_file(jikko: Command, tmp_path: Path) -> None:
    file = written(tmp_path, app("L", [start("q"), LLM, end(x="Draft.text")], "start>Draft Draft>end"))
    (tmp_path / "answer.json").write_text('{"text": "見本"}', encoding="utf-8")

    for mock in ('Draft={"text": "見本"}', f"Draft=@{tmp_path / 'answer.json'}"):
        assert json.loads(jikko("run", file, "-i", "q=x", "--mock", mock).out) == {"x": "見本"}
    failed = jikko("run", file, "-i", "q=x", "--mock", 'Draft={"error": "no luck"}')
    assert (failed.code, failed.out, failed.err.count("no luck")) == (1, "", 1)
    unknown = jikko("run", file, "-i", "q=x", "--mock", "Darft={}")
    assert (unknown.code, "did you mean 'Draft'?" in unknown.err) == (2, True)
    assert jikko("run", file, "--mock", "Draft=[1]").code == 2


def test_colors_are_off_and_on_as_the_environment_says(jikko: Command, tmp_path: Path) -> None:
    file = written(tmp_path, ECHO)

    assert "\x1b[" not in jikko("run", file, "-i", "q=x").err
    assert "\x1b[32m" in jikko("run", file, "-i", "q=x", FORCE_COLOR="1").err
    assert "\x1b[" not in on_terminal(jikko, "run", file, "-i", "q=x", NO_COLOR="1").replace("\x1b[2K", "")
    assert "\x1b" not in on_terminal(jikko, "run", file, "-i", "q=x", TERM="dumb")
    assert "\x1b[32m" in on_terminal(jikko, "run", file, "-i", "q=x")


def test_a_terminal_shows_a_clock_rounds_and_the_text_that_comes(jikko: Command, tmp_path: Path) -> None:
    items = python("items", "def main():\n    return {'r': ['a', 'b', 'c']}\n", {"r": "array[string]"})
    rounds = iteration("each", "items.r", "slow.output", template("slow", "{{ i }}", i="each.item"))
    file = written(
        tmp_path,
        app("L", [start("q"), items, *rounds, LLM, end(x="Draft.text")], "start>items items>each each>Draft Draft>end"),
    )

    output = on_terminal(jikko, "run", file, "-i", "q=why", "--fake-models")

    assert "│ [fake answer of openai/gpt-4o] Answer why" in output
    assert "3/3" in output
    assert "⋯ " in output
    assert all(len(line.rpartition("\r")[2]) < 200 for line in output.splitlines())


def test_a_form_without_a_terminal_ends_with_its_own_code_and_says_how_to_go_on(jikko: Command, tmp_path: Path) -> None:
    outcome = jikko("run", written(tmp_path, ASKS), "-i", "q=x")

    assert (outcome.code, outcome.out) == (5, "")
    assert "the run waits for ask" in outcome.err
    assert "--keep" in outcome.err


def test_on_a_terminal_the_form_is_asked_for(jikko: Command, tmp_path: Path) -> None:
    output = on_terminal(
        jikko, "run", written(tmp_path, ASKS), "-i", "q=cats", answers=[("comment: ", "すごい"), ("action ", "yes")]
    )

    assert "About cats" in output
    assert '"said": "すごい"' in output


def test_a_kept_run_goes_on_after_its_form_was_submitted(jikko: Command, tmp_path: Path) -> None:
    paused = jikko("run", written(tmp_path, ASKS), "-i", "q=x", "--keep")
    assert paused.code == 5
    [entry] = jikko.json("runs", "list", "--status", "paused")
    run_id = entry["workflow_run_id"]
    assert f"jikko runs submit {run_id} -i comment=… --action yes" in paused.err
    [form] = jikko.json("runs", "forms", run_id[:13])
    assert form["form_content"].startswith("About x")

    unclear = jikko("runs", "submit", run_id, "-i", "comment=fine")
    assert (unclear.code, "yes (Yes), no (No)" in unclear.err) == (3, True)
    incomplete = jikko("runs", "submit", run_id, "--action", "yes", "--form", "ask")
    assert incomplete.code == 3
    # As it is, but for the text: it left the action and the form out, and would have been refused.
    assert f"Example: jikko runs submit {run_id} --form ask --action yes -i comment=text\n" in incomplete.err
    done = jikko("runs", "submit", run_id, "-i", "comment=fine", "--action", "yes")

    assert done.code == 0, done
    [shown] = jikko.json("runs", "show", run_id)
    assert (shown["status"], shown["outputs"]) == ("succeeded", {"said": "fine"})
    again = jikko("runs", "submit", run_id, "-i", "comment=fine", "--action", "yes")
    assert (again.code, "does not wait for a form" in again.err) == (9, True)


def test_the_commands_to_go_on_name_the_form_if_there_are_several(jikko: Command, tmp_path: Path) -> None:
    two = app("二つ", [start(), form("a", "A"), form("b", "B"), end()], "start>a start>b a:yes>end b:yes>end")
    paused = jikko("run", written(tmp_path, two), "--keep")
    [entry] = jikko.json("runs", "list")
    run_id = entry["workflow_run_id"]
    forms = jikko.json("runs", "forms", run_id)

    for asked in forms:
        command = f"jikko runs submit {run_id} --form {asked['form_id']} -i comment=… --action yes\n"
        assert command in paused.err
        assert command in jikko("runs", "forms", run_id).out
    for asked in forms:
        ended = jikko("runs", "submit", run_id, "--form", asked["form_id"], "-i", "comment=ja", "--action", "yes")
    assert ended.code == 0, ended


def on_terminal(jikko: Command, *arguments: str | Path, answers: Any = (), **settings: str) -> str:
    """What a command shows on a terminal of 80 columns, and prints there; questions are answered in order."""
    controller, terminal = pty.openpty()
    environment_ = {**environment(jikko.home, TERM="xterm", COLUMNS="80"), **settings}
    for name in ("NO_COLOR", "FORCE_COLOR"):
        if name not in settings:
            environment_.pop(name, None)
    process = begun(arguments, environment_, terminal, terminal, terminal)
    os.close(terminal)
    output, open_answers = b"", list(answers)
    while True:
        ready, _, _ = select.select([controller], [], [], 60)
        assert ready, f"nothing came: {output!r}"
        try:
            piece = os.read(controller, 1 << 16)
        except OSError:
            piece = b""
        if not piece:
            break
        output += piece
        if open_answers and open_answers[0][0].encode() in output.rpartition(b"\n")[2]:
            os.write(controller, f"{open_answers.pop(0)[1]}\n".encode())
    os.close(controller)
    process.wait(60)
    return output.decode()
