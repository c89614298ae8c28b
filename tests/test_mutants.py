"""``make mutants``: which changes it makes, and that it makes them elsewhere."""

import time
from pathlib import Path

import pytest
from scripts import watching
from scripts.copies import ROOT, Copy, Suite
from scripts.covering import Report
from scripts.mutants import all_places, groups, sampled
from scripts.mutation import Mutant, around, places, uses
from scripts.selection import NEAREST, Selection, shares
from scripts.selection import test_files as files_of_tests
from scripts.tally import Tally
from scripts.watching import SOURCE, Watched, watched

CODE = '''
"""Says what it is."""

import logging
from typing import Final

log = logging.getLogger(__name__)
LIMIT: Final = 3
FIND = """
SELECT key FROM runs WHERE app = ? AND created_at < ? ORDER BY created_at DESC
"""


def find(names: list[str], kept: "dict[str, int]") -> int:
    """Finds it."""
    if len(names) > LIMIT:
        raise ValueError("There are too many names.")
    for name in names:
        if not name or name in kept:
            continue
        log.debug("found %s", name)
        kept.update(name=1)
        return kept["total"]
    kept.update(zip(names, kept.values(), strict=True))
    return sum(sorted(kept.values(), reverse=True))
'''


def changes(text: str) -> set[str]:
    """The lines that the changes of a file put in, without blanks around them."""
    made = [place.mutant() for place in places("code.py", text)]
    added = [line for mutant in made if mutant is not None for line in mutant.diff.split("\n")[3:] if line[:1] == "+"]
    return {line[1:].strip() for line in added}


@pytest.mark.parametrize(
    "line",
    [
        "LIMIT: Final = 4",
        "SELECT key FROM runs WHERE app = ? OR created_at < ? ORDER BY created_at DESC",
        "SELECT key FROM runs WHERE app = ? AND created_at <= ? ORDER BY created_at DESC",
        "SELECT key FROM runs WHERE app = ? AND created_at < ? ORDER BY created_at",
        "if len(names) >= LIMIT:",
        "if False:",
        "if not name and name in kept:",
        "if name or name in kept:",
        "if not name or name not in kept:",
        "break",
        "pass",
        'return kept["XXtotal"]',
        "return sum(sorted(kept.values(), reverse=False))",
        "return sum(sorted(kept.values()))",
    ],
)
def test_it_makes_the_changes_of_a_tired_developer(line: str) -> None:
    assert line in changes(CODE)


def test_it_leaves_alone_what_is_for_the_reader() -> None:
    made = changes(CODE)
    for line in CODE.split("\n"):
        if any(part in line for part in ('"""Says', "import", '"""Finds', "ValueError", "log.debug", "def find")):
            assert line.strip() not in made
    assert not [
        line
        for line in made
        if "log.debug" in line or "zip(names, kept.values()" in line or "XXThere" in line or "XXSays" in line
    ]


def test_what_is_the_same_or_no_python_is_no_change() -> None:
    source = "for name in names:\n    continue\n"
    [place] = places("code.py", source)
    mutant = place.mutant()
    assert mutant is not None
    assert (mutant.path, mutant.line, mutant.text) == ("code.py", 2, "for name in names:\n    break\n")
    # A return outside of a function.
    assert [place.mutant() for place in places("code.py", "while x:\n    break\n")] == [None]


def test_a_seed_chooses_the_same_changes_again() -> None:
    found = all_places(f"{SOURCE}/outbound/redirects.py")

    one, again, other = (sampled(found, 5, seed) for seed in (1, 1, 2))

    assert one == again != other
    assert len({(mutant.path, mutant.diff) for mutant in one}) == 5


@pytest.mark.parametrize("folder", NEAREST)
def test_each_folder_that_is_changed_is_there_with_its_tests(folder: str) -> None:
    assert (ROOT / SOURCE / folder).is_dir()
    assert all(files_of_tests((beginning,)) for beginning in NEAREST[folder])


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        pytest.param(2, [2, 3, 4], id="a statement of several lines"),
        pytest.param(3, [2, 3, 4], id="its middle"),
        pytest.param(6, [6, 7], id="the head of a function"),
        pytest.param(8, [8], id="an if without what it holds"),
        pytest.param(9, [9], id="what it holds"),
        pytest.param(12, [12], id="a case"),
        pytest.param(13, [13], id="what the case does"),
    ],
)
def test_a_line_belongs_to_a_statement(line: int, lines: list[int]) -> None:
    text = """
LIMITS = (
    1,
)

def find(name,
         limit=3):
    if limit:
        return name
    else:
        match name:
            case "a" if limit:
                return 2
"""
    assert [*around(text, line)] == lines


def test_a_constant_is_used_where_it_is_named() -> None:
    text = """
LIMITS: Final = (
    1,
)

class Finder:
    def find(self):
        return LIMITS[0]

def find():
    LIMITS = []
    return Finder(), other.LIMITS
"""
    assert uses(text, 3) == {8}
    assert uses(text, 7) == {12}
    assert uses(text, 1) == set()


PATH = f"{SOURCE}/outbound/redirects.py"
"""A file of the project in which something runs, and something is made while it is imported."""
TESTS = {
    "tests/apps/test_a.py::test_far": 0.1,
    "tests/outbound/test_slow.py::test_near": 19.0,
    "tests/outbound/test_slow.py::test_nearer": 2.0,
    "tests/outbound/test_quick.py::test_near": 1.0,
    "tests/apps/test_redirects.py::test_named_alike": 15.0,
    "tests/outbound/test_other.py::test_elsewhere": 0.1,
}


def test_tests_that_run_a_line_are_asked_the_nearest_and_quickest_first() -> None:
    running = [number for number, test in enumerate(TESTS) if "elsewhere" not in test]
    selection = Selection(Report(dict(TESTS), [], {PATH: {20: running}}), TESTS)
    mutant = Mutant(PATH, 20, "", "")

    asked = selection.tests_of(mutant)

    assert asked == [
        "tests/apps/test_redirects.py::test_named_alike",
        "tests/outbound/test_quick.py::test_near",
        "tests/outbound/test_slow.py::test_near",
        "tests/outbound/test_slow.py::test_nearer",
        "tests/apps/test_a.py::test_far",
    ]
    assert selection.first(mutant) == asked[:3]


def test_a_line_that_runs_at_an_import_or_elsewhere_is_asked_of_tests_of_its_file_and_its_folder() -> None:
    selection = Selection(Report(dict(TESTS), [], {PATH: {20: [0]}}), TESTS)

    asked = selection.tests_of(Mutant(PATH, 1, "", ""))

    assert {*asked} == {test for test in TESTS if "/outbound/" in test or test.startswith("tests/apps/test_a.py")}


def test_a_constant_is_asked_of_the_tests_that_run_what_uses_it() -> None:
    text = (ROOT / PATH).read_text("utf-8").split("\n")
    defined = next(number for number, line in enumerate(text, 1) if ": Final = " in line)
    name = text[defined - 1].partition(":")[0]
    used = next(number for number, line in enumerate(text, 1) if name in line and number != defined)
    selection = Selection(Report(dict(TESTS), [], {PATH: {used: [0, 3], 1: [1, 2]}}), TESTS)

    assert selection.tests_of(Mutant(PATH, defined, "", "")) == [[*TESTS][3], next(iter(TESTS))]


def test_a_file_that_no_test_runs_is_asked_of_the_tests_of_its_folder() -> None:
    selection = Selection(Report(dict(TESTS), [], {}), TESTS)

    assert set(selection.tests_of(Mutant(PATH, 1, "", ""))) == {test for test in TESTS if "/outbound/" in test}


def test_tests_that_ask_another_process_are_asked_last_of_every_change() -> None:
    recorded = "tests/compat/test_recordings.py::test_a_case"
    selection = Selection(Report({recorded: 1.0, **TESTS}, [], {PATH: {20: [1]}}), {recorded, *TESTS})

    mutant = Mutant(PATH, 20, "", "")
    assert selection.tests_of(mutant) == [next(iter(TESTS)), recorded]
    assert selection.first(mutant) == [next(iter(TESTS))]
    alone = Selection(Report({recorded: 1.0}, [], {}), {recorded})
    assert alone.first(mutant) == [recorded]


def test_tests_that_fail_or_have_other_names_each_time_are_not_asked() -> None:
    usable = {"tests/outbound/test_quick.py::test_near"}
    selection = Selection(Report(dict(TESTS), [], {PATH: {1: [*range(len(TESTS))]}}), usable)

    assert selection.tests_of(Mutant(PATH, 1, "", "")) == [*usable]


def test_tests_have_time_in_proportion_to_what_they_took() -> None:
    selection = Selection(Report(dict(TESTS), [], {}), TESTS)

    short, long = (selection.suite([test]) for test in ("tests/apps/test_a.py::test_far", *[*TESTS][1:2]))

    assert short.seconds < long.seconds < 60 + 10 * TESTS[long.options[0]]


def test_files_of_tests_are_shared_out_whole_and_once() -> None:
    files = [f"tests/{folder}/test_{number}.py" for folder in "ab" for number in range(5)]

    parts = shares(files, 3)

    assert sorted(file for part in parts for file in part) == files
    assert all({file.split("/")[1] for file in part} == {"a", "b"} for part in parts)
    assert shares(files[:1], 3) == [files[:1]]


def test_what_tests_run_is_kept_until_they_or_the_code_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "ROOT", tmp_path)
    monkeypatch.setattr(watching, "KEPT", tmp_path / "build" / "mutants.json")
    (tmp_path / SOURCE).mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    files = ["tests/test_one.py", "tests/test_two.py"]
    for file in (*files, f"{SOURCE}/code.py"):
        (tmp_path / file).write_text("pass\n")
    known = watched(files)
    assert known == Watched(known.source)
    for file in files:
        known.add([file], Report({f"{file}::test_it": 1.0}, [f"{file}::test_it"], {"code.py": {1: [0]}}))
    known.note(Mutant(PATH, 1, "changed", ""))
    known.keep()

    assert watched(files) == known
    assert [known.has_noticed(Mutant(PATH, 1, text, "")) for text in ("changed", "otherwise")] == [True, False]
    assert known.report.tests() == {"code.py": {1: [f"{file}::test_it" for file in files]}}
    (tmp_path / files[0]).write_text("assert True\n")
    assert watched(files, "others") == Watched(f"{known.source} others")
    one = watched(files)
    assert [*one.tests] == files[1:]
    assert not one.noticed  # perhaps that test alone would notice it
    assert [*one.report.seconds] == one.report.failed == one.report.tests()["code.py"][1] == [f"{files[1]}::test_it"]
    (tmp_path / SOURCE / "code.py").write_text("pass  # otherwise\n")
    assert watched(files) == Watched(watched(files).source)


def test_changes_of_one_file_are_not_made_together() -> None:
    mutants = [Mutant(f"{name}.py", 1, "", "") for name in "aabbcdefghij"]

    made = groups(mutants)

    assert sorted(mutant.path for group in made for mutant in group) == sorted(mutant.path for mutant in mutants)
    assert all(len({mutant.path for mutant in group}) == len(group) <= 8 for group in made)


def test_what_was_not_tried_counts_as_not_noticed() -> None:
    mutants = [Mutant(f"{number}.py", number, "", f"-{number}") for number in range(10)]
    tally = Tally(mutants)
    assert (tally.noticed, tally.is_enough) == (0, False)
    assert "0 of 10 changes were noticed (0%); of the rest, 10 were not tried with all" in tally.summary()

    for mutant in mutants[:7]:
        tally.add(mutant, "noticed", every=False)
    tally.add(mutants[7], "survived", every=False)
    assert (tally.noticed, tally.is_enough) == (7, False)
    tally.add(mutants[7], "hung", every=True)
    tally.add(mutants[8], "survived", every=True)

    assert (tally.noticed, tally.is_enough) == (8, True)
    summary = tally.summary()
    assert "8 of 10 changes were noticed (80%); of the rest, 1 were not tried with all" in summary
    assert "Not noticed: 8.py:8 is noticed by no test\n-8" in summary
    assert "Not noticed: 9.py:9 was not tried\n-9" in summary
    assert "7.py" not in summary


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copies") / "copy")


@pytest.mark.slow
def test_a_change_is_made_in_the_copy_and_undone_there(copy: Copy) -> None:
    path = f"{SOURCE}/concurrency/fair_queue.py"
    text = (ROOT / path).read_text("utf-8")
    tests = Suite(("tests/concurrency/test_fair_queue.py",), 300)
    began = time.monotonic()
    assert copy.failing(tests) == []
    # In which they pass without the change.
    enough = Suite(tests.options, 5 + 4 * (time.monotonic() - began))
    became = {
        name: copy.outcome(Mutant(path, 1, changed, ""), enough if name == "hung" else tests)
        for name, changed in {
            "noticed": f"{text}\nFairQueue = None\n",
            "survived": f"{text}\n# nothing else\n",
            "hung": f"{text}\nimport time\ntime.sleep(600)\n",
        }.items()
    }

    assert became == {name: name for name in became}
    assert copy.failing(tests) == []
    assert (ROOT / path).read_text("utf-8") == text


@pytest.mark.slow
def test_what_fails_or_waits_without_the_change_too_is_no_notice(copy: Copy) -> None:
    """As it may on a busy machine. The tests behind it are asked all the same."""
    (copy.folder / "src/jikko/said.py").write_text("SAID = 1\n")
    tests = copy.folder / "tests/test_said.py"
    tests.write_text(
        "from jikko.said import SAID\n\ndef test_busy():\n    assert False\n\ndef test_said():\n    assert SAID < 3\n"
    )
    mutants = [Mutant("src/jikko/said.py", 1, f"SAID = {number}\n", "") for number in (2, 3)]
    suite = Suite(("tests/test_said.py",), 300)

    assert [copy.outcome(mutant, suite) for mutant in mutants] == ["survived", "noticed"]
    assert copy.outcome(mutants[1], Suite(("tests/test_said.py::test_busy",), 300)) == "survived"
    tests.write_text("import time\n\ndef test_waits():\n    time.sleep(60)\n")
    assert copy.outcome(mutants[1], Suite(suite.options, 1)) == "survived"


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

    good, bad = "tests/test_code.py::test_good", "tests/test_code.py::test_bad"
    assert report.tests() == {"src/jikko/code.py": {4: [good, bad], 5: [good], 6: [bad]}}
    assert report.failed == [bad]
    assert report.seconds.keys() == copy.collected(["tests/test_code.py"]) == {good, bad}


@pytest.mark.slow
def test_tests_that_cannot_be_run_are_an_error(copy: Copy) -> None:
    with pytest.raises(SystemExit, match="cannot be run"):
        copy.covering(["tests/test_that_is_not_there.py"], [])
