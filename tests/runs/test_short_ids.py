"""Runs by the beginning of their id."""

from collections.abc import Sequence

import pytest

from jikko.errors import NotFound
from jikko.runs.reading.short_ids import AmbiguousId, run_of, short_ids
from tests.contract.runs import Draft
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio

IDS = [
    "01a217f8-9c3e-7000-8000-000000000001",
    "01a217f8-9c3e-7000-8000-000000000002",
    "01a217f8-aaaa-7000-8000-000000000003",
]


async def store(ids: Sequence[str] = IDS) -> RunsInMemory:
    made = RunsInMemory()
    for run_id in ids:
        draft = Draft()
        draft.id = run_id
        draft.record.identity = type(draft.record.identity)(
            **{
                **{name: getattr(draft.record.identity, name) for name in draft.record.identity.__struct_fields__},
                "run_id": run_id,
            }
        )
        await made.append(draft.whole())
    return made


@pytest.mark.parametrize("given", ["01a217f8-aaaa", "01A217F8aa", "01a217f8-a", IDS[2]])
async def test_the_beginning_of_one_id_is_enough_with_dashes_or_without(given: str) -> None:
    assert (await run_of(await store(), given)).identity.run_id == IDS[2]


@pytest.mark.parametrize("digits", range(10, 33))
async def test_a_beginning_of_any_length_is_enough_if_only_one_id_has_it(digits: int) -> None:
    given = IDS[2].replace("-", "")[:digits]
    earlier = [f"01a10000-aaaa-7000-8000-{number:012}" for number in range(12)]

    assert (await run_of(await store([*earlier, *IDS]), given)).identity.run_id == IDS[2]


async def test_four_digits_are_a_beginning_and_three_are_too_few() -> None:
    made = RunsInMemory()
    draft = Draft()
    await made.append(draft.whole())
    digits = draft.id.replace("-", "")

    assert (await run_of(made, digits[:4])).identity.run_id == draft.id
    with pytest.raises(NotFound, match="too short for an id of a run: give 4 digits or more"):
        await run_of(made, digits[:3])


async def test_the_beginning_of_several_ids_lists_them() -> None:
    with pytest.raises(AmbiguousId) as refused:
        await run_of(await store(), "01a217f8-9c")

    assert all(run_id in str(refused.value) for run_id in IDS[:2])
    assert IDS[2] not in str(refused.value)
    assert refused.value.code == "ambiguous_id"


@pytest.mark.parametrize("count", [2, 10, 11, 12])
async def test_ten_ids_are_listed_and_that_there_are_more(count: int) -> None:
    ids = [f"01a217f8-9c3e-7000-8000-{number:012}" for number in range(1, count + 1)]
    made = await store(ids)

    with pytest.raises(AmbiguousId) as refused:
        await run_of(made, "01a217f8")

    assert [run_id for run_id in ids if run_id in str(refused.value)] == ids[:10]
    assert str(refused.value) == str(AmbiguousId("01a217f8", ids[:10], more=count > 10))
    assert str(refused.value) != str(AmbiguousId("01a217f8", ids[:10], more=count <= 10))


@pytest.mark.parametrize("given", ["", "01a", "ffff", "日本", "zzzzzz", IDS[0][:-1] + "9", "0" * 40])
async def test_what_is_no_beginning_is_not_found(given: str) -> None:
    with pytest.raises(NotFound):
        await run_of(await store(), given)


def test_short_ids_tell_the_listed_runs_apart() -> None:
    short = short_ids(IDS)

    assert short[IDS[2]] == "01a217f8-aaaa"
    assert short[IDS[0]] != short[IDS[1]]
    assert all(run_id.startswith(beginning) for run_id, beginning in short.items())


@pytest.mark.parametrize("length", range(9, 36))
def test_a_short_id_is_as_long_as_it_takes_and_ends_with_no_dash(length: int) -> None:
    """Two ids that differ at one place."""
    one = "01a217f8-9c3e-7abc-8def-000000000001"
    if one[length - 1] == "-":
        return
    other = one[: length - 1] + ("f" if one[length - 1] != "f" else "e") + one[length:]

    short = short_ids([one, other, one])

    assert short.keys() == {one, other}
    for run_id, text in short.items():
        assert run_id.startswith(text)
        assert text[-1] != "-"
        assert len(text.rstrip("-")) >= 8
    assert short[one] != short[other]
    assert len(short[one]) == max(length, len(short_ids([one])[one]))
