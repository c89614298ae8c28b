"""Modules that a JavaScript program asks for. Programs have none."""

import re
from collections.abc import Iterator
from typing import Final

from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.sandbox.languages.refusals import JAVASCRIPT_MODULES

_TOKEN: Final = re.compile(
    r"""//[^\n]*|/\*.*?(?:\*/|\Z)"""
    r"""|(?P<require>(?<![\w$.])require\s*\(\s*(?P<quote>['"`])(?P<required>[^'"`\n]*)(?P=quote)\s*\))"""
    r"""|(?P<import>^[ \t]*import\b(?!\s*[(.])(?:[^'";]{0,2000}?)(?P<mark>['"])(?P<imported>[^'"\n]*)(?P=mark))"""
    r"""|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`""",
    re.DOTALL | re.MULTILINE,
)
"""What is passed over as a whole (comments and texts), and what is looked for."""
_CATCH: Final = re.compile(r"\bcatch\b")
_OWN_REQUIRE: Final = re.compile(r"\b(?:function|const|let|var)\s+require\b")
_MAX_LISTED_MODULES: Final = 10


def diagnose_javascript(code: str, where: str) -> Iterator[Diagnostic]:
    """The modules that a program requires or imports, in the order of its lines.

    Where the program catches errors or defines ``require`` itself, it may do without them.
    """
    certain = _CATCH.search(code) is None and _OWN_REQUIRE.search(code) is None
    listed: set[str] = set()
    for match in _TOKEN.finditer(code):
        name = match["required"] if match["require"] else match["imported"]
        if name is None or name in listed or len(listed) >= _MAX_LISTED_MODULES:
            continue
        listed.add(name)
        line = code.count("\n", 0, match.start()) + 1
        # An import is part of the syntax: nothing of the program runs.
        sure = certain or bool(match["import"])
        severity: Severity = "will_fail" if sure else "may_fail"
        params, remedy = {"module": repr(name), "line": line}, Phrase(JAVASCRIPT_MODULES)
        yield Diagnostic("import.missing", params, where=where, severity=severity, remedy=remedy)
