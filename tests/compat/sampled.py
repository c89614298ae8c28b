"""Which of many recorded cases belong to the fast tests: every third, so that all families are among them."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.compat.replay.cases import Case


def sampled(cases: Sequence[Case], is_slow: Callable[[Case], bool] = lambda case: False) -> list[Any]:
    """Parameters of a test, named as the cases are.

    Args:
        is_slow: Of cases that wait for long.
    """
    return [
        pytest.param(case, id=case.name, marks=[pytest.mark.slow] if number % 3 or is_slow(case) else [])
        for number, case in enumerate(cases)
    ]
