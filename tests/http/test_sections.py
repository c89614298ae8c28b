"""Parts of the table of operations that are imported when they are asked for: each address is found in them."""

import re
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from jikko.http.app import Router
from jikko.http.console.page_files import PageFiles
from jikko.http.console.sections import console_sections
from jikko.http.console.table import console_operations
from jikko.http.operation import Operation, Route, Section, all_operations
from jikko.http.reference.openapi import OPERATIONS
from jikko.http.served import SERVED

CONSOLE: Any = SimpleNamespace(count=None)
"""None that anybody enters: its operations are only looked up."""
SECTIONS = [entry for entry in (*SERVED, *console_sections(CONSOLE)) if isinstance(entry, Section)]
ALL = all_operations(SERVED)
ONE = Route("GET", "/v1/pets/{pet_id}", {})(OPERATIONS[0].handler)
OTHER = Route("POST", "/v1/pets", {})(OPERATIONS[0].handler)


def address(operation: Operation) -> str:
    return re.sub(r"{\*?\w+}", "x", operation.path)


@pytest.mark.parametrize("operation", ALL, ids=lambda operation: f"{operation.method} {operation.path}")
def test_a_server_that_was_asked_for_nothing_else_finds_every_operation(operation: Operation) -> None:
    found, _ = Router(SERVED).find(operation.method, address(operation))

    assert found is not None
    assert found.path == operation.path


def test_a_console_that_was_asked_for_nothing_else_finds_every_operation_of_it() -> None:
    lost, page = [], PageFiles()
    for operation in console_operations(CONSOLE):
        found, _ = Router([*SERVED, *console_sections(CONSOLE, page)]).find(operation.method, address(operation))
        if found is None or (found.path, found.summary) != (operation.path, operation.summary):
            lost.append(f"{operation.method} {operation.path}")

    assert lost == []


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.beginnings[0])
def test_the_addresses_of_a_section_begin_as_it_says(section: Section) -> None:
    operations = list(section.operations())

    assert operations
    assert [each.path for each in operations if not each.path.startswith(section.beginnings)] == []
    unused = [each for each in section.beginnings if not any(one.path.startswith(each) for one in operations)]
    assert not unused or section.refused  # in its own form, as OpenAI's clients expect


def test_a_section_is_imported_once_and_by_no_other_address() -> None:
    asked = []

    def operations() -> Iterable[Operation]:
        asked.append(1)
        return ONE, OTHER

    router = Router([*OPERATIONS, Section(("/v1/pets",), operations)])
    assert router.find("GET", "/v1/pet")[0] is None
    assert router.find("GET", "/v1/info")[0] is not None
    assert asked == []

    assert router.methods("/v1/pets") == ["OPTIONS", "POST"]
    assert router.find("GET", "/v1/pets/8") == (ONE, {"pet_id": "8"})
    assert router.find("POST", "/v1/pets") == (OTHER, {})
    assert asked == [1]
