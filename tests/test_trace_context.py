"""Trace context of a run: from its request, or from its own id."""

import pytest

from jikko.trace_context import headers_of, kept_of, parent_of, parsed, span_of, state_of, traceparent_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{SPAN}-01"
RUN = "0199a1b2-0000-7000-8000-00000000abcd"


@pytest.mark.parametrize("given", [GIVEN, f"00-{TRACE}-{SPAN}-00", f"01-{TRACE}-{SPAN}-01-what-comes-later"])
def test_what_came_with_the_request_is_where_it_is(given: str) -> None:
    assert parsed(given) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        GIVEN.upper(),
        f"{GIVEN}-more",
        f" {GIVEN}",
        f"{GIVEN}\n",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
    ],
)
def test_what_is_no_place_in_a_trace_is_as_none(given: str) -> None:
    assert parsed(given) is None
    assert parent_of(given, RUN) == (RUN.replace("-", ""), "")


def test_what_a_run_calls_is_told_the_trace_and_the_span_of_the_run() -> None:
    assert traceparent_of(GIVEN, RUN) == f"00-{TRACE}-{span_of(RUN)}-01"
    assert parsed(traceparent_of("", RUN)) == (RUN.replace("-", ""), span_of(RUN))


def test_a_span_is_called_the_same_wherever_it_is_made() -> None:
    assert span_of(RUN) == span_of(RUN) != span_of(RUN[:-1] + "e")
    assert len(span_of(RUN)) == 16


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], ""),
        (["congo=t61rcWkgMzE"], "congo=t61rcWkgMzE"),
        (["rojo=00f067 aa,\tcongo=1", "tenant@vendor=2"], "rojo=00f067 aa,congo=1,tenant@vendor=2"),
        (["a=1,,b=2", ""], "a=1,b=2"),
        # What is wrong in one place is left out whole.
        (["A=1"], ""),
        (["a=1,a=2"], ""),
        (["a"], ""),
        (["a=日本"], ""),
        (["a=" + "x" * 511], ""),
        ([",".join(f"k{number}=1" for number in range(33))], ""),
    ],
)
def test_the_state_of_a_trace_is_kept_as_far_as_it_is_one(given: list[str], kept: str) -> None:
    assert state_of(kept_of(GIVEN, given)) == kept
    assert parent_of(kept_of(GIVEN, given), RUN) == (TRACE, SPAN)
    assert kept_of("", given) == ""


def test_of_a_later_version_is_kept_what_this_one_knows() -> None:
    kept = kept_of(f"01-{TRACE}-{SPAN}-00-what comes=later", ["a=1"])

    assert headers_of(kept) == (("traceparent", f"00-{TRACE}-{SPAN}-00"), ("tracestate", "a=1"))
    assert headers_of("") == ()
