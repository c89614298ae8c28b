"""Plausibility of the numbers reported by a provider."""

import math

import pytest

from jikko.providers.progress import MAX_TOKENS, AnswerCollector


@pytest.mark.parametrize(
    ("reported", "believed"),
    [(7, 7), (7.9, 7), (0, 0), (-1, 0), (10**400, MAX_TOKENS), (math.inf, MAX_TOKENS), (-math.inf, 0), (math.nan, 0)],
)
def test_any_number_of_tokens_becomes_one_that_can_be_counted(reported: float, believed: int) -> None:
    progress = AnswerCollector(None, 100)
    progress.count(reported, reported, reported)
    assert (progress.prompt_tokens, progress.completion_tokens, progress.total_tokens) == (believed,) * 3
