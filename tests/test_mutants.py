"""``make mutants``: which changes it makes, and that it makes them elsewhere."""

from functools import cache
from pathlib import Path

import pytest
from scripts import watching
from scripts.copies import ROOT
from scripts.covering import Report
from scripts.mutants import all_files, all_places, sampled
from scripts.mutation import Mutant, around, places, uses
from scripts.page import browser_tests, importers, page_files
from scripts.selection import NEAREST, TABLES, Selection, nearest, shares
from scripts.selection import test_files as files_of_tests
from scripts.tally import Tally
from scripts.watching import SOURCE, Watched, watched

CODE_PATH = f"{SOURCE}/said.py"
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


@cache
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
    found = all_places(f"{SOURCE}/outbound/urls.py")

    one, again, other = (sampled(found, 5, seed) for seed in (1, 1, 2))

    assert one == again != other
    assert len({(mutant.path, mutant.diff) for mutant in one}) == 5


def test_every_folder_of_the_source_is_changed_and_has_tests_that_are_near() -> None:
    folders = {path.name for path in (ROOT / SOURCE).iterdir() if path.is_dir() and [*path.rglob("*.py")]}
    changed = {Path(path).relative_to(SOURCE).parts[0] for path in all_files()}

    tests = files_of_tests(("tests/",))
    assert [folder for folder in folders if not any(test.startswith(nearest(folder)) for test in tests)] == []
    assert folders <= changed
    assert NEAREST.keys() <= folders


def test_the_page_is_changed_but_for_its_tests_and_what_is_generated() -> None:
    files = page_files()

    assert {"console/src/main.tsx", "console/src/run/fold.ts"} <= {*files}
    assert [path for path in files if ".test." in path or path.endswith("schema.ts")] == []


def test_a_constant_in_a_module_that_is_imported_late_is_asked_of_all_that_run_what_uses_it() -> None:
    path = f"{SOURCE}/store/sqlite/migrate.py"
    lines = (ROOT / path).read_text("utf-8").split("\n")
    constant = next(number for number, line in enumerate(lines, 1) if line.startswith("_READ_VERSION = "))
    [used, *_] = [number for number, line in enumerate(lines, 1) if "_READ_VERSION" in line and number != constant]
    tests = {"tests/apps/test_first.py::test_imports_it": 0.1, "tests/store/test_a.py::test_runs_it": 0.1}

    selection = Selection(Report(tests, [], {path: {constant: [0], used: [1]}}), tests)

    assert {*selection.tests_of(Mutant(path, constant, "", ""))} == {*tests}


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


PATH = f"{SOURCE}/outbound/urls.py"
"""A file of the project in which something runs, and something is made while it is imported."""
TESTS = {
    "tests/apps/test_a.py::test_far": 0.1,
    "tests/outbound/test_slow.py::test_near": 19.0,
    "tests/outbound/test_slow.py::test_nearer": 2.0,
    "tests/outbound/test_quick.py::test_near": 1.0,
    "tests/apps/test_urls.py::test_named_alike": 15.0,
    "tests/outbound/test_other.py::test_elsewhere": 0.1,
}


def test_tests_that_run_a_line_are_asked_the_nearest_and_quickest_first() -> None:
    running = [number for number, test in enumerate(TESTS) if "elsewhere" not in test]
    selection = Selection(Report(dict(TESTS), [], {PATH: {20: running}}), TESTS)
    mutant = Mutant(PATH, 20, "", "")

    asked = selection.tests_of(mutant)

    assert asked == [
        "tests/apps/test_urls.py::test_named_alike",
        "tests/outbound/test_quick.py::test_near",
        "tests/outbound/test_slow.py::test_near",
        "tests/outbound/test_slow.py::test_nearer",
        "tests/apps/test_a.py::test_far",
    ]
    assert [[*each] for each in selection.rounds(mutant)] == [asked[:3], asked[3:]]


def test_the_first_to_be_asked_are_near_or_differ_most_from_these_and_nobody_is_asked_twice() -> None:
    tests = {f"tests/outbound/test_near.py::test_{number}": 2.0 for number in range(9)}
    tests |= {"tests/runs/test_same.py::test_it": 1.0, "tests/runs/test_other.py::test_it": 1.0}
    everything, same, other = [*range(len(tests))], len(tests) - 2, len(tests) - 1
    lines = {20: everything, 21: everything[:-1], 22: [other], 23: [other, same]}
    selection = Selection(Report(tests, [], {PATH: lines}), tests)
    mutant = Mutant(PATH, 20, "", "")

    first, *later = [[*each] for each in selection.rounds(mutant)]

    assert first[:6] == [*tests][:6]
    assert first[6] == [*tests][other]
    assert sorted([*first, *(test for each in later for test in each)]) == sorted(selection.tests_of(mutant))


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


def test_what_is_made_at_an_import_is_asked_of_the_test_of_what_is_made_first() -> None:
    path, outline, other = (
        f"{SOURCE}/http/routes/run_routes.py",
        f"{TABLES['http']}::test_it",
        "tests/http/test_other.py::test_it",
    )
    selection = Selection(Report({other: 0.1, outline: 1.0}, [], {path: {9: [0]}}), [other, outline])

    assert selection.tests_of(Mutant(path, 1, "", "")) == [outline, other]
    assert selection.tests_of(Mutant(path, 9, "", "")) == [other]
    assert all((ROOT / file).is_file() for file in TABLES.values())


def test_tests_that_ask_another_process_are_asked_last_of_every_change() -> None:
    recorded = "tests/compat/test_recordings.py::test_a_case"
    selection = Selection(Report({recorded: 1.0, **TESTS}, [], {PATH: {20: [1]}}), {recorded, *TESTS})

    mutant = Mutant(PATH, 20, "", "")
    assert selection.tests_of(mutant) == [next(iter(TESTS)), recorded]
    assert [[*each] for each in selection.rounds(mutant)] == [[next(iter(TESTS))], [recorded]]
    alone = Selection(Report({recorded: 1.0}, [], {}), {recorded})
    assert [[*each] for each in alone.rounds(mutant)] == [[recorded]]


def test_recorded_cases_are_asked_second_those_first_that_are_about_it() -> None:
    path = f"{SOURCE}/conversations/turns.py"
    near = {f"tests/conversations/test_near.py::test_{number}": 13.0 for number in range(3)}
    recorded = [f"tests/compat/test_{about}recordings.py::test_a_case" for about in ("", "chat_")]
    served = "tests/acceptance/test_chat.py::test_it"
    seconds = {served: 1.0, **dict.fromkeys(recorded, 1.0), **near}
    selection = Selection(Report(seconds, [], {path: {1: [3, 4, 5]}}), seconds)

    asked = [[*each] for each in selection.rounds(Mutant(path, 1, "", ""))]

    assert asked == [[*near][:2], recorded[::-1], [[*near][2], served]]


def test_slow_tests_that_are_named_after_what_is_changed_are_asked_second() -> None:
    path = f"{SOURCE}/cli/runs/run_files.py"
    quick, recorded = "tests/cli/test_quick.py::test_it", "tests/compat/test_recordings.py::test_a_case"
    seconds = {quick: 1.0, recorded: 1.0}
    slow = [
        "tests/acceptance/test_command_run_files.py::test_it",
        "tests/acceptance/test_restart.py::test_runs_are_saved",
        "tests/acceptance/test_command_runs.py::test_files_are_saved",
        "tests/acceptance/test_command_runs.py::test_it",
        "tests/cli/test_ends.py::test_it",
    ]
    selection = Selection(Report(seconds, [], {path: {1: [0]}}), seconds, slow)

    asked = [[*each] for each in selection.rounds(Mutant(path, 1, "", ""))]

    assert asked == [[quick], [slow[0], slow[2], slow[3], slow[4]], [recorded]]
    assert {*selection.tests_of(Mutant(path, 1, "", ""))} == {*seconds, *slow} - {slow[1]}


def test_a_change_of_the_page_is_asked_of_tests_in_a_browser_named_after_it_or_what_imports_it() -> None:
    assert browser_tests("console/src/pages/charts/charted.ts")[0] == "tests/console/test_charts_page.py"
    assert browser_tests("console/src/graph/folds.ts")[0] == "tests/console/test_graph_map.py"
    assert "tests/console/test_run_page.py" in browser_tests("console/src/parts/Scrubber.tsx")
    assert "console/src/pages/run/RunPage.tsx" in importers("console/src/parts/Scrubber.tsx")


def test_tests_that_failed_without_a_change_are_asked_last() -> None:
    first, *others = [test for test in TESTS if "/outbound/" in test]
    selection = Selection(Report(dict(TESTS), [first], {PATH: {20: [*range(len(TESTS))]}}), [first, *others])

    asked = [test for each in selection.rounds(Mutant(PATH, 20, "", "")) for test in each]

    assert asked[-1] == first
    assert sorted(asked) == sorted([first, *others])


def test_tests_that_have_other_names_each_time_are_not_asked() -> None:
    usable = {"tests/outbound/test_quick.py::test_near"}
    selection = Selection(Report(dict(TESTS), [], {PATH: {1: [*range(len(TESTS))]}}), usable)

    assert selection.tests_of(Mutant(PATH, 1, "", "")) == [*usable]


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
    for file in (*files, CODE_PATH):
        (tmp_path / file).write_text("pass\n")
    known = watched(files)
    assert known == Watched(known.source, "", {CODE_PATH: "pass\n"})
    for file in files:
        known.add([file], Report({f"{file}::test_it": 1.0}, [f"{file}::test_it"], {CODE_PATH: {1: [0]}}))
    known.note(Mutant(PATH, 1, "changed", ""))
    known.keep()

    assert watched(files) == known
    assert [known.has_noticed(Mutant(PATH, 1, text, "")) for text in ("changed", "otherwise")] == [True, False]
    assert known.report.tests() == {CODE_PATH: {1: [f"{file}::test_it" for file in files]}}
    (tmp_path / files[0]).write_text("assert True\n")
    assert not watched(files, "others").tests
    one = watched(files)
    assert [*one.tests] == files[1:]
    assert not one.noticed  # perhaps that test alone would notice it
    assert [*one.report.seconds] == one.report.failed == one.report.tests()[CODE_PATH][1] == [f"{files[1]}::test_it"]
    (tmp_path / CODE_PATH).write_text("pass\n# otherwise\n")
    (tmp_path / files[0]).write_text("pass\n")
    assert watched(files).tests.keys() == {*files}
    assert not watched(files).noticed


def test_lines_that_were_moved_or_changed_keep_their_tests() -> None:
    before = "one\ntwo\nthree\nfour\nfive"
    tests = {1: [1], 2: [2], 3: [3], 4: [4], 5: [5]}

    assert watching.moved(tests, before, before) == tests
    assert watching.moved(tests, before, f"zero\n{before}") == {1: [1], 2: [1], 3: [2], 4: [3], 5: [4], 6: [5]}
    assert watching.moved(tests, before, "one\ntwo\n3\nfour\nfive") == tests
    assert watching.moved(tests, before, "one\nfour\nfive") == {1: [1], 2: [4], 3: [5]}
    assert watching.moved(tests, before, "one\n2\n3\n3\nfour\nfive") == {
        1: [1],
        **{line: [2, 3] for line in (2, 3, 4)},
        5: [4],
        6: [5],
    }
    assert watching.moved({}, before, "other") == {}


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
