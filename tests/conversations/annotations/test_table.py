"""Which annotation is nearest to a question."""

import math
import random
from array import array

import pytest

from jikko.conversations.annotations import AnnotationTable, Match
from jikko.ports.other_models import Vector


def vector(*numbers: float) -> Vector:
    length = math.hypot(*numbers)
    return array("f", [number / length for number in numbers])


def at(degrees: float) -> Vector:
    return vector(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))


TABLE = AnnotationTable([("a", "zero", at(0)), ("b", "thirty", at(30)), ("c", "sixty", at(60)), ("d", "none", None)])


@pytest.mark.parametrize(("degrees", "threshold", "found"), [(29, 0.9, "b"), (61, 0.9, "c"), (-20, 0.9, "a")])
def test_the_most_alike_is_found(degrees: float, threshold: float, found: str) -> None:
    match = TABLE.nearest(at(degrees), threshold)

    assert match is not None
    assert match.id == found
    assert match.score >= threshold


def test_nothing_is_found_below_the_threshold() -> None:
    assert TABLE.nearest(at(90), math.cos(math.radians(29))) is None
    assert TABLE.nearest(at(90), math.cos(math.radians(31))) is not None


def test_the_same_question_is_found_with_a_threshold_of_one() -> None:
    numbers = [random.Random(1).gauss(0, 1) for _ in range(1536)]
    table = AnnotationTable([("a", "q", vector(*numbers))])

    match = table.nearest(vector(*numbers), 1.0)

    assert match is not None
    assert match.score == pytest.approx(1, abs=1e-6)


def test_of_several_that_are_as_much_alike_the_oldest_is_found() -> None:
    table = AnnotationTable([("old", "q", at(10)), ("new", "q", at(10))])

    assert table.same("q") == Match("old", 1.0)
    assert (table.nearest(at(10), 0.5) or Match("", 0)).id == "old"


def test_the_very_words_need_no_vector() -> None:
    assert TABLE.same("none") == Match("d", 1.0)
    assert TABLE.same("None") is None
    assert len(TABLE) == 3


def test_vectors_of_another_length_or_without_direction_fit_nothing() -> None:
    table = AnnotationTable([("a", "q", vector(1, 0, 0)), ("b", "q", array("f", [0, 0]))])

    assert table.nearest(at(0), 0.0) is None


def test_among_thousands_it_is_the_same_that_is_found() -> None:
    source = random.Random(7)

    def drawn() -> list[float]:
        return [source.gauss(0, 1) for _ in range(128)]

    centres = [drawn() for _ in range(2000)]
    table = AnnotationTable([(str(place), "", vector(*centre)) for place, centre in enumerate(centres)])

    for place in source.sample(range(2000), 20):
        near = vector(*(number + source.gauss(0, 0.4) for number in centres[place]))
        match = table.nearest(near, 0.85)
        assert match is not None
        assert match.id == str(place)
