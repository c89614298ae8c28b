"""Sizes of benchmarks: those that figures are made with, or with ``BENCH_TINY=1`` tiny ones, to see that they run."""

import os
from typing import Final, TypeVar

TINY: Final = os.environ.get("BENCH_TINY") == "1"
Size = TypeVar("Size")


def sized(usual: Size, tiny: Size) -> Size:
    """A size for this process."""
    return tiny if TINY else usual
