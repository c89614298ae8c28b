"""Where a run is (here, waiting, paused, elsewhere) is decided in one place: ``runs/control.py`` and its parts.

A module that newly does one of these things fails here. Have it ask ``Control`` for one of its acts instead.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import jikko

HOUSE = Path(jikko.__file__).parent

CONTROL = {
    "runs/control.py",
    "runs/recovery.py",
    "runs/following/run_tail.py",
    "runs/offer_queue.py",
    "runs/peer_commands.py",
}
"""What knows the places: control itself, taking over, following, and what is asked of and given to other processes."""


def modules(word: str) -> Iterator[tuple[str, ast.Module]]:
    """Those that have a word, which is what takes little time to know."""
    for path in HOUSE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if re.search(word, text):
            yield path.relative_to(HOUSE).as_posix(), ast.parse(text)


def imports_the_executor(node: ast.AST) -> bool:
    """Which knows the runs that this process executes, and those that wait here."""
    return isinstance(node, ast.ImportFrom) and node.module in ("jikko.runs.executor", "jikko.runs.queued_run")


def asks_another_process(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr == "request" and "cluster" in ast.unparse(node.func.value).lower()


def reads_who_has_a_run(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "holder" and isinstance(node.ctx, ast.Load)


def tells_paused_from_running(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return any(map(_names_an_open_place, (node.left, *node.comparators)))
    return isinstance(node, ast.MatchValue) and _names_an_open_place(node.value)


def _names_an_open_place(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in ("running", "paused")


SHOWN = {
    "cli/remote/remote_runs.py",  # of what a server says
    "cli/output.py",
    "cli/runs/listing.py",
    "cli/triggers/triggers_command.py",  # of a schedule
    "console/run_overview.py",
    "dify/bodies.py",
    "cli/chat/dify_chats.py",  # of a message at a Dify
    "dify/knowledge/document_bodies.py",  # of a document
    "dify/stream.py",
    "exit_codes.py",
    "http/console/run_bodies.py",
    "http/routes/run_events.py",
    "proving/verdict.py",  # of a run of `jikko test`, in memory
    "runs/forms.py",
    "runs/reading/node_executions.py",
    "triggers/deliveries.py",  # of a delivery, which is set aside only once its run has ended
}
"""Modules that show what a record says, whatever is true by then, and act on nothing because of it."""


@pytest.mark.parametrize(
    ("does", "word", "others"),
    [
        # The assembly and Runs put the house together; the executor takes its own runs from its queue.
        (imports_the_executor, r"jikko\.runs\.", {"assemble/assembling.py", "runs/runs.py", "runs/executor.py"}),
        (asks_another_process, r"\.request\(", set()),
        # The holder of a run is written with its events. To the cluster it is the name of a process that is gone.
        (
            reads_who_has_a_run,
            r"\.holder\b",
            {"runs/append_maker.py", "runs/run_log.py", "store/", "cluster/", "server/member.py"},
        ),
        (
            tells_paused_from_running,
            '"(paused|running)"',
            {"record.py", "runs/append_maker.py", "runs/following/", *SHOWN},
        ),
    ],
)
def test_no_other_module_decides_where_a_run_is(does: Callable[[ast.AST], bool], word: str, others: set[str]) -> None:
    found = {name for name, tree in modules(word) if any(map(does, ast.walk(tree)))}

    allowed = CONTROL | others
    assert {name for name in found if not any(name.startswith(start) for start in allowed)} == set()
    # What is allowed and not done any more is to be taken off the list.
    assert {start for start in others if not any(name.startswith(start) for name in found)} == set()
    assert "runs/control.py" in found
