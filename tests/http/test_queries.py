"""Queries as structs: parsing, and messages about errors."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from jikko.errors import InvalidParam
from jikko.http.operation import Route
from jikko.http.reference.openapi import described
from jikko.http.request_fields import Id, queried
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, no_content

UUID = "0199A1B2-0006-7000-8000-000000001153"


class Color:
    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def parse(cls, text: str) -> "Color":
        if text not in ("青", "緑"):
            raise ValueError("must be a color")
        return cls(text)


class PetFilter(Struct):
    owner: Annotated[Id, Meta(description="Whose they are.")]
    kind: Annotated[Literal["cat", "dog"] | None, Meta(description="Default both.")] = None
    page: Annotated[int, Meta(ge=1, description="Default 1.")] = 1
    limit: Annotated[int, Meta(ge=-2, le=7, description="Default 5.")] = 5
    weight: Annotated[float, Meta(ge=0, description="In kg, at least.")] | None = None
    color: Annotated[Color, Meta(description="Of its fur.", extra_json_schema={"type": "string"})] | None = None
    name: Annotated[str, Meta(description="A part of its name.")] = ""


def test_a_query_has_numbers_words_ids_and_what_a_class_makes_of_a_text() -> None:
    query = {"owner": UUID, "kind": "cat", "page": "+3", "limit": "-2", "weight": "1.5", "color": "青", "name": "ミケ"}

    found = queried({**query, "unknown": "x"}, PetFilter)

    assert found.color is not None
    assert (found.owner, found.kind, found.page, found.limit, found.weight, found.color.name, found.name) == (
        *(UUID.lower(), "cat", 3, -2, 1.5, "青", "ミケ"),
    )


def test_an_empty_text_counts_as_not_given() -> None:
    assert queried({"owner": UUID, "color": "", "name": ""}, PetFilter) == queried({"owner": UUID}, PetFilter)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("owner", "", "is required and must be a valid UUID"),
        ("owner", UUID.replace("-", ""), "must be a valid UUID"),
        ("kind", "鳥", "must be one of cat, dog"),
        ("kind", "", "must be one of cat, dog"),
        ("page", "0", "must be at least 1"),
        ("limit", "8", "must lie between -2 and 7"),
        *(("limit", text, "must be a whole number") for text in ("1.0", "1e1", "١", "--1", "-", "1" * 17, "x", "")),
        ("weight", "-1", "must be at least 0"),
        *(("weight", text, "must be a number") for text in ("nan", "inf", "1e15", "重い")),
        ("color", "赤", "must be a color"),
    ],
)
def test_what_is_wrong_is_told_by_its_name(name: str, text: str, message: str) -> None:
    with pytest.raises(InvalidParam) as refused:
        queried({"owner": UUID, name: text}, PetFilter)

    assert str(refused.value) == f"{name}: {message}"


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_fields() -> None:
    with pytest.raises(InvalidParam, match=r"^owner: [^;]*; page: [^;]*; color: [^;]*$"):
        queried({"color": "赤", "page": "x"}, PetFilter)


def test_a_route_is_described_by_the_docstring_of_its_handler_and_its_query() -> None:
    @Route("GET", "/v1/pets", {204: "*/*"}, query=PetFilter)
    async def pets(request: Request) -> SendableResponse:
        """List pets, the
        oldest first.

        Not those that sleep.
        """
        return no_content()

    api = described([pets], title="", version="", description="", root_path="", schemes={"Key": {}})
    operation = api["paths"]["/v1/pets"]["get"]

    assert (operation["summary"], operation["description"]) == ("List pets, the oldest first", "Not those that sleep.")
    assert {
        part["name"]: (part["required"], part["schema"], part["description"]) for part in operation["parameters"]
    } == {
        "owner": (True, {"type": "string", "format": "uuid"}, "Whose they are."),
        "kind": (False, {"type": "string", "enum": ["cat", "dog"]}, "Default both."),
        "page": (False, {"type": "integer", "minimum": 1}, "Default 1."),
        "limit": (False, {"type": "integer", "minimum": -2, "maximum": 7}, "Default 5."),
        "weight": (False, {"type": "number", "minimum": 0}, "In kg, at least."),
        "color": (False, {"type": "string"}, "Of its fur."),
        "name": (False, {"type": "string"}, "A part of its name."),
    }
