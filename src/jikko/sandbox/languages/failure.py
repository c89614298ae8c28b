"""Error texts of user programs: in the program's own terms, with its own lines, without local paths."""

import re
import sys
import sysconfig
import traceback
from typing import Final

from jikko.sandbox.languages import refusals

CODE_ERROR: Final = "CodeExecutionError"
LIMIT_ERROR: Final = "SandboxLimitError"
RESULT_ERROR: Final = "WorkflowNodeError"

MAX_TEXT: Final = 4000
"""Maximum characters of an error text."""

_OUR_PATHS: Final = tuple(
    sorted({path for path in (sysconfig.get_path("stdlib"), sys.prefix, sys.base_prefix, sys.exec_prefix) if path})
)
_PATH_OF_MODULE: Final = re.compile(r" \((?:/[^()]*|unknown location)\)")


class ProgramFailed(Exception):
    """The program failed; the text is for its author."""

    def __init__(self, message: str, kind: str = CODE_ERROR) -> None:
        self.kind = kind
        super().__init__(shorten(message))


def describe(error: BaseException, filename: str) -> str:
    """Describe an error, such as ``ValueError: boom (line 3)``, with an alternative if it was refused.

    ``error``: Of the program, or of its compilation. ``filename``: File name of the program's own lines.
    """
    lines = traceback.format_exception_only(error)
    # Earlier lines of a syntax error show the source and the file name.
    text = (lines[-1] if isinstance(error, SyntaxError) else "".join(lines)).strip()
    if isinstance(error, ImportError):
        text = _PATH_OF_MODULE.sub("", text)
    for path in reversed(_OUR_PATHS):
        text = text.replace(path, "<python>")
    text = shorten(text)
    line = _line_of(error, filename)
    if line is not None:
        text = f"{text} (line {line})"
    advice = refusals.advice_for(error, sys.stdlib_module_names)
    return text if advice is None or advice in text else f"{text}: {advice}"


def shorten(text: str) -> str:
    """Truncate a text to ``MAX_TEXT`` characters."""
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def _line_of(error: BaseException, filename: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno
    line = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == filename:
            line = number
    return line
