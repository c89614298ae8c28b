"""Changing variables of other nodes."""

import pytest

from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.data.assigner import Assigner
from jikko.values import MAX_DEPTH, Json, Selector
from tests.nodes.context import FakeContext, fields, file

pytestmark = pytest.mark.anyio

LOOP: dict[str, Json] = {
    "text": "a",
    "number": 10,
    "flag": True,
    "object": {"k": 1},
    "texts": ["x"],
    "numbers": [1, 2],
    "objects": [{"a": 1}],
    "flags": [True],
    "any": ["x", 1],
    "files": [file("a.txt")],
    "nothing": None,
}
DECLARED: dict[Selector, str] = {
    ("loop", name): kind
    for name, kind in {
        "text": "string",
        "number": "integer",
        "flag": "boolean",
        "object": "object",
        "texts": "array[string]",
        "numbers": "array[number]",
        "objects": "array[object]",
        "flags": "array[boolean]",
        "any": "array[any]",
        "files": "array[file]",
    }.items()
}


def item(name: str, operation: str, value: Json = None, *, constant: bool = False) -> dict[str, Json]:
    return {
        "variable_selector": ["loop", name],
        "operation": operation,
        "input_type": "constant" if constant else "variable",
        "value": value,
    }


async def assigned(*items: dict[str, Json], start: dict[str, Json] | None = None) -> Result:
    data = fields({"type": "assigner", "title": "t", "version": "2", "items": list(items)})
    node = Assigner.from_dsl(data)
    assert data.problems == []
    return await node.run(FakeContext({"loop": LOOP, "start": start or {}}, declared=DECLARED))


async def changed(*items: dict[str, Json], start: dict[str, Json] | None = None) -> dict[str, Json]:
    result = await assigned(*items, start=start)
    return {update.selector[1]: update.value for update in result.updates}


@pytest.mark.parametrize(
    ("name", "operation", "value", "expected"),
    [
        ("text", "over-write", "new", "new"),
        ("text", "set", "new", "new"),
        ("number", "over-write", 7, 7),
        ("number", "set", 2.5, 2.5),
        ("number", "+=", 5, 15),
        ("number", "-=", 0.5, 9.5),
        ("number", "*=", 3, 30),
        ("number", "/=", 2, 5.0),
        ("flag", "set", False, False),
        ("object", "set", {"z": [1]}, {"z": [1]}),
        ("object", "set", '{"z": [1]}', {"z": [1]}),
        ("object", "over-write", {}, {}),
    ],
)
async def test_constants_replace_and_calculate(name: str, operation: str, value: Json, expected: Json) -> None:
    found = (await changed(item(name, operation, value, constant=True)))[name]

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "operation", "value", "expected"),
    [
        ("text", "over-write", "new", "new"),
        ("number", "over-write", 1.5, 1.5),
        ("flag", "over-write", False, False),
        ("object", "over-write", {"z": 1}, {"z": 1}),
        ("texts", "over-write", ["p", "q"], ["p", "q"]),
        ("texts", "over-write", [], []),
        ("texts", "append", "y", ["x", "y"]),
        ("texts", "extend", ["y", "z"], ["x", "y", "z"]),
        ("numbers", "append", 2.5, [1, 2, 2.5]),
        ("numbers", "extend", [], [1, 2]),
        ("objects", "append", {"b": 2}, [{"a": 1}, {"b": 2}]),
        ("flags", "append", False, [True, False]),
        ("any", "append", {"b": 2}, ["x", 1, {"b": 2}]),
        ("any", "extend", [1, "y"], ["x", 1, 1, "y"]),
    ],
)
async def test_variables_replace_and_lengthen(name: str, operation: str, value: Json, expected: Json) -> None:
    assert await changed(item(name, operation, ["start", "v"]), start={"v": value}) == {name: expected}


@pytest.mark.parametrize(
    ("name", "operation", "value"),
    [
        ("object", "over-write", file("写真.png")),
        ("objects", "append", file("写真.png")),
        ("objects", "extend", [file("写真.png")]),
        ("any", "append", file("写真.png")),
    ],
)
async def test_a_file_is_not_an_object(name: str, operation: str, value: Json) -> None:
    with pytest.raises(NodeFailure, match=r"^Invalid input value "):
        await changed(item(name, operation, ["start", "v"]), start={"v": value})


@pytest.mark.parametrize(
    ("name", "operation", "expected"),
    [
        ("text", "clear", ""),
        ("number", "clear", 0),
        ("flag", "clear", False),
        ("object", "clear", {}),
        ("any", "clear", []),
        ("numbers", "remove-first", [2]),
        ("numbers", "remove-last", [1]),
        ("texts", "remove-first", []),
        ("files", "remove-first", []),
    ],
)
async def test_some_operations_look_at_no_value(name: str, operation: str, expected: Json) -> None:
    assert await changed(item(name, operation)) == {name: expected}


async def test_an_empty_list_stays_empty() -> None:
    found = await changed(item("texts", "clear"), item("texts", "remove-first"), item("texts", "remove-last"))

    assert found == {"texts": []}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (item("text", "+=", 1, constant=True), r"Operation \+= is not supported for type string"),
        (item("texts", "set", "x", constant=True), r"Operation set is not supported for type array\[string\]"),
        (item("text", "append", ["start", "v"]), "Operation append is not supported for type string"),
        (item("text", "set", ["start", "v"]), "Input type variable is not supported for operation set"),
        (item("number", "+=", ["start", "v"]), r"Input type variable is not supported for operation \+="),
        (item("texts", "append", "y", constant=True), "Input type constant is not supported for operation append"),
        (item("texts", "over-write", [], constant=True), "Input type constant is not supported for operation over-wr"),
        (item("text", "clear", constant=True), "Input type constant is not supported for operation clear"),
        (item("gone", "clear"), r"Variable \['loop', 'gone'\] not found"),
        (item("text", "over-write", ["nope", "x"]), r"Variable \['nope', 'x'\] not found"),
        (item("number", "/=", 0, constant=True), "Invalid input value 0"),
        (item("number", "over-write", ["start", "v"]), "Invalid input value text"),
        (item("text", "over-write"), "Invalid input value None"),
        (item("numbers", "append", ["start", "v"]), "Invalid input value text"),
        (item("objects", "extend", ["loop", "numbers"]), r"Invalid input value \[1, 2\]"),
        (item("files", "extend", ["loop", "files"]), "Invalid input value"),
        (item("object", "set", "{", constant=True), "Invalid input value {"),
    ],
)
async def test_a_change_that_does_not_fit_fails_the_node(change: dict[str, Json], message: str) -> None:
    with pytest.raises(NodeFailure, match=message) as caught:
        await assigned(item("text", "set", "before", constant=True), change, start={"v": "text"})

    assert caught.value.kind == ""
    assert caught.value.inputs["items"][1]["operation"] == change["operation"]
    assert caught.value.process_data == {}


@pytest.mark.parametrize(("operation", "value"), [("*=", 10**18), ("+=", 2**63), ("-=", 2**63 + 10)])
async def test_arithmetic_does_not_lead_out_of_the_range_of_numbers(operation: str, value: int) -> None:
    with pytest.raises(NodeFailure, match="an integer beyond ±9223372036854775807"):
        await assigned(item("number", operation, value, constant=True))


@pytest.mark.parametrize("operation", ["+=", "-=", "*=", "/="])
@pytest.mark.parametrize("held", ["a text", [1, 2], None], ids=["text", "list", "null"])
async def test_there_is_no_arithmetic_with_what_only_was_declared_a_number(operation: str, held: Json) -> None:
    data = fields({"type": "assigner", "version": "2", "items": [item("number", operation, 10**12, constant=True)]})

    with pytest.raises(NodeFailure, match="needs a number"):
        await Assigner.from_dsl(data).run(FakeContext({"loop": {"number": held}}, declared=DECLARED))


@pytest.mark.parametrize("name", ["files", "nothing"])
async def test_what_has_no_zero_value_cannot_be_cleared(name: str) -> None:
    with pytest.raises(NodeFailure, match="cannot be cleared") as caught:
        await assigned(item(name, "clear"))

    assert (caught.value.kind, caught.value.inputs) == ("WorkflowNodeError", {})


async def test_each_change_sees_the_ones_before() -> None:
    found = await changed(
        item("object", "set", {"deep": "value"}, constant=True),
        item("text", "over-write", ["loop", "object", "deep"]),
        item("texts", "append", ["loop", "text"]),
        item("number", "+=", 5, constant=True),
        item("number", "*=", 2, constant=True),
    )

    assert found == {"object": {"deep": "value"}, "text": "value", "texts": ["x", "value"], "number": 30}


async def test_values_are_not_changed_in_place() -> None:
    await assigned(item("texts", "append", ["loop", "text"]), item("numbers", "extend", ["loop", "numbers"]))

    assert (LOOP["texts"], LOOP["numbers"]) == (["x"], [1, 2])


async def test_a_null_is_passed_over() -> None:
    result = await assigned(item("text", "over-write", ["start", "v"]), start={"v": None})

    assert result.updates == ()
    assert result.process_data == {"__updated_variables": []}


async def test_parts_of_objects_cannot_be_changed() -> None:
    change = {**item("object", "clear"), "variable_selector": ["loop", "object", "k"]}
    with pytest.raises(NodeFailure, match="not found"):
        await assigned(change)


async def test_a_variable_without_a_declared_type_has_the_type_of_its_value() -> None:
    data = fields(
        {
            "version": 2,
            "items": [
                {"variable_selector": ["n", "x"], "operation": "+=", "input_type": "constant", "value": 1},
                {"variable_selector": ["n", "y"], "operation": "clear", "input_type": "variable", "value": None},
            ],
        }
    )
    result = await Assigner.from_dsl(data).run(FakeContext({"n": {"x": 1.5, "y": ["a"]}}))

    types = [entry["value_type"] for entry in result.process_data["__updated_variables"]]
    assert types == ["float", "array[string]"]


async def test_the_configuration_is_recorded_with_its_defaults() -> None:
    raw: dict[str, Json] = {
        "type": "assigner",
        "title": "t",
        "version": "2",
        "isInLoop": True,
        "selected": False,
        "retry_config": {"retry_enabled": True},
        "items": [{**item("number", "+=", 5, constant=True), "write_mode": "over-write", "id": "residue"}],
    }
    node = Assigner.from_dsl(fields(raw))
    result = await node.run(FakeContext({"loop": LOOP}, declared=DECLARED))

    assert result.inputs == {
        "type": "assigner",
        "title": "t",
        "desc": None,
        "version": "2",
        "isInLoop": True,
        "selected": False,
        "error_strategy": None,
        "default_value": None,
        "retry_config": {"max_retries": 0, "retry_interval": 0, "retry_enabled": True},
        "items": [{"variable_selector": ["loop", "number"], "operation": "+=", "input_type": "constant", "value": 5}],
    }
    assert result.process_data == {
        "number": 15,
        "__updated_variables": [
            {"name": "number", "selector": ["loop", "number"], "value_type": "integer", "new_value": 15}
        ],
    }
    assert result.outputs == {}
    assert node.writes() == (("loop", "number"),)


@pytest.mark.parametrize(
    ("mode", "target", "expected", "recorded"),
    [
        ("over-write", "number", "text", "text"),
        ("append", "texts", ["x", "text"], "text"),
        ("clear", "numbers", [], []),
    ],
)
async def test_version_1_makes_one_change(mode: str, target: str, expected: Json, recorded: Json) -> None:
    data = fields(
        {
            "assigned_variable_selector": ["loop", target],
            "write_mode": mode,
            "input_variable_selector": ["start", "v"],
        }
    )
    node = Assigner.from_dsl(data)
    result = await node.run(FakeContext({"loop": LOOP, "start": {"v": "text"}}, declared=DECLARED))

    assert [(update.selector, update.value) for update in result.updates] == [(("loop", target), expected)]
    assert result.inputs == {"value": recorded}
    assert list(result.process_data) == ["__updated_variables"]
    assert node.writes() == (("loop", target),)


@pytest.mark.parametrize(
    ("mode", "target", "source", "message"),
    [
        ("over-write", "gone", "v", "assigned variable not found"),
        ("over-write", "text", "gone", "input value not found"),
        ("append", "text", "v", "Operation append is not supported"),
        ("clear", "files", "v", "cannot be cleared"),
    ],
)
async def test_version_1_fails_without_a_record(mode: str, target: str, source: str, message: str) -> None:
    data = fields(
        {
            "version": "1",
            "assigned_variable_selector": ["loop", target],
            "write_mode": mode,
            "input_variable_selector": ["start", source],
        }
    )
    with pytest.raises(NodeFailure, match=message) as caught:
        await Assigner.from_dsl(data).run(FakeContext({"loop": LOOP, "start": {"v": "x"}}, declared=DECLARED))

    assert (caught.value.kind, caught.value.inputs) == ("WorkflowNodeError", {})


def nested(levels: int) -> Json:
    value: Json = "x"
    for _ in range(levels):
        value = {"in": value}
    return value


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    ("operation", "target", "levels"), [("over-write", "object", MAX_DEPTH), ("append", "objects", MAX_DEPTH - 1)]
)
async def test_a_variable_may_be_nested_as_deeply_as_an_input(
    version: str, operation: str, target: str, levels: int
) -> None:
    data = fields(
        {
            "version": version,
            "assigned_variable_selector": ["loop", target],
            "write_mode": operation,
            "input_variable_selector": ["start", "v"],
            "items": [item(target, operation, ["start", "v"])],
        }
    )

    async def assign(levels: int) -> Result:
        variables = {"loop": LOOP, "start": {"v": nested(levels)}}
        return await Assigner.from_dsl(data).run(FakeContext(variables, declared=DECLARED))

    assert (await assign(levels)).updates
    with pytest.raises(NodeFailure, match=f"nested deeper than {MAX_DEPTH} levels"):
        await assign(levels + 1)


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        ({"version": "2", "items": [{"variable_selector": ["a", "b"], "operation": "add"}]}, "data.items[0].operation"),
        ({"version": "2", "items": [{"operation": "clear"}]}, "data.items[0].variable_selector"),
        (
            {"version": "2", "items": [{"variable_selector": ["a", "b"], "operation": "append", "value": "x"}]},
            "data.items[0].value",
        ),
        ({"write_mode": "clear"}, "data.assigned_variable_selector"),
        ({"assigned_variable_selector": ["a", "b"], "write_mode": "over-write"}, "data.input_variable_selector"),
    ],
)
def test_mistakes_are_found_before_a_run(raw: dict[str, Json], where: str) -> None:
    data = fields(raw)
    Assigner.from_dsl(data)

    assert [problem.where for problem in data.problems] == [where]
