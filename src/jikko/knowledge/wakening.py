"""Telling that there is something to index."""

from collections.abc import Callable
from typing import TypeAlias

Wake: TypeAlias = Callable[[], None]
"""Has whoever indexes look for jobs now, in whichever process that is."""
