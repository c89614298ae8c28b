"""Workflows that a Python program runs itself."""

import asyncio
import gc
import resource
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from jikko import InvalidDocument, InvalidParam, RunEvent, load
from jikko.assemble.assembly import Assembly
from tests.acceptance.workflows import ASKS, ECHO, app, end, fetch, python, start, template, with_environment
from tests.page_blocks import ROOT

TRIAGE = ROOT / "examples" / "support-triage.yml"


def written(folder: Path, text: str) -> Path:
    path = folder / "流れ.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_run_has_outputs_path_and_log() -> None:
    flow = load(TRIAGE)
    seen: list[RunEvent] = []

    run = flow.run({"message": "down! 円 🙂", "plan": "pro"}, on_event=seen.append).checked()

    assert (flow.mode, flow.problems) == ("workflow", [])
    assert run.outputs["score"] == 4
    assert run.path[:3] == ("Message", "Score", "How urgent?")
    assert run.steps == 6
    assert list(run.events) == seen
    assert [event.id for event in seen] == list(range(len(seen)))
    assert seen[-1].data["outputs"] == run.outputs


def test_mocks_stand_for_nodes_as_in_a_test_file() -> None:
    with load(TRIAGE) as flow:
        scores = [
            flow.run({"message": "x", "plan": "pro"}, mocks={"Score": {"outputs": {"score": score, "found": []}}}).path
            for score in (0, 9)
        ]

    assert "Page the engineer" not in scores[0]
    assert "Page the engineer" in scores[1]


def test_runs_of_an_open_flow_may_be_at_once(tmp_path: Path) -> None:
    flow = load(written(tmp_path, ECHO))

    async def main() -> list[Any]:
        async with flow:
            return await asyncio.gather(*(flow.run_async({"q": f"{number} 円"}) for number in range(20)))

    runs = asyncio.run(main())

    assert [run.outputs["q"] for run in runs] == [f"{number} 円" for number in range(20)]
    assert len({run.id for run in runs}) == 20


def test_the_clock_begins_anew_for_each_run(tmp_path: Path) -> None:
    moment = "2026-11-30T09:00:00+09:00"
    begins = datetime.fromisoformat(moment).timestamp()
    with load(written(tmp_path, FETCH)) as flow:
        slow = flow.run({}, outside="refuse", http=[{"text": "a", "delay": 3}], clock=moment)
        quick = flow.run({}, outside="refuse", http=[{"text": "b"}], clock=moment)

    assert slow.seconds >= 3
    assert 0 <= quick.events[0].data["at"] - begins < 3


def test_nothing_of_a_run_stays_in_an_open_flow(tmp_path: Path) -> None:
    with load(written(tmp_path, FETCH)) as flow:

        def run(number: int) -> None:
            large = f"{number}{'円' * 300_000}"
            assert flow.run({}, mocks={"get": {"outputs": {"body": large}}}).outputs == {"x": large}

        for number in range(5):
            run(number)
        before = resident()
        for number in range(60):
            run(number + 5)

        # Each has 0.9 MB in its mock, and more in its log.
        assert resident() - before < 100_000_000


def test_services_that_ran_a_form_that_times_out_do_not_stay(tmp_path: Path) -> None:
    before = assemblies()
    with load(written(tmp_path, ASKS)) as flow:
        for _ in range(3):
            assert flow.run({"q": "a"}, forms={"ask": "timeout"}).path == ("start", "ask")

        assert assemblies() <= before


def assemblies() -> int:
    """How many there are in this process."""
    gc.collect()
    return sum(type(each) is Assembly for each in gc.get_objects())


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_chat_is_asked(tmp_path: Path) -> None:
    assert load(ROOT / "examples" / "shopping-list.yml").run(question="milk and 卵").answer == (
        "Noted. On your list: 2\n- milk\n- 卵"
    )


def test_texts_stay_as_they_are_and_paths_are_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("from a file 円", encoding="utf-8")
    flow = load(written(tmp_path, ECHO))

    assert flow.run({"q": "@home.txt"}).outputs == {"q": "@home.txt"}
    assert flow.run({"q": tmp_path / "a.txt"}).outputs == {"q": "from a file 円"}


def test_a_form_is_answered_or_the_run_is_paused(tmp_path: Path) -> None:
    flow = load(written(tmp_path, ASKS))

    assert flow.run({"q": "a"}).status == "paused"
    answered = flow.run({"q": "a"}, forms={"ask": {"action": "yes", "values": {"comment": "良い"}}})
    assert answered.outputs == {"said": "良い"}


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    flow = load(
        written(tmp_path, app("Bad", [start(), template("t", "{{ 1 / 0 }}"), end(x="t.output")], "start>t>end"))
    )

    run = flow.run({})

    assert (run.status, run.succeeded) == ("failed", False)
    assert "division by zero" in run.error


FETCH = app("Fetch", [start(), fetch("get", "http://shop.invalid/円"), end(x="get.body")], "start>get>end")


def test_what_nothing_answers_is_told(tmp_path: Path) -> None:
    flow = load(written(tmp_path, FETCH))

    with pytest.raises(InvalidParam, match=r"'get' calls GET http://shop\.invalid/円: no rule in `http` answers it"):
        flow.run({}, outside="refuse")
    assert flow.run({}, outside="refuse", http=[{"text": "ok"}]).outputs == {"x": "ok"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"inputs": {}}, "missing input"),
        ({"inputs": {"message": "a", "plan": "gold"}}, "plan"),
        ({"inputs": {"message": object()}}, "not one of JSON"),
        ({"question": "hello"}, "turns"),
        ({"mocks": {"Scor": {}}}, "did you mean 'Score'"),
        ({"mocks": {"Score": {"output": {}}}}, r"mocks\.Score\.output: "),
        ({"clock": "yesterday"}, "clock"),
        ({"outside": "somewhere"}, "outside"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidParam, match=told):
        load(TRIAGE).run(**given)


def test_a_file_that_is_not_a_workflow_is_told_with_all_problems(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match=r"流れ\.yml: 1 problem"):
        load(written(tmp_path, "a: [b"))
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.yml")


def test_a_run_that_takes_too_long_ends(tmp_path: Path) -> None:
    code = "def main():\n    while True:\n        pass\n"
    flow = written(tmp_path, app("Slow", [start(), python("s", code, {"x": "string"}), end(x="s.x")], "start>s>end"))

    run = load(flow, timeout=0.5).run({})

    assert not run.succeeded


def test_values_for_environment_variables_are_given(tmp_path: Path) -> None:
    content = app("Env", [start(), template("t", "{{ v }}", v="env.WHO"), end(x="t.output")], "start>t>end")
    path = written(tmp_path, with_environment(content, WHO=("string", "nobody")))

    assert load(path).run({}, env={"WHO": "太郎"}).outputs == {"x": "太郎"}
