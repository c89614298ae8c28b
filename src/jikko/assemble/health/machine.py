"""What the machine gives a server: a folder to write to, room in it, and files to open."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Final

from jikko.finding import Finding, size

_MIN_ROOM_BYTES: Final = 50_000_000
"""Bytes without which no server should start: a run that cannot be written is refused."""
_LITTLE_ROOM: Final = 1_000_000_000
"""Bytes that a busy server fills within days: some 2,000 a run."""
_REQUIRED_OPEN_FILES: Final = 256
"""Open files without which a server has no room for connections beside its own: database, sandbox, documents."""
_MIN_OPEN_FILES: Final = 4096
"""Open files that a thousand clients with a stream each, whose runs call other servers, may use up."""


def data_folder(home: Path) -> Finding:
    """Whether this user can keep runs there, and no other user can read them. Makes nothing."""
    name = "data folder"
    if home.exists() and not home.is_dir():
        return Finding(name, False, f"{home} is no folder; name another with JIKKO_HOME or --home")
    if not home.exists():
        above = _nearest(home)
        if not os.access(above, os.W_OK | os.X_OK):
            return Finding(name, False, f"{home} cannot be made: this user may not write to {above}; {_ELSEWHERE}")
        return Finding(name, True, f"{home}, not made yet")
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Finding(name, False, f"this user may not write to {home}; give it to this user (chown), or {_ELSEWHERE}")
    strangers = sorted({file.name for file in _of_others(home)})
    if strangers:
        detail = (
            f"{home}: {', '.join(strangers)} {'belongs' if len(strangers) == 1 else 'belong'} to another user; "
            f"run Jikko as one user, or give it all to this one: chown -R {os.geteuid()} {home}"
        )
        paste = f"chown -R {os.geteuid()} {quote(str(home))}"
        return Finding(name, os.geteuid() == 0, detail, warning=True, paste=paste)
    if _is_open(home):
        mode = stat.S_IMODE(home.stat().st_mode)
        detail = f"others may look into {home} (mode {mode:o}): chmod 700 {home}"
        return Finding(name, True, detail, warning=True, paste=f"chmod 700 {quote(str(home))}")
    return Finding(name, True, str(home))


_ELSEWHERE: Final = "name another folder with JIKKO_HOME or --home"


def _of_others(home: Path) -> Iterator[Path]:
    if not hasattr(os, "geteuid"):
        return
    # It may be a link, which another user may own: systemd makes one.
    for file in (home.resolve(), *home.iterdir()):
        if file.lstat().st_uid != os.geteuid():
            yield file


def _is_open(home: Path) -> bool:
    # Where the system has no such modes, the rights of the folder around it are the operator's to set.
    return sys.platform != "win32" and bool(home.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _nearest(path: Path) -> Path:
    """The folder that is there, of those above a path."""
    return next((above for above in path.absolute().parents if above.is_dir()), Path("/"))


def disk(home: Path) -> Finding:
    """How much room the data folder has."""
    try:
        room = shutil.disk_usage(home if home.exists() else _nearest(home))
    except OSError as error:
        return Finding("disk", False, f"the disk of {home} cannot be looked at: {error.strerror}")
    detail = f"{size(room.free)} free of {size(room.total)}"
    if room.free >= _LITTLE_ROOM:
        return Finding("disk", True, detail)
    advice = (
        "free some, remove old runs (`jikko runs prune --older-than 30d`, JIKKO_RETENTION_DAYS), or have the data "
        "folder on another disk (JIKKO_HOME)"
    )
    return Finding(
        "disk", room.free >= _MIN_ROOM_BYTES, f"{detail}; {advice}", True, "jikko runs prune --older-than 30d"
    )


def open_files() -> Iterator[Finding]:
    """How many files and sockets a server can have open. It takes as many as the hard limit gives."""
    if sys.platform == "win32":
        return
    import resource

    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= _MIN_OPEN_FILES:
        yield Finding("open files", True, "no limit" if limit == resource.RLIM_INFINITY else f"at most {limit:,}")
        return
    detail = (
        f"at most {limit:,}: each connection and each request of a workflow takes one; raise the hard limit "
        "(`ulimit -Hn`, LimitNOFILE= of a systemd unit, --ulimit nofile=65536 of docker run)"
    )
    yield Finding("open files", limit >= _REQUIRED_OPEN_FILES, detail, warning=True)
