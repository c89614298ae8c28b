"""Test files given to a command, and their problems."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from jikko.apps.dsl_file import is_test_file, read_dsl_file, test_files_below
from jikko.cli.command_failure import Failure
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.diagnostics.translations import Language
from jikko.exit_codes import ExitCode
from jikko.proving.case_file_reader import read_case_file
from jikko.proving.case_plan import CasePlan, read_plan, workflow_of
from jikko.terminal_text import printable, shown


def plans_of(
    paths: Sequence[Path], output: str, language: Language, against: Path | None = None, *, is_live: bool = False
) -> list[CasePlan]:
    """Read the test files; all their problems are printed. Raises ``Failure``: there are none, or one is invalid."""
    plans: list[CasePlan] = []
    wrong, workflows = 0, set()
    for path in test_files(paths):
        try:
            read = read_plan(path, against, is_live=is_live)
        except OSError as error:
            raise click.UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
        if read.plan is not None:
            plans.append(read.plan)
            continue
        wrong += 1
        workflows.add(bool(read.workflow))
        for problem in read.problems:
            if output == "json":
                report = json.dumps(problem_json(path, problem, language), ensure_ascii=False)
                click.echo(shown(report), err=True)
            else:
                click.echo(problem_line(path, problem, language), err=True)
    if wrong:
        files = "1 test file is" if wrong == 1 else f"{wrong} test files are"
        code = ExitCode.INVALID_WORKFLOW if workflows == {True} else ExitCode.USAGE
        raise Failure(f"{files} wrong; no case was run", exit_code=code, code="invalid_test_file")
    if not plans:
        hint = "A test file is called NAME.test.yml and stands beside the workflow NAME.yml; docs/testing.md shows one."
        raise Failure("no test files", exit_code=ExitCode.USAGE, code="no_test_files", hint=hint)
    return plans


def test_files(paths: Iterable[Path]) -> list[Path]:
    """Return the test files behind paths; a workflow file stands for the one beside it."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += test_files_below(path)
        elif is_test_file(path):
            found.append(path)
        else:
            beside = [path.with_name(f"{path.stem}.test{end}") for end in (".yml", ".yaml")]
            found.append(next((each for each in beside if each.exists()), beside[0]))
    return list(dict.fromkeys(found))


def named_files(paths: Iterable[Path]) -> set[Path]:
    """Return the workflows and row files that test files name, perhaps in other folders."""
    found: set[Path] = set()
    for path in test_files(paths):
        with suppress(OSError):
            file = read_case_file(read_dsl_file(path), path.parent).file
            if file is not None:
                cases = [*file.cases, *([file.evaluate] if file.evaluate else [])]
                rows = [path.parent / case.rows for case in cases if isinstance(case.rows, str)]
                found |= {workflow_of(path, file), *rows}
    return found


def changed_at(
    paths: Iterable[Path], more: Iterable[Path], written: Iterable[Path]
) -> dict[Path, tuple[int, int, int]]:
    """Return files' modification times in nanoseconds, sizes and inodes.

    The time alone misses a second change at once, and a replacement by a file as old.

    Args:
        paths: Test files; the files in their folders count too.
        more: Further files.
        written: Files to ignore.
    """
    found: dict[Path, tuple[int, int, int]] = {}
    folders = {path.parent for path in test_files(paths)}
    for path in {*more, *(each for folder in folders if folder.is_dir() for each in folder.iterdir())}:
        with suppress(OSError):
            stat = path.stat()
            found[path.resolve()] = stat.st_mtime_ns, stat.st_size, stat.st_ino
    own = {path.resolve() for path in written}
    kept = re.compile(r".*\.snapshots\.json|\..*evaluation\.jsonl")
    return {path: at for path, at in found.items() if path not in own and not kept.fullmatch(path.name)}


def problem_line(path: Path, problem: Diagnostic, language: Language) -> str:
    """Format a problem of a test file, with its place and hint."""
    place = f"{path}:{problem.line}:{problem.column}:" if problem.line else f"{path}:"
    where = f"{problem.where}: " if problem.where else ""
    hint = problem.advice(language)
    return printable(f"{place} {where}{problem.text(language)}" + (f" ({hint})" if hint else ""))


def problem_entry(finding: Diagnostic, place: tuple[int, int], path: str, language: Language) -> dict[str, Any]:
    """Return a problem as JSON. ``place``: Its line and column, from 1; 0 if unknown."""
    return {
        "level": finding.severity,
        "cause": finding.cause,
        "line": place[0],
        "column": place[1],
        "path": path,
        "node": {"id": finding.node, "title": finding.title} if finding.node else None,
        "problem": finding.text(language),
        "hint": finding.advice(language),
        "code": finding.code,
        "params": finding.plain(),
    }


def problem_json(path: Path, problem: Diagnostic, language: Language) -> Mapping[str, Any]:
    found = problem_entry(problem, (problem.line, problem.column), problem.where, language)
    return {"file": str(path), **{name: value for name, value in found.items() if name not in ("cause", "node")}}
