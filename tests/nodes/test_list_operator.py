"""Filtering, picking, sorting and shortening lists."""

import pytest

from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.data.list_operator import ListOperator
from jikko.values import Json
from tests.nodes.context import FakeContext, fields, file

pytestmark = pytest.mark.anyio

FILES = [
    file("b.txt", size=30, mime_type="text/plain", type="document"),
    file("a.png", size=None, mime_type="image/png", type="image", related_id="id-a"),
    file("c.csv", size=2, transfer_method="remote_url", remote_url="http://files.test/c.csv"),
]


def condition(operator: str, value: Json, key: str = "") -> dict[str, Json]:
    return {"key": key, "comparison_operator": operator, "value": value}


async def operated(
    items: Json,
    *conditions: dict[str, Json],
    order: str | None = None,
    key: str = "",
    size: int | None = None,
    serial: str | None = None,
) -> Result:
    data = fields(
        {
            "variable": ["n", "list"],
            "filter_by": {"enabled": bool(conditions), "conditions": list(conditions)},
            "order_by": {"enabled": order is not None, "key": key, "value": order or "asc"},
            "limit": {"enabled": size is not None, "size": 10 if size is None else size},
            "extract_by": {"enabled": serial is not None, "serial": serial or "1"},
        }
    )
    node = ListOperator.from_dsl(data)
    assert data.problems == []
    return await node.run(FakeContext({"n": {"list": items, "text": "b", "place": 2}}))


@pytest.mark.parametrize(
    ("operator", "value", "kept"),
    [
        ("contains", "b", ["b", "abc"]),
        ("not contains", "b", ["c", ""]),
        ("start with", "a", ["abc"]),
        ("end with", "c", ["abc", "c"]),
        ("is", "c", ["c"]),
        ("is not", "c", ["b", "abc", ""]),
        ("in", "b,c", ["b", "c", ""]),
        ("not in", "b,c", ["abc"]),
        ("empty", "", [""]),
        ("not empty", "", ["b", "abc", "c"]),
        ("contains", "{{#n.text#}}", ["b", "abc"]),
    ],
)
async def test_texts(operator: str, value: str, kept: list[str]) -> None:
    assert (await operated(["b", "abc", "c", ""], condition(operator, value))).outputs["result"] == kept


@pytest.mark.parametrize(
    ("operator", "value", "kept"),
    [
        ("=", "2", [2]),
        ("≠", "2", [1, 3, 2.5]),
        ("<", "2", [1]),
        (">", "2", [3, 2.5]),
        ("≤", "2.5", [1, 2, 2.5]),
        ("≥", 2.5, [3, 2.5]),
        (">", "{{#n.place#}}", [3, 2.5]),
    ],
)
async def test_numbers(operator: str, value: Json, kept: list[float]) -> None:
    assert (await operated([1, 2, 3, 2.5], condition(operator, value))).outputs["result"] == kept


@pytest.mark.parametrize(
    ("operator", "value", "kept"),
    [("is", True, [True, True]), ("is not", True, [False]), ("is", 1, [True, True]), ("is", 0, [False])],
)
async def test_booleans(operator: str, value: Json, kept: list[bool]) -> None:
    assert (await operated([True, False, True], condition(operator, value))).outputs["result"] == kept


@pytest.mark.parametrize(
    ("key", "operator", "value", "kept"),
    [
        ("name", "contains", "b", ["b.txt"]),
        ("extension", "is", ".png", ["a.png"]),
        ("mime_type", "start with", "text/", ["b.txt", "c.csv"]),
        ("url", "not empty", "", ["c.csv"]),
        ("related_id", "is", "id-a", ["a.png"]),
        ("type", "in", ["image", "audio"], ["a.png"]),
        ("type", "not in", ["image"], ["b.txt", "c.csv"]),
        ("transfer_method", "in", ["remote_url"], ["c.csv"]),
        ("size", ">", "2", ["b.txt"]),
        ("size", "≤", "2", ["a.png", "c.csv"]),
    ],
)
async def test_files(key: str, operator: str, value: Json, kept: list[str]) -> None:
    result = (await operated(FILES, condition(operator, value, key))).outputs["result"]

    assert [entry["filename"] for entry in result] == kept


@pytest.mark.parametrize(
    ("key", "operator", "value"), [("size", ">", "🎉"), ("name", ">", "1"), ("type", "is", "image")]
)
async def test_a_condition_that_does_not_fit_files_fails_only_where_one_is_left(
    key: str, operator: str, value: str
) -> None:
    unfit = condition(operator, value, key)

    assert (await operated(FILES, condition("is", "日本", "name"), unfit)).outputs["result"] == []
    with pytest.raises(NodeFailure):
        await operated(FILES, condition("is", "a.png", "name"), unfit)


async def test_all_conditions_must_hold() -> None:
    assert (await operated([1, 2, 3, 4], condition(">", "1"), condition("<", "4"))).outputs["result"] == [2, 3]


@pytest.mark.parametrize(
    ("items", "order", "expected"),
    [
        (["b", "a", "Z"], "asc", ["Z", "a", "b"]),
        (["b", "a", "c"], "desc", ["c", "b", "a"]),
        ([3, 1, 2.5], "asc", [1, 2.5, 3]),
        ([True, False], "asc", [False, True]),
    ],
)
async def test_order(items: Json, order: str, expected: Json) -> None:
    assert (await operated(items, order=order)).outputs["result"] == expected


@pytest.mark.parametrize(
    ("key", "order", "expected"),
    [
        ("name", "desc", ["c.csv", "b.txt", "a.png"]),
        ("size", "asc", ["a.png", "c.csv", "b.txt"]),
        ("type", "desc", ["a.png", "b.txt", "c.csv"]),
    ],
)
async def test_order_of_files(key: str, order: str, expected: list[str]) -> None:
    result = (await operated(FILES, order=order, key=key)).outputs["result"]

    assert [entry["filename"] for entry in result] == expected


async def test_filter_comes_before_picking_before_sorting_before_shortening() -> None:
    found = await operated([5, 1, 4, 2, 3], condition(">", "1"), order="desc", size=3)
    picked = await operated([5, 1, 4, 2, 3], condition("<", "5"), order="desc", size=3, serial="{{#n.place#}}")

    assert found.outputs == {"result": [5, 4, 3], "first_record": 5, "last_record": 3}
    assert picked.outputs == {"result": [4], "first_record": 4, "last_record": 4}
    assert found.inputs == found.process_data == {"variable": [5, 1, 4, 2, 3]}


@pytest.mark.parametrize(("size", "kept"), [(2, ["b", "a"]), (9, ["b", "a", "c"]), (0, []), (-1, ["b", "a"])])
async def test_a_size_of_minus_one_drops_the_last(size: int, kept: list[str]) -> None:
    assert (await operated(["b", "a", "c"], size=size)).outputs["result"] == kept


@pytest.mark.parametrize("value", [[], "", 0, None, {}, False])
async def test_nothing_is_an_empty_list(value: Json) -> None:
    result = await operated(value, condition("contains", "x"), serial="3")

    assert result.outputs == {"result": [], "first_record": None, "last_record": None}
    assert result.inputs == {"variable": []}


@pytest.mark.parametrize("value", [[{"a": 1}], "text", {"a": 1}, ["a", 1], [["a"]], 7])
async def test_other_values_cannot_be_worked_on(value: Json) -> None:
    with pytest.raises(NodeFailure, match="not a list that can be worked on") as caught:
        await operated(value)

    assert (caught.value.kind, caught.value.inputs) == ("", {})


async def test_a_variable_that_does_not_exist_fails_the_node() -> None:
    node = ListOperator.from_dsl(fields({"variable": ["n", "gone"]}))
    with pytest.raises(NodeFailure, match=r"Variable not found for selector: \['n', 'gone'\]"):
        await node.run(FakeContext())


@pytest.mark.parametrize(
    ("items", "entry", "message"),
    [
        (["a"], condition("contains", True), "Invalid filter value: True"),
        (["a"], condition("<", "1"), "Invalid condition: <"),
        ([1], condition("contains", "1"), "Invalid condition: contains"),
        ([True], condition("contains", True), "Invalid condition: contains"),
        (FILES, condition("in", [".txt"], "extension"), "Invalid key: extension"),
        (FILES, condition("is", "x", "color"), "Invalid key: color"),
        (FILES, condition("contains", ["image"], "type"), "Invalid condition: contains"),
    ],
)
async def test_what_dify_foresees_is_recorded(items: Json, entry: dict[str, Json], message: str) -> None:
    with pytest.raises(NodeFailure, match=message) as caught:
        await operated(items, entry)

    assert caught.value.kind == ""
    assert caught.value.inputs == caught.value.process_data == {"variable": items}


@pytest.mark.parametrize(
    ("items", "entry", "message"),
    [
        ([1], condition("=", "x"), "could not convert string to float"),
        ([True], condition("is", "true"), "Boolean filter expects a boolean value"),
        (FILES, condition("is", True, "name"), "File filter expects a text"),
        (FILES, condition(">", "big", "size"), "could not convert string to float"),
        ([file("a.txt", filename=5)], condition("start with", "a", "name"), "no attribute 'startswith'"),
    ],
)
async def test_what_dify_does_not_foresee_is_not(items: Json, entry: dict[str, Json], message: str) -> None:
    with pytest.raises(NodeFailure, match=message) as caught:
        await operated(items, entry)

    assert (caught.value.kind, caught.value.inputs) == ("WorkflowNodeError", {})


@pytest.mark.parametrize(
    ("serial", "kind"), [("4", ""), ("0", "WorkflowNodeError"), ("-1", "WorkflowNodeError"), ("x", "WorkflowNodeError")]
)
async def test_only_an_element_that_is_there_can_be_picked(serial: str, kind: str) -> None:
    with pytest.raises(NodeFailure) as caught:
        await operated(["a", "b", "c"], serial=serial)

    assert caught.value.kind == kind


async def test_files_are_sorted_by_what_they_have() -> None:
    with pytest.raises(NodeFailure, match="Invalid order key: color"):
        await operated(FILES, order="asc", key="color")


def test_mistakes_are_found_before_a_run() -> None:
    data = fields(
        {
            "filter_by": {"enabled": True, "conditions": [condition("equals", {}, "x")]},
            "order_by": {"enabled": True, "value": "up"},
            "limit": {"enabled": True, "size": "many"},
        }
    )
    ListOperator.from_dsl(data)

    assert [problem.where for problem in data.problems] == [
        "data.variable",
        "data.filter_by.conditions[0].comparison_operator",
        "data.filter_by.conditions[0].value",
        "data.order_by.value",
        "data.limit.size",
    ]
