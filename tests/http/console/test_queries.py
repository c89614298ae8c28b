"""Query parameters of the console's addresses."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
from msgspec import Struct

from jikko.errors import InvalidParam
from jikko.http.console.console_queries import Buckets, RunsFilter, RunsPage, cursor_of
from jikko.http.console.run_charts import ChartQuery
from jikko.http.console.run_streams import ListedRuns
from jikko.http.request_fields import queried
from jikko.ports.stores.run_pages import RunCursor, RunFilter
from tests.acceptance.hard_requests import hard_requests
from tests.http.console.scene import API

WHOLE = {
    "app": "ABC",
    "status": "failed,stopped,,failed",
    "user": "Anna",
    "keyword": "Kw",
    "after": "1.5",
    "before": "2.5",
    "min_elapsed": "3.5",
    "min_tokens": "7",
    "min_cost": "0.25",
    "error": "429 語",
    "failed_at": "Check policy",
    "retry": "repeated",
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
    "min_tokens": 7,
    "min_cost": 0.25,
    "error": "429 語",
    "failed_at": "Check policy",
    "retry": "repeated",
    "workflow_id": "V",
    "conversation_id": "C",
}
OTHERS: Final = {"after", "before", "min_elapsed", "min_tokens", "min_cost", "retry"}
"""Numbers and choices, which cannot be empty."""


def filter_of(query: Mapping[str, str]) -> RunFilter:
    return queried(query, RunsFilter).wanted


@pytest.mark.parametrize(("name", "field"), [*zip(WHOLE, FOUND, strict=True)])
def test_each_part_of_a_filter_keeps_out_what_it_names_and_nothing_else(name: str, field: str) -> None:
    assert filter_of({name: WHOLE[name]}) == RunFilter(**{field: FOUND[field]})


def test_a_filter_has_all_that_is_asked_and_no_empty_texts() -> None:
    assert filter_of(WHOLE) == RunFilter(**FOUND)
    assert filter_of(dict.fromkeys(WHOLE.keys() - OTHERS, "")) == filter_of({}) == RunFilter()


def test_empty_numbers_and_choices_are_told() -> None:
    with pytest.raises(InvalidParam) as told:
        filter_of(dict.fromkeys(WHOLE, ""))
    assert {each.partition(":")[0] for each in str(told.value).split("; ")} == OTHERS


def test_an_unknown_status_is_told_with_those_that_there_are() -> None:
    with pytest.raises(InvalidParam, match=r"^status: must be one of .*succeeded.*; 'done' is not$"):
        filter_of({"status": "failed,done"})


def test_all_that_is_wrong_with_a_filter_is_told_at_once() -> None:
    with pytest.raises(InvalidParam, match=r"^status: .*; after: .*; cursor: .*; limit: "):
        queried({"limit": "x", "cursor": "x", "after": "昨日", "status": "x"}, RunsPage)


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0.0), ("0.5", 0.5), ("999999999999999", 999999999999999.0), ("1e3", 1000.0)]
)
def test_a_moment_is_a_number_from_0_up(text: str, number: float) -> None:
    assert filter_of({"before": text}).before == number


@pytest.mark.parametrize("text", ["1e15", "inf", "nan", "x", ""])
def test_a_moment_that_is_no_number_is_told(text: str) -> None:
    with pytest.raises(InvalidParam, match=r"^before: must be a number$"):
        filter_of({"before": text})


@pytest.mark.parametrize("text", ["-0.1", "-1"])
def test_a_moment_below_0_is_told(text: str) -> None:
    with pytest.raises(InvalidParam, match=r"^before: must be at least 0$"):
        filter_of({"before": text})


@pytest.mark.parametrize(("text", "limit"), [(None, 50), ("1", 1), ("200", 200), ("0", 0), ("201", 0)])
def test_a_page_has_50_entries_unless_it_is_told_otherwise_and_200_at_most(text: str | None, limit: int) -> None:
    query = {} if text is None else {"limit": text}
    if limit:
        assert queried(query, RunsPage).limit == limit
    else:
        with pytest.raises(InvalidParam, match=r"^limit: must lie between 1 and 200$"):
            queried(query, RunsPage)


@pytest.mark.parametrize("place", [RunCursor(1_700_000_000.25, 7), RunCursor(0.0, 0), RunCursor(-1.5, -(2**62)), None])
def test_a_cursor_leads_back_to_its_place(place: RunCursor | None) -> None:
    text = cursor_of(place)

    found = queried({} if text is None else {"cursor": text}, RunsPage).cursor
    assert place == (None if found is None else found.place)
    assert text is None or not {"+", "/", "&", "?"} & set(text)


@pytest.mark.parametrize("text", ["x", "AAAA", "A" * 24, "é", "A" * 21 + "=", "!" * 24])
def test_a_cursor_of_another_hand_is_told(text: str) -> None:
    with pytest.raises(InvalidParam, match=r"^cursor: must be `next` of an earlier page$"):
        queried({"cursor": text}, RunsPage)


@pytest.mark.parametrize(
    ("path", "query"),
    [("runs", RunsPage), ("runs/histogram", Buckets), ("runs/stream", ListedRuns), ("runs/charts", ChartQuery)],
)
def test_every_parameter_of_lists_of_runs_gets_hostile_values(path: str, query: type[Struct]) -> None:
    asked = [given["params"] for _, _, where, given in hard_requests() if where == f"{API}/{path}"]
    assert {name for params in asked for name in params} == set(query.__struct_encode_fields__)
