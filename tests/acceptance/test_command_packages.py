"""``jikko packages``, and other commands' reports on installed packages."""

import json
from pathlib import Path

import pytest

from tests.acceptance.processes import Command
from tests.acceptance.workflows import app, end, node, start
from tests.sandbox.packages.wheels import BAD, wheel

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"}


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """A workflow whose code node imports a package."""
    code = node(
        "code",
        "code",
        title="Count",
        code_language="python3",
        code="import plainly\ndef main(): return {'r': plainly.VALUE}",
        variables=[],
        outputs={"r": {"type": "string", "children": None}},
    )
    file = tmp_path / "flow.yml"
    file.write_text(app("Uses", [start("q"), code, end(r="code.r")], "start>code code>end"), encoding="utf-8")
    return file


def test_a_package_is_missing_installed_used_and_removed(jikko: Command, flow: Path, tmp_path: Path) -> None:
    file = wheel(tmp_path, "plainly", "VALUE = '日本 😀'")

    missing = jikko("check", flow)
    assert "there is no module 'plainly'" in missing.out
    assert "`jikko packages install plainly` installs it" in missing.out

    installed = jikko("packages", "install", file, **OFFLINE)
    assert (installed.code, installed.out) == (0, "plainly 1.0\n")
    assert "Trying them in a locked process" in installed.err

    assert jikko("check", flow).out.startswith(f"{flow}: runs:")
    assert json.loads(jikko("run", flow, "-i", "q=x").out) == {"r": "日本 😀"}
    assert "packages: plainly 1.0" in jikko("doctor").out
    [entry] = jikko.json("packages", "list")
    assert entry == {"name": "plainly", "version": "1.0", "modules": ["plainly"], "requested": True}

    removed = jikko("packages", "remove", "plainly")
    assert (removed.code, removed.out) == (0, "")
    assert "there is no module" in jikko("check", flow).out


def test_a_package_that_is_refused_ends_the_command_with_the_reason(jikko: Command, tmp_path: Path) -> None:
    program, reason = BAD["threading_one"]

    outcome = jikko("packages", "install", wheel(tmp_path, "threading_one", program), "--json", **OFFLINE)

    assert (outcome.code, outcome.out, outcome.has_traceback) == (1, "", False)
    error = json.loads(outcome.err.splitlines()[-1])
    assert reason in error["message"]
    assert (error["code"], error["hint"]) == ("packages_refused", "Nothing has changed.")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("install", "--", "-x"), 2), (("install", "-r", "/no/such"), 2), (("remove", "nothing"), 2), (("list",), 0)],
)
def test_wrong_usage_is_told_and_nothing_is_made(arguments: tuple[str, ...], code: int, jikko: Command) -> None:
    outcome = jikko("packages", *arguments, **OFFLINE)

    assert outcome.code == code
    assert not outcome.has_traceback
    assert not (jikko.home / "packages").exists() or not list((jikko.home / "packages").glob("*"))
