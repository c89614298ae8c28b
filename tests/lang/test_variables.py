"""Selectors inside of values."""

from typing import Any

import pytest

from jikko.lang.variables import FILE_ATTRIBUTES, attribute, follow
from jikko.values import FILE_IDENTITY, UNSET

FILE = {"dify_model_identity": FILE_IDENTITY, "filename": "a.txt", "size": 5, "mime_type": None, "id": "x"}


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        pytest.param("text", (), "text", id="no path, the value itself"),
        pytest.param({"a": {"b": 1}}, ("a", "b"), 1, id="keys of objects"),
        pytest.param({"a": None}, ("a",), None, id="a key that holds null is found"),
        pytest.param({"a": None}, ("b",), UNSET, id="a key that is missing is not"),
        pytest.param({"a": None}, ("a", "b"), UNSET, id="a null has no keys"),
        pytest.param(["x"], ("0",), UNSET, id="lists have no positions"),
        pytest.param("text", ("a",), UNSET, id="texts have no keys"),
        pytest.param(FILE, ("name",), "a.txt", id="the name of a file"),
        pytest.param(FILE, ("size", "ignored", "as well"), 5, id="behind an attribute, the path is ignored"),
        pytest.param(FILE, ("mime_type",), None, id="an attribute that is not known is null"),
        pytest.param(FILE, ("filename",), UNSET, id="keys of the mapping are no attributes"),
        pytest.param({"写真": FILE}, ("写真", "filename"), "a.txt", id="a file in an object has its keys"),
        pytest.param({"写真": FILE}, ("写真", "filename", "x"), UNSET, id="nothing is behind the key of a file"),
        pytest.param({"f": FILE}, ("f", "name"), "a.txt", id="a file in an object"),
    ],
)
def test_a_path_leads_through_objects_and_to_attributes_of_files(value: Any, path: tuple[str, ...], found: Any) -> None:
    assert follow(value, path) == found


@pytest.mark.parametrize("name", FILE_ATTRIBUTES)
def test_files_have_these_attributes(name: str) -> None:
    assert attribute(FILE, name) is not UNSET
