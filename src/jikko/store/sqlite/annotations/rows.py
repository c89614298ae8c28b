"""Annotations and jobs as rows."""

import sqlite3
from typing import Any, Final, TypeAlias

from jikko.ports.stores.annotation_store import Annotation, JobStatus, ReplyJob, ReplySetting
from jikko.store.identifiers import id_text, storable
from jikko.store.sqlite.runs.run_rows import names

Row: TypeAlias = tuple[Any, ...]

STATUSES: Final[tuple[JobStatus, ...]] = ("waiting", "processing", "completed", "error")
"""What the numbers in ``annotation_jobs.status`` mean."""
ANNOTATION: Final = """
SELECT a.annotation_id, n.text, a.question, a.answer, a.hits, a.created_at FROM annotations a
  JOIN names n ON n.key = a.app
"""
JOB: Final = """
SELECT j.job_id, n.text, j.threshold, j.provider, j.model, j.status, j.error, j.created_at FROM annotation_jobs j
  JOIN names n ON n.key = j.app
"""


def annotation(row: Row) -> Annotation:
    """That of a row of ``ANNOTATION``."""
    return Annotation(id=id_text(row[0]), app_id=row[1], question=row[2], answer=row[3], hits=row[4], created_at=row[5])


def job(row: Row) -> ReplyJob:
    """That of a row of ``JOB``."""
    setting = ReplySetting(threshold=row[2], provider=row[3], model=row[4]) if row[3] else None
    return ReplyJob(
        id=id_text(row[0]), app_id=row[1], setting=setting, status=STATUSES[row[5]], error=row[6], created_at=row[7]
    )


def setting_columns(setting: ReplySetting | None) -> tuple[float, str, str]:
    """``threshold, provider, model``."""
    return (
        (0.0, "", "") if setting is None else (setting.threshold, storable(setting.provider), storable(setting.model))
    )


def app_key(connection: sqlite3.Connection, app_id: str) -> int:
    """The number of an app; it gets one if it has none."""
    return names().key(connection, (storable(app_id),))


def space_key(connection: sqlite3.Connection, setting: ReplySetting) -> int:
    """The number of the model that makes vectors; likewise."""
    return names().key(connection, (space_text(setting),))


def space_text(setting: ReplySetting) -> str:
    """How a model is named in ``names``."""
    return storable(f"{setting.provider}\n{setting.model}")
