"""Questions as typed: text, and files referenced as ``@path``."""

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
    """A parsed question."""

    text: str
    files: tuple[Path, ...] = ()
    missing: tuple[str, ...] = ()
    """Apparent paths of missing files."""


def question_of(line: str) -> TypedQuestion:
    """Parse a line. A word that starts with ``@`` and names a file (quoted, if it has blanks) attaches that file, and
    is removed from the text. Others stay, unless they look like a path. ``@@`` is a literal ``@``."""
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
    """Return paths with a prefix, for completion; folders end in a slash."""
    folder, _, name = start.rpartition("/")
    try:
        entries = sorted(Path(folder or ("/" if start.startswith("/") else ".")).expanduser().iterdir())
    except OSError:
        return []
    found = [entry for entry in entries if entry.name.startswith(name) and (name or not entry.name.startswith("."))]
    lead = f"{folder}/" if folder or start.startswith("/") else ""
    return [f"{lead}{entry.name}{'/' if entry.is_dir() else ''}" for entry in found[:most]]
