"""What the numbers in ``runs.status`` mean."""

from typing import Final

from jikko.events import RunStatus

STATUSES: Final[tuple[RunStatus, ...]] = ("running", "paused", "succeeded", "failed", "stopped", "partial-succeeded")
STATUS_NUMBERS: Final = {status: number for number, status in enumerate(STATUSES)}
