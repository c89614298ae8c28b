"""Code node: handling of programs' results. Sandboxes are tested in ``tests/contract``."""

import asyncio
from typing import Any

import msgspec
import pytest

from jikko.nodes.contract import NodeFailure
from jikko.nodes.data.code import Code
from jikko.ports.node_ports import ValueLimits
from jikko.values import Json
from tests.nodes.context import FakeContext, fields

pytestmark = pytest.mark.anyio


class Returns:
    """A sandbox whose programs return what a test says."""

    def __init__(self, result: dict[str, Json]) -> None:
        self.result = result

    async def run_code(self, *_: Any, **__: Any) -> dict[str, Json]:
        return self.result


async def outputs(result: dict[str, Json], limits: ValueLimits | None = None, **declared: Any) -> Any:
    specs = {name: spec if isinstance(spec, dict) else {"type": spec} for name, spec in declared.items()}
    data = fields({"code_language": "python3", "code": "…", "variables": [], "outputs": specs})
    node = Code.from_dsl(data)
    assert data.problems == []
    ctx = FakeContext(limits=limits)
    replaced: Any = {"sandbox": Returns(result)}
    ctx.ports = msgspec.structs.replace(ctx.ports, **replaced)
    return dict((await node.run(ctx)).outputs)


async def turns_of_the_loop(work: "asyncio.Task[Any]") -> int:
    """How often the event loop goes round until something is done."""
    turns = 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


DEEP = {"a": {"b": ["1e+3", "2E-2", "日本", "😀"], "c": [None, "1e+3"], "d": "\ue000\x00"}}


async def test_numbers_in_scientific_notation_are_read_at_any_depth() -> None:
    assert await outputs({"o": {"a": {"b": ["1e+3", "2E-2"], "c": [None, "1e+3"]}}}, o="object") == {
        "o": {"a": {"b": [1000.0, 0.02], "c": [None, 1000.0]}}
    }
    assert await outputs({"n": "1e+3", "l": ["1e+3"], "f": ["1e+3"]}, n="number", l="array[number]", f="boolean") == {
        "n": 1000.0,
        "l": [1000.0],
        "f": [1000.0],
    }


async def test_an_array_that_becomes_mixed_by_it_is_refused() -> None:
    with pytest.raises(NodeFailure, match=r"o\.a\.b must hold elements of one type only"):
        await outputs({"o": DEEP}, o="object")


@pytest.mark.parametrize("kind", ["object", "array[number]"])
async def test_a_large_result_is_checked_while_the_event_loop_goes_on(kind: str) -> None:
    rows = {"a": [{"id": index, "name": "x"} for index in range(60_000)]} if kind == "object" else [1.5] * 150_000
    work = asyncio.ensure_future(outputs({"o": rows}, ValueLimits(max_numbers=200_000), o=kind))

    assert await turns_of_the_loop(work) > 20
    assert work.result() == {"o": rows}


async def test_a_mistake_in_a_large_result_is_told_with_its_place() -> None:
    with pytest.raises(NodeFailure, match=r"^Output o\[149999\] must be a number, but is a string\.$"):
        await outputs({"o": [1] * 149_999 + ["😀"]}, ValueLimits(max_numbers=200_000), o="array[number]")


async def test_elements_of_an_array_of_numbers_have_no_limits() -> None:
    assert await outputs({"l": [1e-21, True, 1e20, -(2**64)]}, l="array[number]") == {"l": [1e-21, 1, 1e20, -(2**64)]}

    with pytest.raises(NodeFailure, match=r"^Output n has more than 20 decimal places\.$"):
        await outputs({"n": 1e-21}, n="number")
    with pytest.raises(NodeFailure, match=r"^Output o\.日本\[0\] is out of range"):
        await outputs({"o": {"日本": [1e20]}}, o="object")


async def test_an_object_in_an_array_is_one_level_below_it() -> None:
    rows = [{"a": {"b": {"c": {"d": "日本"}}}}]

    assert await outputs({"l": rows}, l="array[object]") == {"l": rows}

    with pytest.raises(NodeFailure, match=r"^Depth limit 5 reached"):
        await outputs({"l": [{"a": rows[0]}]}, l="array[object]")
