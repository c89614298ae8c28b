"""Interim results of a sample of mutants."""

from collections.abc import Iterable
from typing import Final

from scripts.copies import Outcome
from scripts.mutation import Mutant

MIN_NOTICED_SHARE: Final = 0.8


class Tally:
    """Counts. Mutants that were not tested, or not with all of their tests, count as not noticed."""

    def __init__(self, mutants: Iterable[Mutant]) -> None:
        self._left: dict[Mutant, str] = dict.fromkeys(mutants, "was not tried")
        self._count = len(self._left)

    def add(self, mutant: Mutant, outcome: Outcome, *, every: bool) -> None:
        """Record an outcome.

        Args:
            every: Whether no further test could change it.
        """
        if outcome != "survived":
            self._left.pop(mutant, None)
        elif mutant in self._left:
            self._left[mutant] = "is noticed by no test" if every else "is not noticed by the tests that were asked"

    @property
    def noticed(self) -> int:
        """Number of noticed mutants."""
        return self._count - len(self._left)

    @property
    def is_enough(self) -> bool:
        """Whether enough of the sample was noticed."""
        return self.noticed >= MIN_NOTICED_SHARE * self._count

    def summary(self) -> str:
        """Return the diffs of mutants that were not noticed, and the share of those that were."""
        blocks = [
            f"Not noticed: {mutant.path}:{mutant.line} {what}\n{mutant.diff}\n"
            for mutant, what in sorted(self._left.items(), key=lambda item: (item[0].path, item[0].line))
        ]
        summary = f"{self.noticed} of {self._count} changes were noticed ({self.noticed / self._count:.0%})"
        unsure = sum(what != "is noticed by no test" for what in self._left.values())
        if unsure:
            summary += f"; of the rest, {unsure} were not tried with all of their tests"
        return "\n".join([*blocks, summary])
