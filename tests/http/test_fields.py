"""Plain messages about invalid fields, at any depth."""

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from jikko.errors import InvalidParam
from jikko.http.request_fields import checked, must


class Part(Struct):
    count: int
    text: Annotated[str, Meta(max_length=3)] = ""


class Body(Struct):
    name: str
    label: Annotated[str, Meta(min_length=1, max_length=4)] = "x"
    mode: Literal["fast", "slow"] | None = None
    tags: list[str] | None = None
    rules: dict[str, Any] | None = None
    places: Annotated[int, Meta(ge=1, le=5)] = 1
    score: float = 0.0
    enabled: bool = False
    parts: list[Part] | None = None
    pair: Annotated[list[str], Meta(max_length=2)] = []
    own: Annotated[str | None, Meta(extra=must("must be this or that"))] = None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "name: is required and must be a text"),
        ({"name": 5}, "name: must be a text"),
        ({"name": None}, "name: is required and must be a text"),
        ({"name": "n", "label": None}, "label: must be a text"),
        (
            {"name": 5, "places": None, "pair": None},
            "name: must be a text; places: must be a whole number; pair: must be a list",
        ),
        ({"name": "n", "label": ""}, "label: must be a text of at least 1 character"),
        ({"name": "n", "label": "日本🙂日本"}, "label: must be a text of at most 4 characters"),
        ({"name": "n", "mode": "odd"}, "mode: must be one of fast, slow"),
        ({"name": "n", "mode": 5}, "mode: must be a text"),
        ({"name": "n", "tags": "t"}, "tags: must be a list"),
        ({"name": "n", "tags": ["t", 5]}, "tags[1]: must be a text"),
        ({"name": "n", "rules": []}, "rules: must be an object"),
        ({"name": "n", "places": 0}, "places: must be a whole number of at least 1"),
        ({"name": "n", "places": 1.5}, "places: must be a whole number"),
        ({"name": "n", "score": "1"}, "score: must be a number"),
        ({"name": "n", "enabled": 1}, "enabled: must be true or false"),
        ({"name": "n", "pair": ["a", "b", "c"]}, "pair: must be a list of at most 2 elements"),
        ({"name": "n", "parts": [{"count": 1}, {}]}, "parts[1]: the field 'count' is required"),
        (
            {"name": "n", "parts": [{"count": 1, "text": "long"}]},
            "parts[0].text: must be a text of at most 3 characters",
        ),
        ({"name": "n", "own": 5}, "own: must be this or that"),
        ({"name": 5, "enabled": "no"}, "name: must be a text; enabled: must be true or false"),
    ],
)
def test_what_is_wrong_is_told_in_plain_words(body: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParam) as raised:
        checked(body, Body)

    assert str(raised.value) == message
