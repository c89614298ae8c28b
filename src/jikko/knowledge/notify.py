"""Notifies the indexer that there is something to index."""

from collections.abc import Callable
from typing import TypeAlias

Wake: TypeAlias = Callable[[], None]
"""Has the indexing process look for jobs now, whichever it is."""
