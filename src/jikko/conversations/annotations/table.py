"""The annotations of one app by likeness of their questions."""

import heapq
import operator
from collections.abc import Sequence
from typing import Final, NamedTuple

from jikko.ports.embeddings import Vector

_ALL: Final = 256
"""Annotations from which on not all are compared number by number."""
_ROUNDING: Final = 1e-6
"""By which the product of two vectors of 32-bit floats may miss the likeness that it stands for."""


class Match(NamedTuple):
    """An annotation that fits a question."""

    id: str
    score: float
    """The likeness of the two questions: 1 for the same."""


class AnnotationTable:
    """Finds the annotation nearest to a question. It never changes."""

    def __init__(self, entries: Sequence[tuple[str, str, Vector | None]]) -> None:
        """Args:
        entries: Id, question and vector of each annotation, oldest first; without a vector it is found by its very
            words only.
        """
        self._by_question: dict[str, str] = {}
        for id_, question, _ in entries:
            self._by_question.setdefault(question, id_)
        self._ids = [id_ for id_, _, vector in entries if vector is not None]
        self._vectors = [vector for _, _, vector in entries if vector is not None]
        self._signs = [_signs(vector) for vector in self._vectors] if len(self._vectors) > _ALL else []

    def __len__(self) -> int:
        """How many annotations can be compared."""
        return len(self._vectors)

    def same(self, question: str) -> Match | None:
        """The oldest annotation with these very words: no model has to say that they are alike."""
        found = self._by_question.get(question)
        return None if found is None else Match(found, 1.0)

    def nearest(self, vector: Vector, threshold: float) -> Match | None:
        """The annotation whose question is most alike, the oldest of several; ``None`` if none is alike enough.

        Takes 70 us for each of the first 256 annotations, with 1,536 numbers each. Of more than that, those with the
        most signs in common are compared: what is as much alike as thresholds ask for has.
        """
        places: Sequence[int] = range(len(self._vectors))
        if self._signs:
            own = _signs(vector)
            places = heapq.nsmallest(_ALL, places, key=lambda place: (self._signs[place] ^ own).bit_count())
        best: Match | None = None
        for place in sorted(places):
            other = self._vectors[place]
            # Of another length: the model was exchanged behind its name.
            if len(other) == len(vector) and any(other):
                score = sum(map(operator.mul, other, vector))
                if score >= threshold - _ROUNDING and (best is None or score > best.score):
                    best = Match(self._ids[place], score)
        return best


def _signs(vector: Vector) -> int:
    """One bit for each number: whether it is positive."""
    return int("".join("1" if number > 0 else "0" for number in vector) or "0", 2)
