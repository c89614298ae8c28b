"""Meanings of the numbers in ``callbacks.state``."""

from typing import Final

from jikko.ports.stores.callback_store import CallbackState

PENDING: Final = 0
DELIVERED: Final = 1
RUN_GOES_ON: Final = 3
"""Pending too, but its run has not ended: in no index, so that it costs nothing to look for what is due."""

STATES: Final[dict[int, CallbackState]] = {
    PENDING: "pending",
    DELIVERED: "delivered",
    2: "failed",
    RUN_GOES_ON: "pending",
}
NUMBERS: Final[dict[CallbackState, int]] = {"pending": PENDING, "delivered": DELIVERED, "failed": 2}
