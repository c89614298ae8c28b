"""Evaluations: scored rows, gates, baselines, judges, and the remains of a killed evaluation."""

import json
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import Command, begun, environment
from tests.acceptance.workflows import app, end, fetch, node, start, template
from tests.effort import PATIENCE
from tests.page_blocks import blocks

UPPER = app(
    "Upper", [start("q"), template("up", "{{ q | upper }}", q="start.q"), end(said="up.output")], "start>up>end"
)
HELD = app(
    "Held",
    [start("q"), fetch("get", "http://shop.invalid/{{#start.q#}}"), end(said="get.body")],
    "start>get>end",
)


class Judge:
    """A server of models whose answer a test says. Counts those that are asked at once."""

    def __init__(self) -> None:
        self.answer: Callable[[str], tuple[int, str]] = lambda prompt: (200, '{"score": 1, "reason": "fine"}')
        self.prompts: list[str] = []
        self.most = self.now = 0
        self._lock = threading.Lock()
        judge = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                prompt = "".join(
                    part if isinstance(part, str) else part["text"] for part in [body["messages"][0]["content"]]
                )
                with judge._lock:
                    judge.prompts.append(prompt)
                    judge.now += 1
                    judge.most = max(judge.most, judge.now)
                status, text = judge.answer(prompt)
                with judge._lock:
                    judge.now -= 1
                message = {"role": "assistant", "content": text}
                answer = {
                    "id": "x",
                    "object": "chat.completion",
                    "model": "m",
                    "created": 1,
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
                }
                content = json.dumps(answer if status == 200 else {"error": {"message": text}}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def judge() -> Iterator[Judge]:
    server = Judge()
    yield server
    server.close()


def written(folder: Path, evaluate: str, *, flow: str = UPPER, more: str = "") -> Path:
    """A test file that is an evaluation."""
    (folder / "flow.yml").write_text(flow, encoding="utf-8")
    path = folder / "flow.test.yml"
    path.write_text(f"{more}evaluate:\n{evaluate}", encoding="utf-8")
    return path


ROWS = """\
  rows:
  - {q: 京都, wanted: 京都}
  - {q: a, wanted: A}
  - {q: b, wanted: not B}
  inputs: {q: $row.q}
"""


def test_rows_are_scored_and_gates_hold_or_do_not(jikko: Command, tmp_path: Path) -> None:
    scores = "  score: {right: {equals: $row.wanted}}\n"
    path = written(tmp_path, f"{ROWS}{scores}  gate: ['mean(right) >= 0.6', 'p95(seconds) < 60', 'sum(price) <= 0']\n")
    passed = jikko("test", path)
    assert passed.code == 0, passed.out + passed.err
    assert "right: 0.667 in the mean, 0 to 1" in passed.out

    path = written(tmp_path, f"{ROWS}{scores}  gate: ['mean(right) >= 0.9', 'min(passed) >= 1']\n")
    failed = jikko("test", path)
    assert failed.code == 1
    assert "gate[0]: expected mean(right) >= 0.9, got 0.666667" in failed.out
    assert "gate[1]" not in failed.out


def test_each_row_is_a_line_for_programs(jikko: Command, tmp_path: Path) -> None:
    path = written(tmp_path, f"{ROWS}  repeat: 2\n  score: {{right: {{equals: $row.wanted}}}}\n")

    *rows, case, summary = jikko("test", path, "--json").lines

    assert [(row["row"], row["measures"]["right"]) for row in rows] == [
        (f"row [{row}] #{number}", float(row < 3)) for row in (1, 2, 3) for number in (1, 2)
    ]
    assert case["measures"]["right"]["mean"] == pytest.approx(2 / 3)
    assert (case["case"], case["outcome"], summary["summary"]["passed"]) == ("evaluate", "passed", 1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", "q,wanted\n京都,京都\n"),
        ("rows.jsonl", '{"q": "京都", "wanted": "京都"}\n'),
        ("rows.json", '[{"q": "京都", "wanted": "京都"}]'),
    ],
)
def test_rows_come_from_files(jikko: Command, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    path = written(
        tmp_path,
        f"  rows: {name}\n  inputs: {{q: $row.q}}\n  score: {{s: {{equals: $row.wanted}}}}\n  gate: ['min(s) >= 1']\n",
    )

    assert jikko("test", path).code == 0


def test_a_program_scores_in_the_sandbox(jikko: Command, tmp_path: Path) -> None:
    [program] = [block.text for block in blocks("docs/testing.md", "python") if "def main(value, row)" in block.text]
    (tmp_path / "short.py").write_text(program, encoding="utf-8")
    path = written(tmp_path, f"{ROWS}  score: {{short: {{python: short.py}}}}\n  gate: ['min(short) >= 1']\n")
    assert jikko("test", path).code == 0

    (tmp_path / "short.py").write_text("def main(value, row):\n    return {'score': 2}\n")
    wrong = jikko("test", path)
    assert wrong.code == 1
    assert "row [1]: score.short: short.py has to return {'score': a number from 0 to 1}, not 2" in wrong.out
    assert "1 error" in wrong.out


def test_a_run_that_fails_scores_nothing(jikko: Command, tmp_path: Path) -> None:
    flow = app("Bad", [start("q"), template("t", "{{ 1 / 0 }}"), end(said="t.output")], "start>t>end")
    path = written(
        tmp_path,
        f"{ROWS}  score: {{s: {{of: said, matches: .}}}}\n  gate: ['max(s) <= 0', 'max(passed) <= 0']\n",
        flow=flow,
    )

    assert jikko("test", path).code == 0


def test_no_scorer_is_asked_about_a_run_that_failed(jikko: Command, tmp_path: Path, judge: Judge) -> None:
    flow = app("Bad", [start("q"), template("t", "{{ 1 / 0 }}"), end(said="t.output")], "start>t>end")
    (tmp_path / "polite.md").write_text("Polite?")
    (tmp_path / "first.py").write_text("def main(value, row):\n    return {'score': value['said']}\n")
    (tmp_path / "providers.yml").write_text(
        f"providers:\n  judge: {{type: openai, base_url: '{judge.url}', api_key: k}}\n"
    )
    scores = "{mild: {not: {contains: rude}}, polite: {judge: polite.md, model: judge/m}, first: {python: first.py}}"
    gates = "['max(mild) <= 0', 'max(polite) <= 0', 'max(first) <= 0']"
    path = written(tmp_path, f"{ROWS}  score: {scores}\n  gate: {gates}\n", flow=flow)

    outcome = jikko("test", path, "--providers", tmp_path / "providers.yml")

    assert outcome.code == 0, outcome.out + outcome.err
    assert judge.prompts == []


def test_rows_that_are_skipped_do_not_run(jikko: Command, tmp_path: Path) -> None:
    scores = "  score: {right: {equals: $row.wanted}}\n  gate: ['mean(right) >= 0.6']\n"
    skipped = jikko("test", written(tmp_path, f"  skip: 後で\n{ROWS}{scores}"))
    assert skipped.code == 0, skipped.out + skipped.err
    assert "- evaluate  後で" in skipped.out
    assert not skipped.has_traceback

    rows = "  rows: [{q: a, wanted: A, why: ''}, {q: b, wanted: x, why: later}]\n  inputs: {q: $row.q}\n"
    partly = jikko("test", written(tmp_path, f"  skip: $row.why\n{rows}{scores}"))
    assert partly.code == 0, partly.out + partly.err
    assert "right: 1.000 in the mean" in partly.out


def test_a_judge_sees_the_answer_and_the_row_within_the_limits_of_its_provider(
    jikko: Command, tmp_path: Path, judge: Judge
) -> None:
    (tmp_path / "polite.md").write_text("Is「$value」a polite answer to $row.q? Price: $5", encoding="utf-8")
    (tmp_path / "providers.yml").write_text(
        f"providers:\n  judge: {{type: openai, base_url: '{judge.url}', api_key: k, max_concurrent: 2}}\n"
    )
    judge.answer = lambda prompt: (200, 'Sure: {"score": 0.5, "reason": "無難"}')
    rows = "".join(f"  - {{q: 問{number}}}\n" for number in range(12))
    path = written(
        tmp_path,
        f"  rows:\n{rows}  inputs: {{q: $row.q}}\n  score: {{polite: {{judge: polite.md, model: judge/m-1}}}}\n"
        "  gate: ['mean(polite) >= 0.5']\n",
    )

    outcome = jikko("test", path, "--providers", tmp_path / "providers.yml")

    assert outcome.code == 0, outcome.out + outcome.err
    assert len(judge.prompts) == 12
    assert any(
        prompt.startswith("Is「問3」a polite answer to 問3? Price: $5\n\nAnswer with one JSON")
        for prompt in judge.prompts
    )
    assert judge.most <= 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, "I like it."), 'the judge gave no score: "I like it."'),
        ((200, '{"score": 7}'), "not from 0 to 1"),
        ((400, "no such model"), "no such model"),
    ],
)
def test_a_judge_that_fails_is_an_error_and_not_a_failure(
    jikko: Command, tmp_path: Path, judge: Judge, answer: tuple[int, str], told: str
) -> None:
    (tmp_path / "polite.md").write_text("Polite?")
    (tmp_path / "providers.yml").write_text(
        f"providers:\n  judge: {{type: openai, base_url: '{judge.url}', api_key: k}}\n"
    )
    judge.answer = lambda prompt: answer if "京都" in prompt else (200, '{"score": 1}')
    path = written(
        tmp_path, f"{ROWS}  score: {{polite: {{judge: polite.md, model: judge/m}}}}\n  gate: ['min(polite) > 1']\n"
    )

    outcome = jikko("test", path, "--providers", tmp_path / "providers.yml")

    assert outcome.code == 1
    assert "1 error" in outcome.out
    assert "failed" not in outcome.out
    assert told in outcome.out
    # What is right by now is not asked again.
    judge.answer = lambda prompt: (200, '{"score": 1}')
    asked = len(judge.prompts)
    jikko("test", path, "--providers", tmp_path / "providers.yml")
    assert len(judge.prompts) == asked + 1


def test_two_versions_are_scored_by_the_same_rows_side_by_side(jikko: Command, tmp_path: Path) -> None:
    (tmp_path / "upper.yml").write_text(UPPER, encoding="utf-8")
    (tmp_path / "lower.yml").write_text(UPPER.replace("upper }}", "lower }}"), encoding="utf-8")
    path = tmp_path / "upper.test.yml"
    path.write_text(
        "evaluate:\n  rows: [{q: Été}, {q: '実行'}]\n  inputs: {q: $row.q}\n  score: {low: {matches: '^[^A-ZÉ]+$'}}\n"
        "  gate: [no worse than baseline.json]\n",
        encoding="utf-8",
    )

    told = jikko("test", path, "--against", tmp_path / "lower.yml", "--update")

    assert "low: 1.000 in the mean, 1 to 1  (at present: 0.500 in the mean, 0 to 1)" in told.out, told.err
    assert json.loads((tmp_path / "baseline.json").read_text())["means"] == {"low": 1.0}
    [*_, case, _] = jikko("test", path, "--against", tmp_path / "lower.yml", "--json").lines
    assert case["measures"]["low"]["mean"] == 1.0
    assert (case["present"]["outcome"], case["present"]["measures"]["low"]["mean"]) == ("failed", 0.5)


def test_a_baseline_is_kept_and_compared_with(jikko: Command, tmp_path: Path) -> None:
    scores = "  score: {right: {equals: $row.wanted}}\n  gate: [no worse than base.json within 0.1]\n"
    path = written(tmp_path, ROWS + scores)
    missing = jikko("test", path)
    assert missing.code == 1
    assert "no base.json yet; `jikko test --update` writes it" in missing.out
    assert jikko("test", path, "--update").code == 0
    assert jikko("test", path).code == 0

    path = written(tmp_path, ROWS.replace("wanted: A", "wanted: x") + scores)
    worse = jikko("test", path)
    assert worse.code == 1
    assert "mean(right) is 0.333333, and was 0.666667 in base.json" in worse.out

    (tmp_path / "base.json").write_text("{")
    assert "base.json cannot be read" in jikko("test", path).out


def test_an_evaluation_that_was_killed_goes_on_where_it_was(jikko: Command, tmp_path: Path) -> None:
    # Twenty rows take a moment, and one takes long.
    rows = "".join(f"  - {{q: r{number}, t: {'r' if number else 'slow'}}}\n" for number in range(20))
    more = "http:\n- {url: {contains: r0}, text: late, delay: 30}\n- {text: quick}\n"
    path = written(
        tmp_path, f"  rows:\n{rows}  inputs: {{q: $row.q}}\n  score: {{s: {{matches: .}}}}\n", flow=HELD, more=more
    )
    journal = tmp_path / ".flow.evaluation.jsonl"
    with (tmp_path / "out").open("wb") as out:
        process = begun(["test", path], environment(jikko.home), out.fileno(), out, out)
        wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") == 20)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    with journal.open("ab") as file:
        file.write(b'{"name": "row [')
    again = path.read_text().replace("delay: 30", "delay: 0")

    # A file that changed begins anew; the same goes on.
    assert "rows were done before" not in jikko("test", path, "-k", "nothing").err
    outcome = jikko("test", path)
    assert "19 of 20 rows were done before" in outcome.err
    assert outcome.code == 0, outcome.out
    assert not journal.exists()
    path.write_text(again)
    assert jikko("test", path).code == 0


def test_rows_of_both_versions_that_are_done_are_kept_while_others_have_errors(jikko: Command, tmp_path: Path) -> None:
    more = "http:\n- {url: {contains: /a}, text: 済}\n"
    rows = "  rows: [{q: a}, {q: b}]\n  inputs: {q: $row.q}\n  score: {s: {matches: .}}\n"
    path = written(tmp_path, rows, flow=HELD, more=more)
    other = tmp_path / "other.yml"
    other.write_text(path.with_name("flow.yml").read_text() + "\n")

    first = jikko("test", path, "--against", other)
    again = jikko("test", path, "--against", other)

    assert "rows were done before" not in first.err
    assert again.err.count("1 of 2 rows were done before") == 2


def wait_until(holds: Callable[[], bool]) -> None:
    left = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        if holds():
            return
        left.wait(0.05)
    raise AssertionError("it did not come to pass")


@pytest.mark.parametrize(
    ("evaluate", "told"),
    [
        ("  inputs: {}\n", "evaluate.rows: is missing"),
        ("  rows: no.csv\n", "evaluate.rows: "),
        (f"{ROWS}  score: {{s: {{}}}}\n", "evaluate.score.s: "),
        (f"{ROWS}  score: {{s: {{equal: 1}}}}\n", "did you mean 'equals'"),
        (f"{ROWS}  score: {{s: {{matches: '['}}}}\n", "not a regular expression"),
        (f"{ROWS}  score: {{s: {{equals: $row.wnted}}}}\n", "did you mean 'wanted'"),
        (f"{ROWS}  score: {{s: {{judge: no.md, model: a/b}}}}\n", "evaluate.score.s.judge: "),
        (f"{ROWS}  score: {{s: {{judge: flow.yml}}}}\n", "PROVIDER/MODEL"),
        (f"{ROWS}  score: {{seconds: {{equals: 1}}}}\n", "evaluate.score.seconds: "),
        (f"{ROWS}  gate: [mean(right) => 1]\n", "evaluate.gate[0]: "),
        (f"{ROWS}  score: {{right: {{equals: 1}}}}\n  gate: [mean(rihgt) >= 1]\n", "did you mean 'right'"),
        (f"{ROWS}  repeat: 0\n", "evaluate.repeat: "),
        (f"{ROWS}  mocks: {{upp: {{}}}}\n", "did you mean 'up'"),
        (f"{ROWS}  turns: [{{say: a}}]\n", "evaluate.turns: "),
    ],
)
def test_what_is_wrong_is_told_with_its_place_before_anything_runs(
    jikko: Command, tmp_path: Path, evaluate: str, told: str
) -> None:
    outcome = jikko("test", written(tmp_path, evaluate))

    assert outcome.code == 2, outcome.out
    assert told in outcome.err
    assert "flow.test.yml:" in outcome.err
    assert not outcome.has_traceback


def test_calls_of_models_in_all_turns_of_a_chat_are_counted(jikko: Command, tmp_path: Path) -> None:
    answer = {"id": "answer", "data": {"type": "answer", "title": "answer", "answer": "{{#ask.text#}}"}}
    prompt = [{"role": "user", "text": "{{#sys.query#}}"}]
    model = {"provider": "p", "name": "m", "mode": "chat", "completion_params": {}}
    asked = node("ask", "llm", model=model, prompt_template=prompt, context={"enabled": False, "variable_selector": []})
    nodes = [node("start", "start", variables=[]), asked, answer]
    path = written(
        tmp_path,
        "  rows: [{q: 卵}]\n  outside: fake\n  turns: [{say: hello}, {say: $row.q}]\n"
        "  gate: ['min(model_calls) >= 2', 'max(model_calls) <= 2']\n",
        flow=app("Chat", nodes, "start>ask>answer", mode="advanced-chat"),
    )

    assert jikko("test", path).code == 0


def test_a_chat_is_scored_by_its_last_answer(jikko: Command, tmp_path: Path) -> None:
    answer = {"id": "answer", "data": {"type": "answer", "title": "answer", "answer": "you said {{#sys.query#}}"}}
    flow = app("Chat", [node("start", "start", variables=[]), answer], "start>answer", mode="advanced-chat")
    path = written(
        tmp_path,
        "  rows: [{q: 卵}]\n  turns: [{say: hello}, {say: $row.q}]\n"
        "  score: {s: {equals: you said $row.q}}\n  gate: ['min(s) >= 1']\n",
        flow=flow,
    )

    assert jikko("test", path).code == 0
