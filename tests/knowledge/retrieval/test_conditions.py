"""Which documents meet conditions on their metadata."""

from typing import Any

import pytest

from jikko.knowledge.retrieval.metadata_conditions import conditions_of, meets
from jikko.ports.knowledge import MetadataFilter

HELD = {"topic": "sea life", "year": 2019, "code": "B-1", "price": 2.5, "flag": True, "nothing": None, "題": "海の生物"}


def condition(name: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"name": name, "comparison_operator": operator, "value": value}


@pytest.mark.parametrize(
    ("name", "operator", "value", "is_met"),
    [
        ("topic", "contains", "life", True),
        ("topic", "contains", "Life", False),
        ("topic", "contains", "s%l", False),
        ("topic", "not contains", "pets", True),
        ("topic", "start with", "sea", True),
        ("topic", "end with", "sea", False),
        ("topic", "is", "sea life", True),
        ("topic", "is not", "pets", True),
        ("year", "is", "2019", True),
        ("year", "=", 2019, True),
        ("year", "≠", 2019, False),
        ("year", ">", 2018, True),
        ("year", "<", "2020", True),
        ("year", "≥", 2019, True),
        ("year", "≤", 2018.5, False),
        ("year", "after", 2019, False),
        ("year", "before", 2020, True),
        ("price", "=", 2.5, True),
        ("topic", ">", 3, False),
        ("topic", "≠", 3, False),
        ("code", "in", ["A-1", "B-1"], True),
        ("code", "in", "A-1, B-1", True),
        ("code", "in", [], False),
        ("code", "not in", [], True),
        ("code", "not in", "B-1", False),
        ("nothing", "empty", None, True),
        ("topic", "empty", None, False),
        ("topic", "not empty", None, True),
        ("題", "contains", "海", True),
        # Without the field nothing is met but "empty".
        ("absent", "empty", None, True),
        ("absent", "not empty", None, False),
        ("absent", "is not", "x", False),
        ("absent", "not contains", "x", False),
        ("absent", "≠", 1, False),
        ("absent", "not in", "x", False),
        ("topic", "unheard of", "x", False),
        # Without a value it is no condition.
        ("topic", "is", None, True),
    ],
)
def test_a_condition_is_met_or_not(name: str, operator: str, value: Any, is_met: bool) -> None:
    assert meets(HELD, MetadataFilter((condition(name, operator, value),))) is is_met


def test_all_have_to_be_met_or_one() -> None:
    both = (condition("year", ">", 2000), condition("topic", "is", "pets"))

    assert not meets(HELD, MetadataFilter(both))
    assert meets(HELD, MetadataFilter(both, any_of_them=True))
    assert meets(None, MetadataFilter(()))
    assert not meets(None, MetadataFilter(both))


@pytest.mark.parametrize("given", [None, 7, [], {}, {"conditions": []}, {"conditions": "x"}, {"conditions": [1, "x"]}])
def test_what_is_no_condition_filters_nothing(given: Any) -> None:
    assert conditions_of(given) is None
