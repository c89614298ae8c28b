"""Stability of the API contract."""

from typing import Any

import pytest

from jikko.http.reference.openapi import openapi
from tests.http.outline import HERE, KEPT, described_console, outline


@pytest.mark.parametrize("name", KEPT)
def test_operations_fields_and_examples_are_those_that_clients_know(name: str) -> None:
    known, now = (HERE / name).read_text("utf-8").splitlines(), KEPT[name]().splitlines()

    assert now == known, "If clients may see the change: python -m tests.http.outline; and say so in the changelog."


def test_an_outline_is_the_same_however_a_library_words_and_orders_a_schema() -> None:
    count = {"type": "integer", "minimum": 0}
    one = {"anyOf": [{"type": "null"}, {"type": "object", "additionalProperties": count}, {"$ref": "#/x/Usage"}]}
    words = {"propertyNames": {"enum": ["running", "paused"]}, "title": "By status"}
    other = {
        "anyOf": [{"$ref": "#/x/Usage"}, {"additionalProperties": count, **words, "type": "object"}, one["anyOf"][0]]
    }

    def outlined(field: dict[str, Any]) -> str:
        return outline(
            {"paths": {}, "components": {"schemas": {"Run": {"type": "object", "properties": {"a": field}}}}}
        )

    assert outlined(one) == outlined(other)
    assert outlined(one) != outlined({"anyOf": one["anyOf"][:2]})


@pytest.mark.parametrize("name", ["api", "console"])
def test_every_operation_parameter_and_answer_has_words(name: str) -> None:
    described = openapi("0") if name == "api" else described_console()

    assert all(described["info"][name] for name in ("title", "version", "description"))
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            asked = [part for part in operation.get("parameters", ()) if part["in"] != "path"]
            assert all(part["description"] for part in (*asked, *operation["responses"].values())), (method, path)
