"""Tests of the plugin that imports test files late."""

import pytest

from tests.durations import ROOT
from tests.effort import PATIENCE

pytestmark = pytest.mark.once

FILES = {
    "conftest.py": """
import pytest
@pytest.fixture(scope='package')
def kept(): yield
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == 'slow':
            item.add_marker(pytest.mark.slow)
""",
    "here/test_a.py": "def test(kept): pass",
    # The process goes from one folder to the next across a file without selected tests.
    "here/test_b.py": "import pytest\n@pytest.mark.slow\ndef test(kept): pass",
    "slow/test_c.py": "import pytest\n@pytest.mark.every\ndef test(): pass\ndef test_slow(): pass",
    "test_broken.py": "import no_such_module",
    "test_failing.py": "import pytest\n@pytest.mark.parametrize('n', ['一', '二'])\ndef test(n): assert n != '二'",
}


DYING = "import os\ndef test(): os._exit(3)"


def test_a_process_runs_the_selected_tests_of_its_files_and_reports_what_cannot_be_imported(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = outcome(pytester, monkeypatch, FILES, "-n", "1", "-rA", "-m", "not slow or every")

    done.assert_outcomes(passed=3, failed=1, errors=1)
    lines = [
        "PASSED here/test_a.py::test",
        "PASSED slow/test_c.py::test",
        "FAILED test_failing.py::*",
        "ERROR test_broken.py*",
    ]
    done.stdout.fnmatch_lines_random(lines)
    assert done.ret == pytest.ExitCode.TESTS_FAILED


def test_a_process_that_dies_fails_its_file_alone_and_what_was_left_to_it_is_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"test_死.py": DYING, "test_また死.py": DYING} | {f"test_{n}.py": "def test(): pass" for n in range(4)}

    done = outcome(pytester, monkeypatch, files, "-n", "2")

    done.assert_outcomes(passed=4, failed=2)
    done.stdout.fnmatch_lines_random([f"FAILED {name}*crashed*" for name in files if "死" in name])
    assert done.ret == pytest.ExitCode.TESTS_FAILED


def outcome(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], *options: str
) -> pytest.RunResult:
    """Run files by processes that import them late."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nmarkers =\n  slow\n  every")
    for name, text in files.items():
        folder = (pytester.path / name).parent
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
        (pytester.path / name).write_text(text, encoding="utf-8")
    late = ("-p", "xdist.plugin", "-p", "tests.late", "--dist", "loadfile")
    return pytester.runpytest_subprocess(*late, *options, timeout=PATIENCE)
