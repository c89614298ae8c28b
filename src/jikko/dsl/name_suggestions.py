"""Finds what was probably meant, without spending more than a moment on it."""

from collections.abc import Iterable

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import meant

_MAX_CHOICES = 2_000
_MAX_QUESTIONS = 50


class NameSuggestions:
    """The names that exist. Comparing is slow, so a file full of mistakes gets hints for the first of them only."""

    def __init__(self, choices: Iterable[str]) -> None:
        self._choices = list(choices)
        self._left = _MAX_QUESTIONS if len(self._choices) <= _MAX_CHOICES else 0

    def hint(self, wrong: str) -> Phrase | None:
        """A hint that names the most similar name, if there is one."""
        if not self._left:
            return None
        self._left -= 1
        return meant(wrong, self._choices)
