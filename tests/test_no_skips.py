"""A test that cannot run fails in CI; elsewhere it is skipped."""

import pytest

pytestmark = pytest.mark.once

SKIPS = {
    "a mark": "@pytest.mark.skip(reason='日本 is far')\ndef test_it(): ...",
    "a condition": "@pytest.mark.skipif(True, reason='日本 is far')\ndef test_it(): ...",
    "a call": "def test_it():\n    pytest.skip('日本 is far')",
    "a fixture": "@pytest.fixture\ndef far():\n    pytest.skip('日本 is far')\n\ndef test_it(far): ...",
    "a module": "pytest.skip('日本 is far', allow_module_level=True)",
    "an import": "pytest.importorskip('far', reason='日本 is far')",
}


@pytest.mark.parametrize("way", SKIPS)
def test_what_is_skipped_fails_in_ci_and_says_why(
    way: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    done = run(SKIPS[way], pytester)

    assert done.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    done.stdout.fnmatch_lines(["*is skipped, which CI does not allow. *日本 is far*"])
    done.stdout.no_fnmatch_line("* skipped in *")


@pytest.mark.parametrize("way", SKIPS)
def test_elsewhere_it_is_skipped(way: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)

    run(SKIPS[way], pytester).stdout.fnmatch_lines(["1 skipped in *"])


def test_what_is_expected_to_fail_may_fail_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    done = run("@pytest.mark.xfail\ndef test_it():\n    assert False", pytester)

    assert done.ret == pytest.ExitCode.OK
    done.stdout.fnmatch_lines(["1 xfailed in *"])


def run(test: str, pytester: pytest.Pytester) -> pytest.RunResult:
    """Run a file with one test."""
    pytester.makepyfile(f"import pytest\n\n{test}")
    return pytester.runpytest_inprocess("-q", "--disable-plugin-autoload", "-p", "tests.no_skips")
