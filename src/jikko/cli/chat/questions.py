"""A question as it was typed: its text, and the files that it names by ``@path``."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_WORD: Final = re.compile(r"""(?<!\S)@(?:"([^"]+)"|(\S+))""")
_TAKEN: Final = "\x00"
_GAP: Final = re.compile(rf"[ \t]*{_TAKEN}")
_LIKE_A_PATH: Final = re.compile(r"[/\\~]|\.\w{1,5}$")


@dataclass(frozen=True, slots=True)
class TypedQuestion:
    """What is asked."""

    text: str
    files: tuple[Path, ...] = ()
    missing: tuple[str, ...] = ()
    """What looks like the path of a file, and is none."""


def question_of(line: str) -> TypedQuestion:
    """Read a line.

    A word that begins with ``@`` and names a file (in quotes, if it has blanks) is that file, and no part of the text.
    What names none stays, unless it looks like a path. ``@@`` is an ``@``.
    """
    files: list[Path] = []
    missing: list[str] = []

    def taken(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name.startswith("@"):
            return name
        path = Path(name).expanduser()
        try:
            is_file = path.is_file()
        except (OSError, ValueError):
            is_file = False
        if is_file:
            files.append(path)
            return _TAKEN
        if match[1] or _LIKE_A_PATH.search(name):
            missing.append(name)
        return match[0]

    text = _WORD.sub(taken, line)
    return TypedQuestion(_GAP.sub("", text).strip() if files else text, tuple(files), tuple(missing))


def paths_like(start: str, most: int = 200) -> list[str]:
    """Paths that begin so, for a terminal that completes them; folders end in a slash."""
    folder, _, name = start.rpartition("/")
    try:
        entries = sorted(Path(folder or ("/" if start.startswith("/") else ".")).expanduser().iterdir())
    except OSError:
        return []
    found = [entry for entry in entries if entry.name.startswith(name) and (name or not entry.name.startswith("."))]
    lead = f"{folder}/" if folder or start.startswith("/") else ""
    return [f"{lead}{entry.name}{'/' if entry.is_dir() else ''}" for entry in found[:most]]
