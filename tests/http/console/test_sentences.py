"""What the server says without a code, of files, of itself and of the sandbox, the page says in Japanese, too."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "jikko"
SPEAKING = [
    *sorted((SOURCE / "forecast").glob("*.py")),
    # What several servers need is told by the command alone.
    *sorted(set((SOURCE / "assemble" / "health").glob("*.py")) - {SOURCE / "assemble" / "health" / "servers.py"}),
    SOURCE / "assemble" / "console" / "facts.py",
    SOURCE / "console" / "mending.py",
    *(SOURCE / "documents" / f"{name}.py" for name in ("archives", "books", "charset", "pdf", "processes", "worker")),
    SOURCE / "extras.py",
    SOURCE / "nodes" / "unsupported.py",
    SOURCE / "sandbox" / "selftest.py",
    SOURCE / "sandbox" / "unavailable.py",
    SOURCE / "sandbox" / "languages" / "refusals.py",
]
"""Modules whose sentences reach the page."""
OTHERS = [
    SOURCE / "apps" / "environment.py",
    *(SOURCE / "documents" / f"{name}.py" for name in ("formats", "mail", "spreadsheets")),
    SOURCE / "knowledge" / "indexing" / "indexing.py",
    SOURCE / "knowledge" / "texts" / "rules.py",
    SOURCE / "sandbox" / "probe.py",
    SOURCE / "sandbox" / "proof.py",
    SOURCE / "sandbox" / "fork_server_client.py",
]
"""Modules of which some do."""
NO_SENTENCES = re.compile(
    "|".join(
        [
            r"(jikko|pip|export|chmod|chown|unset|def|const|import) ",  # commands and programs
            r"providers:\n|\{\{|SQLite|Programming Language|//|name = ",
            r"(none: workflows|none but built-in|none: `jikko plugins|in the data folder|in 7|no limit|at most 7$)",
            r"(7, not made yet|runs are removed|off: runs stay|JIKKO_RETENTION_DAYS, or|installed, for 7)",
            # Of the command alone.
            r"(7 bytes for each process of a plugin|bounded by control groups|counted every second)",
            r"(memory that no limit counts|plugin memory$)",
            r"(data folder|open files|extra 7)$",  # names
            r"(7, 7 7|providers of tools)",  # parts of others
            r"(7 cannot be run by Jikko: 7\.|node type 7|The sandbox is not available: 7)",  # of runs
            r"(can't start new thread|the event loop waits for)",
            r"(TypeError: 7|main\(\) (missing|got) |77 and 7)",  # of Python
            r"(7 at node|(may|will) fail$| and | or | \(|: |, …)",
            r"[\W7]*$",
        ]
    )
)
"""Strings that are commands, names and parts of others."""


def _strings(file: Path) -> Iterator[str]:
    """The texts of a module, with 7 for what is put in."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    passed = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            passed.add(id(node.annotation))
        if isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in ast.walk(node) if part is not node and isinstance(part, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else _put_in(part) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.value


def _put_in(part: ast.expr) -> str:
    """What may stand in a place: the last of several texts, else 7."""
    value = part.value if isinstance(part, ast.FormattedValue) else part
    last = value.orelse if isinstance(value, ast.IfExp) else None
    if isinstance(value, ast.BoolOp):
        last = value.values[-1]
    return str(last.value) if isinstance(last, ast.Constant) and last.value else "7"


@cache
def _table() -> list[re.Pattern[str]]:
    words = ROOT / "console" / "src" / "words"
    tables = ("findings.ts", "mending.ts", "sandbox.ts", "documents.ts")
    page = "".join((words / name).read_text(encoding="utf-8") for name in tables)
    found = re.findall(r"/(\^.+?\$)/(s?),", page)
    return [re.compile(says, re.DOTALL if flags else 0) for says, flags in found]


def _clauses(text: str) -> list[str]:
    return [text, *text.removeprefix("; ").split("; ")]


@pytest.mark.parametrize("file", SPEAKING, ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_sentence_is_missing(file: Path) -> None:
    def is_said(text: str) -> bool:
        return any(says.search(text) for says in _table())

    missing = [
        clause
        for text in _strings(file)
        if " " in text.strip() and not is_said(text)
        for clause in _clauses(text)[1:]
        if " " in clause and not NO_SENTENCES.match(clause) and not is_said(clause)
    ]
    assert missing == []


def test_every_sentence_of_the_page_is_one_of_the_server() -> None:
    texts = [clause for file in (*SPEAKING, *OTHERS) for text in _strings(file) for clause in _clauses(text)]
    texts += ["write", "sandbox", "platform", "a transaction was committed"]
    texts += [
        "another comparison",
        "7: the environment variable 7 is not set",
        "7: 7 is not installed",
    ]  # within others
    texts += [f"{says} fail{at}: 7" for says in ("will", "may") for at in ("", ' at node "7" (line 7)')]
    assert [says.pattern for says in _table() if not any(says.search(text) for text in texts)] == []
