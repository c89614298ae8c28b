"""Inputs of a run, as clients send them."""

import pytest

from jikko.dsl.start_variables import StartVariable
from jikko.errors import InvalidParam
from jikko.inputs.run_inputs import prepare
from jikko.values import Json

pytestmark = pytest.mark.anyio

NUMBER = StartVariable(name="n", label="n", type="number")


async def no_file(value: Json, variable: StartVariable) -> Json:
    raise AssertionError(f"{variable.name} is no file")


async def number(value: Json) -> Json:
    return (await prepare([NUMBER], {"n": value}, no_file, no_file))["n"]


@pytest.mark.parametrize(
    ("given", "prepared"),
    [
        *((5, 5), ("7", 7), (" 1.5 ", 1.5), ("", None), (None, None), (True, True)),
        *((2**64 - 1, 2**64 - 1), (2**64, float(2**64)), (-(2**63), -(2**63)), (-(2**63) - 1, -float(2**63))),
    ],
)
async def test_numbers_and_texts_of_numbers_are_taken(given: Json, prepared: Json) -> None:
    found = await number(given)

    assert (found, type(found)) == (prepared, type(prepared))


@pytest.mark.parametrize("given", ["x", "9" * 5000, 10**400, -(10**400), []], ids=lambda given: str(given)[:5])
async def test_what_is_no_number_is_refused(given: Json) -> None:
    with pytest.raises(InvalidParam, match="n in input form must be a valid number"):
        await number(given)


@pytest.mark.parametrize(("given", "prepared"), [(" Yes\n", True), ("off ", False), ("maybe ", "maybe "), (1, True)])
async def test_a_checkbox_takes_words(given: Json, prepared: Json) -> None:
    checkbox = StartVariable(name="c", label="c", type="checkbox")

    found = (await prepare([checkbox], {"c": given}, no_file, no_file))["c"]
    assert (found, type(found)) == (prepared, type(prepared))
