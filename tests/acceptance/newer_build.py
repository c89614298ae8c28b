"""Build of the next version: one more event, in every run, and one more database migration."""

import shutil
from pathlib import Path

import jikko
from jikko.events import LOG_FORMAT
from jikko.store.postgres.migrate import MAIN

STEP = "-- readers: {readers}\nALTER TABLE open_runs ADD COLUMN newer text;\nALTER TABLE runs ADD COLUMN newer int8;\n"
EVENT = '''class RunNoted(Struct, tag_field="event", tag="run_noted", kw_only=True):
    """Something that only the newer version knows of."""

    at: float
    text: str


class UnknownEvent('''
NOTED = """
def _noted(events: Sequence[Event]) -> list[Event]:
    from jikko.events import RunNoted

    events = list(events)
    if events:
        ends = isinstance(events[0], (RunFinished, RunPaused)) or type(events[0]).__name__ == "RunParked"
        events.insert(0 if ends else 1, RunNoted(at=events[0].at, text="新しい🙂"))
    return events


class RunLog:"""


def newer_build(folder: Path, readers: int | None = None) -> Path:
    """Create the build. Returns the folder for ``PYTHONPATH``.

    Args:
        readers: Last migration of the oldest build that may run beside it; by default this build's.
    """
    package = folder / "newer" / "jikko"
    # Bytecode of unchanged files stays valid, except files being written right now.
    shutil.copytree(Path(jikko.__file__).parent, package, ignore=shutil.ignore_patterns("*.pyc.*"))
    newest, _ = MAIN.steps()[-1]
    step = package / "store" / "postgres" / "migrations" / f"{newest + 1:04d}_newer.sql"
    step.write_text(STEP.format(readers=newest if readers is None else readers), encoding="utf-8")
    _change(
        package / "events.py",
        (f"LOG_FORMAT: Final = {LOG_FORMAT}\n", f"LOG_FORMAT: Final = {LOG_FORMAT + 1}\n"),
        ("class UnknownEvent(", EVENT),
        ("    | UnknownEvent\n", "    | UnknownEvent\n    | RunNoted\n"),
    )
    _change(package / "record.py", ("    format: int = 1\n", "    format: int = LOG_FORMAT\n"))
    _change(
        package / "runs" / "run_log.py",
        ("\nclass RunLog:", NOTED),
        ("            self.events += events\n", "            self.events += _noted(events)\n"),
    )
    return package.parent


def _change(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, (path, old)
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
