"""Which documents have a display status, as a condition that both databases understand."""

from typing import Final

from jikko.ports.stores.knowledge.records import UNDER_WAY

_INDEXING: Final = ", ".join(f"'{status}'" for status in UNDER_WAY if status != "waiting")
BY_DISPLAY_STATUS: Final = {
    "queuing": "status = 'waiting'",
    "indexing": f"status IN ({_INDEXING})",
    "paused": "status = 'paused'",
    "error": "status = 'error'",
    "available": "status = 'completed' AND NOT archived AND enabled",
    "disabled": "status = 'completed' AND NOT archived AND NOT enabled",
    "archived": "status = 'completed' AND archived",
}
"""Source: docs/dify-behaviour.md, “Datasets and documents”."""
