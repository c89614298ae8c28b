"""Statements of a version to PostgreSQL, for its successors: versions that it can be rolled back from must accept them.

    PYTHONPATH=src:. python -m tests.store.older_statements NUMBER

records each statement sent by this checkout's stores in its contract tests, as ``fixtures/postgres-NUMBER.json.gz``.
NUMBER is that of its last migration.
"""

import gzip
import json
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

from jikko import __file__ as package

FOLDER: Final = Path(__file__).parent / "fixtures"
ASKED: Final = ("tests/contract", "tests/store/archive", "tests/store/moving", "tests/maintenance")
_PASSED_ON: Final = ("database.py", "migrate.py", "sql.py")
"""Modules that pass statements on; tests send some through them, too."""


def kept(number: int) -> list[str]:
    """Return the statements of the version whose last migration had this number."""
    found: list[str] = json.loads(gzip.decompress((FOLDER / f"postgres-{number:04}.json.gz").read_bytes()))
    return found


class Recorder:
    """Records statements that modules of Jikko send through asyncpg."""

    def __init__(self) -> None:
        self.statements: dict[str, None] = {}

    def install(self) -> None:
        from asyncpg.connection import Connection

        executed: Any = Connection._do_execute

        async def execute(connection: Any, query: Any, *more: Any, **options: Any) -> Any:
            if _is_ours(sys._getframe()):
                self.statements[query if isinstance(query, str) else query.query] = None
            return await executed(connection, query, *more, **options)

        setattr(Connection, "_do_execute", execute)  # noqa: B010


def _is_ours(frame: FrameType | None) -> bool:
    folder = str(Path(package).parent)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(folder) and not name.endswith(_PASSED_ON):
            return True
        frame = frame.f_back
    return False


if __name__ == "__main__":
    recorder = Recorder()
    recorder.install()
    assert not pytest.main(["-q", "-n", "0", "-m", "postgres", *ASKED])
    data = json.dumps(list(recorder.statements), ensure_ascii=False).encode()
    (FOLDER / f"postgres-{int(sys.argv[1]):04}.json.gz").write_bytes(gzip.compress(data, mtime=0))
