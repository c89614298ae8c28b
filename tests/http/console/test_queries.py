"""What is asked for behind the ``?`` of the console's addresses."""

from typing import Any

import pytest

from jikko.errors import InvalidParam
from jikko.http.console.queries import (
    MAX_ENTRIES,
    cursor_of,
    filter_of,
    limit_in,
    number_in,
    place_in,
    whole_in,
)
from jikko.ports.stores.run_pages import Place, RunFilter

WHOLE = {
    "app": "ABC",
    "status": "failed,stopped,,failed",
    "user": "Anna",
    "keyword": "Kw",
    "after": "1.5",
    "before": "2.5",
    "min_elapsed": "3.5",
    "version": "V",
    "conversation": "C",
}
FOUND: dict[str, Any] = {
    "app_id": "abc",
    "statuses": ("failed", "stopped"),
    "user": "Anna",
    "keyword": "Kw",
    "after": 1.5,
    "before": 2.5,
    "min_elapsed": 3.5,
    "workflow_id": "V",
    "conversation_id": "C",
}


@pytest.mark.parametrize(("name", "field"), [*zip(WHOLE, FOUND, strict=True)])
def test_each_part_of_a_filter_keeps_out_what_it_names_and_nothing_else(name: str, field: str) -> None:
    assert filter_of({name: WHOLE[name]}) == RunFilter(**{field: FOUND[field]})


def test_a_filter_has_all_that_is_asked_and_what_is_empty_is_not() -> None:
    assert filter_of(WHOLE) == RunFilter(**FOUND)
    assert filter_of(dict.fromkeys(WHOLE, "")) == filter_of({}) == RunFilter()


def test_a_status_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(InvalidParam, match=r"^status: 'done' is none of .*succeeded.*\.$"):
        filter_of({"status": "failed,done"})


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0.0), ("0.5", 0.5), ("999999999999999", 999999999999999.0), ("", None), ("1e3", 1000.0)]
)
def test_a_number_is_from_0_up(text: str, number: float | None) -> None:
    assert number_in({"n": text}, "n") == number
    assert number_in({"m": text}, "n") is None


@pytest.mark.parametrize("text", ["-0.1", "1e15", "inf", "nan", "x", "-1"])
def test_what_is_no_number_from_0_up_is_told(text: str) -> None:
    with pytest.raises(InvalidParam, match=f"^n: '{text}' is no number from 0 up\\.$"):
        number_in({"n": text}, "n")


@pytest.mark.parametrize("text", ["-3", "-2", "7", "8", "+1", "1.0", "١", "--1", "-", "1" * 19])
def test_a_whole_number_is_within_its_range_to_both_ends(text: str) -> None:
    if text in ("-2", "7"):
        assert whole_in({"n": text}, "n", 1, -2, 7) == int(text)
        return
    with pytest.raises(InvalidParam, match=r"^n: .* is no whole number from -2 to 7\.$"):
        whole_in({"n": text}, "n", 1, -2, 7)


def test_a_whole_number_of_18_digits_can_be_read() -> None:
    assert whole_in({"n": "9" * 18}, "n", 1, 0, 10**18) == 10**18 - 1
    assert (whole_in({}, "n", 3, 0, 9), whole_in({"n": ""}, "n", 3, 0, 9)) == (3, 3)


@pytest.mark.parametrize(("text", "limit"), [(None, 50), ("1", 1), ("200", 200), ("0", 0), ("201", 0)])
def test_a_page_has_50_entries_unless_it_is_told_otherwise_and_200_at_most(text: str | None, limit: int) -> None:
    query = {} if text is None else {"limit": text}
    assert MAX_ENTRIES == 200
    if limit:
        assert limit_in(query) == limit
    else:
        with pytest.raises(InvalidParam, match=r"limit: .* from 1 to 200"):
            limit_in(query)


@pytest.mark.parametrize("place", [Place(1_700_000_000.25, 7), Place(0.0, 0), Place(-1.5, -(2**62)), None])
def test_a_cursor_leads_back_to_its_place(place: Place | None) -> None:
    text = cursor_of(place)

    assert place_in({} if text is None else {"cursor": text}) == place
    assert text is None or not {"+", "/", "&", "?"} & set(text)


@pytest.mark.parametrize("text", ["x", "AAAA", "A" * 24, "é", "A" * 21 + "=", "!" * 24])
def test_a_cursor_of_another_hand_is_told(text: str) -> None:
    with pytest.raises(InvalidParam, match="cursor: is none that this server has told"):
        place_in({"cursor": text})
