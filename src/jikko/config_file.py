"""The files that an operator writes: providers, tools."""

from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Final, Literal

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.errors import InvalidFile, InvalidSettings

_MAX_SHOWN: Final = 100
"""Problems that a message lists."""


def read_config_file(file: Path, kind: str, max_bytes: int) -> bytes:
    """The whole content of such a file.

    Args:
        kind: What it is, as errors name it: ``providers file``.

    Raises:
        InvalidSettings: It cannot be read, or is larger than ``max_bytes``.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(max_bytes + 1)
    except OSError as error:
        raise InvalidSettings(f"The {kind} {file} cannot be read: {error.strerror}.") from None
    if len(text) > max_bytes:
        raise InvalidSettings(f"The {kind} {file} is larger than {max_bytes} bytes.")
    return text


def require_no_problems(
    problems: Sequence[Diagnostic],
    kind: Literal["providers", "tools", "plugins"],
    source: str,
    line_of: Callable[[Diagnostic], int] = lambda problem: 0,
) -> None:
    """Raise ``InvalidFile`` with all problems of a file, if there are any.

    Args:
        line_of: The line that a problem is in; 0 if that is not known.
    """
    if not problems:
        return
    listed = [_in_line(problem.as_part(), line_of(problem)) for problem in problems[:_MAX_SHOWN]]
    if (more := len(problems) - len(listed)) > 0:
        listed.append(Phrase("part.more_problems", {"count": more}))
    text = reduce(lambda after, each: Phrase("part.next", {"text": each, "next": after}), reversed(listed))
    params = {"kind": Phrase(f"part.kind_{kind}"), "source": source, "count": len(problems), "problems": text}
    raise InvalidFile(Phrase("settings.one_problem" if len(problems) == 1 else "settings.problems", params))


def _in_line(text: Phrase, line: int) -> Phrase:
    return Phrase("part.at_line", {"line": line, "text": text}) if line else text
