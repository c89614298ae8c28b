"""Values of conversation variables, which Dify reports as Python literals."""

from typing import Any

import msgspec
import pytest

from jikko.dify.recorded_chats import ThereVariable, value_of


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
        ("{(1, 2): 3}", "object"),
        ("{1: 2}", "object"),
        ("{'花': (1, 2)}", "object"),
        ("{'花': b'x'}", "object"),
        ("1e999", "number"),
        ("[-1e999]", "array[number]"),
    ],
)
def test_what_is_no_value_of_its_type_is_told(told: str, kind: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        value_of(told, kind)


@pytest.mark.parametrize("behind", ["\n", "0", " "])
def test_an_id_has_nothing_behind_it(behind: str) -> None:
    told = {"id": "0f0f0f0f-1111-4222-8333-444444444444", "name": "n", "value_type": "string"}
    assert msgspec.convert(told, ThereVariable).name == "n"

    with pytest.raises(msgspec.ValidationError, match="id"):
        msgspec.convert({**told, "id": told["id"] + behind}, ThereVariable)
