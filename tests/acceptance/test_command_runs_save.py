"""``jikko runs save``: a test of a recorded run passes, and fails when the workflow does otherwise."""

import json
from pathlib import Path

from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command
from tests.acceptance.workflows import app, end, fetch, form, node, python, start, template, with_environment


def test_a_run_with_requests_and_a_form_is_a_test_without_either(
    jikko: Command, tmp_path: Path, echo: EchoServer
) -> None:
    retried = {"retry_config": {"retry_enabled": True, "max_retries": 1, "retry_interval": 0}}
    nodes = [
        start("q"),
        fetch("get", echo.url + "/{{#start.q#}}", **retried),
        form("Ask", "Fine?"),
        template("made", "{{ c }} 🚑 {{ q }}", c="Ask.comment", q="start.q"),
        end(x="made.output", b="get.body"),
    ]
    flow = tmp_path / "flow.yml"
    flow.write_text(app("Asks", nodes, "start>get>Ask Ask:yes>made made>end"), encoding="utf-8")
    assert jikko("run", flow, "-i", "q=円", "--keep", JIKKO_HTTP_ALLOW="127.0.0.1").code == 5
    run_id = json.loads(jikko("runs", "list", "--json").out)["workflow_run_id"]
    submitted = jikko("runs", "submit", run_id, "-i", "comment=@@all 良い", "--action", "yes")
    assert submitted.code == 0, submitted.err

    saved = jikko("runs", "save", run_id, "--to", tmp_path / "kept" / "asked.test.yml")

    assert saved.code == 0, saved.err
    assert "outputs of get, form Ask" in saved.err
    outcome = jikko("test", tmp_path / "kept")
    assert outcome.code == 0, outcome.out
    copy = tmp_path / "kept" / "asked.yml"
    copy.write_text(copy.read_text(encoding="utf-8").replace("🚑", "!"), encoding="utf-8")
    outcome = jikko("test", tmp_path / "kept")
    assert (outcome.code, "outputs: expected equals" in outcome.out) == (1, True)


def test_a_run_that_failed_is_a_test_that_fails_in_the_same_way(jikko: Command, tmp_path: Path) -> None:
    flow = tmp_path / "flow.yml"
    nodes = [start("q"), python("bad", "def main():\n    return 1 / 0\n", {"x": "string"}), end(x="bad.x")]
    flow.write_text(app("Fails", nodes, "start>bad>end"), encoding="utf-8")
    assert jikko("run", flow, "--keep").code == 1
    run_id = json.loads(jikko("runs", "list", "--json").out)["workflow_run_id"]

    file = tmp_path / "kept" / "failed.test.yml"
    assert jikko("runs", "save", run_id[:13], "--to", file, "--workflow", flow).code == 0

    assert "workflow: ../flow.yml\n" in file.read_text(encoding="utf-8")
    outcome = jikko("test", file)
    assert outcome.code == 0, outcome.out


def test_a_failure_that_a_branch_handled_is_saved_with_its_type(jikko: Command, tmp_path: Path) -> None:
    nodes = [start("q"), fetch("gone", "http://127.0.0.1:1/", error_strategy="fail-branch"), end(x="gone.error_type")]
    flow = tmp_path / "flow.yml"
    flow.write_text(app("Gone", nodes, "start>gone gone:fail-branch>end"), encoding="utf-8")
    assert jikko("run", flow, "--keep", JIKKO_HTTP_ALLOW="127.0.0.1").code == 0
    run_id = json.loads(jikko("runs", "list", "--json").out)["workflow_run_id"]

    assert jikko("runs", "save", run_id, "--to", tmp_path / "kept" / "gone.test.yml").code == 0

    outcome = jikko("test", tmp_path / "kept")
    assert outcome.code == 0, outcome.out


def test_files_of_the_inputs_are_saved_with_the_test(jikko: Command, tmp_path: Path) -> None:
    variable = {
        "variable": "f",
        "label": "f",
        "type": "file",
        "required": True,
        "allowed_file_types": ["document"],
        "allowed_file_upload_methods": ["local_file"],
    }
    extractor = node("read", "document-extractor", variable_selector=["start", "f"], is_array_file=False)
    nodes = [node("start", "start", variables=[variable]), extractor, end(t="read.text")]
    flow, given = tmp_path / "flow.yml", tmp_path / "手紙.txt"
    flow.write_text(app("Reads", nodes, "start>read>end"), encoding="utf-8")
    given.write_text("拝啓 🚑", encoding="utf-8")
    assert jikko("run", flow, "-i", f"f=@{given}", "--keep").code == 0
    run_id = json.loads(jikko("runs", "list", "--json").out)["workflow_run_id"]

    saved = jikko("runs", "save", run_id, "--to", tmp_path / "kept" / "reads.test.yml")

    assert saved.code == 0, saved.err
    hidden = ("--redact", "--hide", "手紙")
    assert jikko("runs", "save", run_id, "--to", tmp_path / "kept" / "手紙.test.yml", *hidden).code == 0
    given.unlink()
    outcome = jikko("test", tmp_path / "kept")
    assert outcome.code == 0, outcome.out


def test_nothing_is_overwritten(jikko: Command, tmp_path: Path) -> None:
    flow = tmp_path / "flow.yml"
    flow.write_text(app("Echo", [start("q"), end(q="start.q")], "start>end"), encoding="utf-8")
    assert jikko("run", flow, "--keep").code == 0
    run_id = json.loads(jikko("runs", "list", "--json").out)["workflow_run_id"]
    (tmp_path / "a.test.yml").touch()

    for name in ("a.test.yml", "flow.test.yml"):
        assert jikko("runs", "save", run_id, "--to", tmp_path / name).code == 9
    assert jikko("runs", "save", run_id, "--to", tmp_path / "a.yml").code == 2


def test_secrets_of_the_workflow_are_not_saved(jikko: Command, tmp_path: Path) -> None:
    text = app("Secret", [start("q"), end(q="start.q")], "start>end")
    flow = tmp_path / "flow.yml"
    flow.write_text(with_environment(text, KEY=("secret", "sk-鍵-0123"), PLAIN=("string", "円 🚑")), encoding="utf-8")
    assert jikko("run", flow, "--keep").code == 0
    run_id = json.loads(jikko("runs", "list", "--json").out)["workflow_run_id"]

    saved = jikko("runs", "save", run_id, "--to", tmp_path / "kept" / "secret.test.yml")

    assert "secrets are not saved" in saved.err
    assert "give values for KEY" in saved.err
    assert not any("sk-" in path.read_text(encoding="utf-8") for path in (tmp_path / "kept").iterdir())
    assert "円 🚑" in (tmp_path / "kept" / "secret.yml").read_text(encoding="utf-8")
    assert jikko("test", tmp_path / "kept").code == 0


def test_data_of_people_gets_stand_ins_and_the_test_still_passes(jikko: Command, tmp_path: Path) -> None:
    code = "def main(q):\n    return {'x': '@' + q.split(' ')[0].lower()}\n"
    nodes = [start("q"), python("first", code, {"x": "string"}, q="start.q"), end(x="first.x")]
    flow = tmp_path / "flow.yml"
    flow.write_text(app("Finds", nodes, "start>first>end"), encoding="utf-8")
    assert jikko("run", flow, "-i", "q=Anna@X.com 花子 03-1234-5678", "--keep").code == 0
    run_id = json.loads(jikko("runs", "list", "--json").out)["workflow_run_id"]
    file = tmp_path / "kept" / "finds.test.yml"

    saved = jikko("runs", "save", run_id, "--to", file, "--redact", "--hide", "花子")

    assert "masked: e-mail addresses (1), texts to hide (1), telephone numbers (1); names" in saved.err
    text = file.read_text(encoding="utf-8")
    assert "person1@example.com hidden1 00-0000-0001" in text
    assert not any(each in text.lower() for each in ("anna", "花子", "1234"))
    assert jikko("test", file).code == 0
    assert jikko("runs", "save", run_id, "--to", tmp_path / "a.test.yml", "--hide", "花子").code == 2


def test_runs_of_several_versions_are_saved_for_a_workflow_that_is_named(jikko: Command, tmp_path: Path) -> None:
    flow = tmp_path / "flow.yml"
    for text in ("一", "二"):
        nodes = [start("q"), template("made", text, q="start.q"), end(q="start.q")]
        flow.write_text(app("Versions", nodes, "start>made>end"), encoding="utf-8")
        assert jikko("run", flow, "-i", "q=x", "--keep").code == 0
    runs = [json.loads(line)["workflow_run_id"] for line in jikko("runs", "list", "--json").out.splitlines()]

    refused = jikko("runs", "save", *runs, "--to", tmp_path / "both.test.yml")

    assert (refused.code, "of several versions" in refused.err) == (2, True)
    assert jikko("runs", "save", *runs, "--to", tmp_path / "both.test.yml", "--workflow", flow).code == 0
    assert jikko("test", tmp_path / "both.test.yml").code == 0


def test_a_run_that_was_stopped_is_no_test(jikko: Command, tmp_path: Path) -> None:
    flow = tmp_path / "flow.yml"
    nodes = [start("q"), form("Ask", "Fine?"), end("yes"), end("no")]
    flow.write_text(app("Asks", nodes, "start>Ask Ask:yes>yes Ask:no>no"), encoding="utf-8")
    assert jikko("run", flow, "--keep").code == 5
    run_id = json.loads(jikko("runs", "list", "--json").out)["workflow_run_id"]
    assert jikko("runs", "stop", run_id).code == 0

    refused = jikko("runs", "save", run_id, "--to", tmp_path / "a.test.yml")

    assert (refused.code, "cannot be made a test: it was stopped" in refused.err) == (2, True)
