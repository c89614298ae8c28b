"""Values of conversation variables, which Dify tells as text in the form of Python."""

from typing import Any

import pytest

from jikko.dify.recorded_chats import value_of


@pytest.mark.parametrize(
    ("told", "kind", "value"),
    [
        ("12", "string", "12"),
        ("{'a': 1}", "secret", "{'a': 1}"),
        ("7", "number", 7),
        ("-1.5", "number", -1.5),
        ("True", "boolean", True),
        ("{'花': [None, True, 'it\\'s \"x\"']}", "object", {"花": [None, True, 'it\'s "x"']}),
        ('{"a": null}', "object", {"a": None}),
        ("['🙂', '\\ue000']", "array[string]", ["🙂", "\ue000"]),
        ("[]", "array[object]", []),
        ([1], "array[number]", [1]),
        (None, "object", None),
    ],
)
def test_a_value_is_what_it_was(told: Any, kind: str, value: Any) -> None:
    found = value_of(told, kind)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("many", "number"),
        ("True", "number"),
        ("__import__('os')", "object"),
        ("[" * 100_000, "array[object]"),
        ("{'a': object()}", "object"),
        ("{1, 2}" * 2, "object"),
    ],
)
def test_what_is_no_value_of_its_type_is_told(told: str, kind: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        value_of(told, kind)
