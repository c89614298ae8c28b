"""What clients rely on changes on purpose only."""

from pathlib import Path
from typing import Any

import pytest

from jikko.http.reference.openapi import openapi
from tests.http.outline import described_console, kept


@pytest.mark.parametrize(
    ("file", "now"), [pytest.param(*each, id=f"{each[0].parent.name}/{each[0].name}") for each in kept().items()]
)
def test_operations_fields_and_examples_are_those_that_clients_know(file: Path, now: str) -> None:
    known, lines = file.read_text("utf-8").splitlines(), now.splitlines()

    assert lines == known, "If clients may see it: python -m tests.http.outline; and say so in the changelog."


@pytest.mark.parametrize("described", [openapi("0"), described_console()], ids=["api", "console"])
def test_every_operation_parameter_and_answer_has_words(described: dict[str, Any]) -> None:
    assert all(described["info"][name] for name in ("title", "version", "description"))
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            asked = [part for part in operation.get("parameters", ()) if part["in"] != "path"]
            assert all(part["description"] for part in (*asked, *operation["responses"].values())), (method, path)
