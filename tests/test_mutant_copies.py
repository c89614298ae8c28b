"""Asking tests about a change, in a copy of the project: `make mutants`."""

import re
from pathlib import Path

import pytest
from scripts import copies
from scripts.copies import ROOT, Copy
from scripts.mutation import Mutant
from scripts.watching import SOURCE

CODE_PATH = f"{SOURCE}/said.py"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copies") / "copy")


def asked(copy: Copy, tests: str, *texts: str, budget: float = 300, before: str = "SAID = 1\n") -> list[str]:
    """What tests say to changes of a file that says ``SAID = 1``."""
    (copy.folder / CODE_PATH).write_text(before)
    (copy.folder / "tests/test_said.py").write_text(f"from jikko.said import SAID\n\n{tests}")
    names = re.findall(r"^def (test_\w+)", tests, re.MULTILINE)
    every = {f"tests/test_said.py::{name}": 0.0 for name in names}
    answers = [copy.ask(Mutant(CODE_PATH, 1, text, ""), every, budget) for text in texts]
    return [answer.outcome for answer in answers]


@pytest.mark.slow
def test_a_change_is_made_in_the_copy_and_undone_there(copy: Copy) -> None:
    changes = ["SAID = 2\n", "SAID = 1  # as before\n", "raise KeyError\n", "import os\n\nos._exit(0)\n"]

    assert asked(copy, "def test_it():\n    assert SAID == 1\n", *changes) == [
        "noticed",
        "survived",
        "noticed",
        "noticed",
    ]
    assert (copy.folder / CODE_PATH).read_text() == "SAID = 1\n"
    assert not (ROOT / CODE_PATH).exists()


@pytest.mark.slow
def test_what_fails_without_the_change_too_is_no_notice(copy: Copy) -> None:
    """As it may on a busy machine. The tests behind it are asked all the same."""
    busy = "def test_busy():\n    assert False\n\n"

    assert asked(copy, f"{busy}def test_it():\n    assert SAID < 3\n", "SAID = 2\n", "SAID = 3\n") == [
        "survived",
        "noticed",
    ]
    assert asked(copy, busy, "SAID = 3\n", "raise KeyError\n") == ["survived", "survived"]
    assert asked(copy, f"assert SAID > 2\n\n{busy}", "SAID = 2\n") == ["survived"]


@pytest.mark.slow
def test_what_hangs_is_ended_with_all_that_it_started(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a process with a session, no parent, no environment of its own, and no ear for SIGTERM."""
    monkeypatch.setattr(copies, "_LEAST_PATIENCE", 5.0)
    stubborn = (
        "import os, signal, time\n\nSAID = 1\n\ndef hang():\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    if os.fork() == 0 and os.fork() == 0:\n"
        "        os.setsid()\n"
        f"        open({str(copy.folder / 'stubborn')!r}, 'w').write(str(os.getpid()))\n"
        "    while True:\n        time.sleep(1)\n"
    )
    tests = "import jikko.said\n\ndef test_it():\n    jikko.said.hang()\n"

    assert asked(copy, tests, stubborn, before="SAID = 1\n\ndef hang():\n    pass\n") == ["hung"]
    assert not Path("/proc", (copy.folder / "stubborn").read_text()).exists()
    # What waits without the change, too, is none.
    assert asked(copy, "import time\n\ndef test_it():\n    time.sleep(60)\n", "SAID = 2\n") == ["survived"]
    # Nor is what waits with the change, and does not when it is asked again.
    once = "    seen = pathlib.Path('seen')\n    if SAID == 2 and not seen.exists():\n        seen.touch()\n"
    tests = f"import pathlib\nimport time\n\ndef test_it():\n{once}        time.sleep(60)\n"
    assert asked(copy, tests, "SAID = 2\n") == ["survived"]


@pytest.mark.slow
def test_no_test_begins_once_the_time_is_up_and_the_others_can_be_asked_later(copy: Copy) -> None:
    (copy.folder / CODE_PATH).write_text("SAID = 1\n")
    (copy.folder / "tests/test_said.py").write_text("def test_one():\n    pass\n\ndef test_two():\n    pass\n")
    tests = {f"tests/test_said.py::test_{name}": 0.0 for name in ("two", "one", "gone")}
    mutant = Mutant(CODE_PATH, 1, "SAID = 2\n", "")

    answers = [copy.ask(mutant, tests, budget) for budget in (0.0001, 60)]

    assert [answer.outcome for answer in answers] == ["survived", "survived"]
    # The time may be up before the first.
    assert sorted(answers[0].asked) in ([], [next(iter(tests))])
    assert sorted(answers[1].asked) == sorted(tests)


@pytest.mark.slow
def test_it_is_seen_which_test_runs_which_line(copy: Copy) -> None:
    code, tests = (copy.folder / name for name in ("src/jikko/code.py", "tests/test_code.py"))
    code.write_text("LIMIT = 3\n\ndef find(name):\n    if name:\n        return LIMIT\n    return 0\n")
    tests.write_text(
        "from jikko.code import find\n\n"
        "def test_good():\n    assert find('a') == 3\n\n"
        "def test_bad():\n    assert find('')\n"
    )

    report = copy.covering(["tests/test_code.py"], ["src/jikko/code.py"])

    assert report is not None
    good, bad = "tests/test_code.py::test_good", "tests/test_code.py::test_bad"
    assert report.tests() == {"src/jikko/code.py": {4: [good, bad], 5: [good], 6: [bad]}}
    assert report.failed == [bad]
    assert report.seconds.keys() == copy.collected(["tests/test_code.py"]) == {good, bad}


@pytest.mark.slow
def test_of_tests_that_cannot_be_run_nothing_is_learnt(copy: Copy) -> None:
    assert copy.covering(["tests/test_that_is_not_there.py"], []) is None
