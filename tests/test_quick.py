"""Choosing the tests of a change: `make quick`."""

import subprocess
import sys
from pathlib import Path

import pytest
from scripts.quick import ROOT, Imports, choose

from tests.durations import Duration, Durations, known

MODULES = {
    "jikko.ids": {"jikko.runs.recovery", "tests.test_ids"},
    "jikko.runs": set[str](),
    "jikko.runs.recovery": {"jikko.http.dispatch", "tests.runs.test_recovery", "tests.runs.test_forms"},
    "jikko.http.dispatch": {"tests.http.test_router"},
    "jikko.store.sqlite.migrations": {"tests.store.test_database"},
    "tests.test_ids": set[str](),
    "tests.runs.test_recovery": set[str](),
    "tests.runs.test_forms": set[str](),
    "tests.http.test_router": set[str](),
    "tests.store.test_database": set[str](),
}
IMPORTS = Imports(MODULES.__getitem__, MODULES)


def test_tests_that_import_a_change_are_chosen_over_any_number_of_modules() -> None:
    assert IMPORTS.distances(["src/jikko/ids.py"]) == {
        "tests/test_ids.py": 1,
        "tests/runs/test_recovery.py": 2,
        "tests/runs/test_forms.py": 2,
        "tests/http/test_router.py": 3,
    }
    assert IMPORTS.distances(["src/jikko/http/dispatch.py"]) == {"tests/http/test_router.py": 1}
    assert IMPORTS.distances(["docs/chat.md"]) == {}


def test_data_beside_modules_is_a_change_of_their_package() -> None:
    migration = "src/jikko/store/sqlite/migrations/0001_initial.sql"
    assert IMPORTS.distances([migration]) == {"tests/store/test_database.py": 1}
    assert IMPORTS.distances(["src/jikko/runs/removed.py"]) == {}


def test_what_has_its_name_and_its_room_comes_first_and_what_does_not_fit_is_named() -> None:
    everything = choose(["src/jikko/runs/recovery.py"], IMPORTS, 100.0, {})
    near = [test for test in everything.chosen if test != "tests/test_house.py"]
    assert near[0] == "tests/runs/test_recovery.py"
    assert near.index("tests/runs/test_forms.py") < near.index("tests/http/test_router.py")
    assert not everything.left
    some = choose(["src/jikko/runs/recovery.py"], IMPORTS, 100.0, {"tests/runs/test_forms.py": 130.0})
    assert some.left == ["tests/runs/test_forms.py"]
    assert "tests/http/test_router.py" in some.chosen
    assert some.seconds <= 100.0


def test_behind_those_that_import_a_change_come_those_of_its_folder_that_may_load_it_by_its_name() -> None:
    chosen = choose(["src/jikko/runs/recovery.py"], IMPORTS, 100.0, {}).chosen
    assert "tests/runs/test_closing.py" in chosen, "nothing says that it imports the change"
    assert chosen.index("tests/runs/test_forms.py") < chosen.index("tests/runs/test_closing.py")


def test_files_of_slow_tests_come_last_wherever_they_are() -> None:
    chosen = choose(["src/jikko/runs/recovery.py"], IMPORTS, 100.0, {"tests/runs/test_recovery.py": 0.0}).chosen
    assert chosen[-1] == "tests/runs/test_recovery.py"


def test_a_changed_test_is_chosen_however_long_it_takes() -> None:
    choice = choose(["tests/runs/test_forms.py"], IMPORTS, 10.0, {"tests/runs/test_forms.py": 30.0})
    assert choice.chosen[0] == "tests/runs/test_forms.py" or choice.chosen[1] == "tests/runs/test_forms.py"


def test_pages_are_read_by_their_tests() -> None:
    assert "tests/test_page_blocks.py" in choose(["docs/chat.md"], IMPORTS, 100.0, {}).chosen


def test_what_is_loaded_by_its_name_is_a_change_for_the_tests_of_its_folder() -> None:
    chosen = choose(["src/jikko/cli/access.py"], IMPORTS, 100.0, {}).chosen
    assert "tests/cli/test_doctor.py" in chosen
    assert not [test for test in chosen if not test.startswith(("tests/cli/", "tests/client/", "tests/test_house.py"))]


def test_data_and_programs_beside_tests_are_a_change_for_these() -> None:
    assert "tests/http/test_outline.py" in choose(["tests/http/api.txt"], IMPORTS, 100.0, {}).chosen
    assert "tests/plugins/test_package.py" in choose(["tests/plugins/attacks.py"], IMPORTS, 100.0, {}).chosen


def test_a_module_that_no_test_imports_has_tests_all_the_same() -> None:
    imports = Imports.read()
    for path in ("src/jikko/cli/serve.py", "src/jikko/sandbox/runner.py", "src/jikko/tools/mcp/transports.py"):
        assert len(choose([path], imports, 100.0, {}).chosen) > 1, path


def test_the_imports_of_the_project_lead_from_a_module_to_its_tests() -> None:
    distances = Imports.read().distances(["src/jikko/ids.py"])
    assert distances["tests/test_ids.py"] == 1
    assert "tests/console/test_figures.py" not in distances or distances["tests/console/test_figures.py"] > 1


@pytest.mark.slow
def test_the_command_names_the_files_of_a_change() -> None:
    command = [sys.executable, "-m", "scripts.quick", "--list", "--since", "HEAD"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "tests/test_house.py" in done.stdout.splitlines()


def test_the_table_of_durations_names_files_that_are_there() -> None:
    assert [path for path in known() if not Path(ROOT, path).exists()] == []


def test_what_files_take_is_counted_with_and_without_slow_tests() -> None:
    seen = Durations()
    for mark, seconds in (("once", 1.0), ("slow", 5.0), ("services", 7.0)):
        report = pytest.TestReport("tests/a.py::test", ("tests/a.py", 1, "a"), {mark: 1}, "passed", None, "call")
        report.duration = seconds
        seen.pytest_runtest_logreport(report)
    assert seen.seen == {"tests/a.py": Duration(1.0, 13.0)}
