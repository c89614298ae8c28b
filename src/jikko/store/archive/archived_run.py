"""A run as the archive has it."""

from dataclasses import dataclass

from jikko.record import RunRecord


@dataclass(frozen=True, slots=True)
class ArchivedRun:
    """A run that has ended, with its log."""

    record: RunRecord
    log: bytes
    """Its events: a JSON array."""
    log_end: int
    """How many events these are."""


class DamagedArchive(Exception):
    """An object is none of the archive, or not as it was written. The message says what is wrong with it."""
