"""Figures of many runs from totals and a sample: decided without a database."""

import pytest
from msgspec.structs import replace

from jikko.http.console.run_charts import at_most, figures_of, looked_at
from jikko.ports.stores.run_pages import SampledRun, Stratum

APP, OTHER = "app", "other"


def run(
    version: str = "v1", user: str = "anna", *, elapsed: float = 1.0, tokens: int = 0, price: str | None = None
) -> SampledRun:
    return SampledRun(version, user, "succeeded", elapsed, tokens, price)


FAILED = SampledRun("v2", "ben 語", "failed", 9.0, 10, "0.5 JPY")
STRATA = [
    Stratum(
        APP,
        0.0,
        {"succeeded": 2, "failed": 1},
        {"USD": 0.25},
        [run(tokens=5, price="0.25 USD"), run(elapsed=3.0), FAILED],
    ),
    Stratum(OTHER, 0.0, {"succeeded": 90, "failed": 10}, {"USD": 7.0}, [run("v3", tokens=100), FAILED]),
    Stratum(APP, 3600.0, {"succeeded": 4}, {}, []),
]


def test_by_time_and_by_app_counts_and_costs_are_those_of_all_runs() -> None:
    by_time = figures_of(STRATA, "time", {})
    assert {group: (each.runs, each.failed, dict(each.costs)) for group, each in by_time.items()} == {
        ("0.0",): (103, 11, {"USD": 7.25}),
        ("3600.0",): (4, 0, {}),
    }
    by_app = figures_of(STRATA, "app", {})
    assert (by_app[APP,].runs, by_app[OTHER,].runs) == (7, 100)
    assert by_app[APP,].tokens == pytest.approx(35)  # 7 / 3 for each that was looked at
    assert by_app[OTHER,].tokens == 5_500
    assert looked_at(STRATA) == (107, 5)


def test_a_run_that_was_looked_at_stands_for_others_of_its_span_and_app() -> None:
    by_user = figures_of(STRATA, "user", {})
    assert by_user["anna",].runs == pytest.approx(14 / 3 + 50)
    assert (by_user["ben 語",].runs, by_user["ben 語",].failed) == pytest.approx((7 / 3 + 50,) * 2)
    assert dict(by_user["ben 語",].costs) == pytest.approx({"JPY": (7 / 3 + 50) / 2})
    by_version = figures_of(STRATA, "version", {})
    assert set(by_version) == {(APP, "v1"), (APP, "v2"), (OTHER, "v3"), (OTHER, "v2")}


def test_a_run_counts_for_each_model_of_its_version() -> None:
    by_model = figures_of(STRATA, "model", {"v1": ("a", "b"), "v3": ("b",)})
    assert {group: each.runs for group, each in by_model.items()} == pytest.approx(
        {("a",): 14 / 3, ("b",): 14 / 3 + 50}
    )


@pytest.mark.parametrize(
    ("took", "p50", "p95"),
    [
        ([], None, None),
        ([(2.0, 1.0)], 2.0, 2.0),
        ([(3.0, 1.0), (1.0, 1.0)], 1.0, 3.0),
        ([(float(n), 1.0) for n in range(1, 101)], 50.0, 95.0),
        ([(1.0, 99.0), (7.0, 1.0)], 1.0, 1.0),
        ([(1.0, 1.0), (7.0, 99.0)], 7.0, 7.0),
    ],
)
def test_seconds_within_which_a_share_of_the_runs_ended(
    took: list[tuple[float, float]], p50: float | None, p95: float | None
) -> None:
    assert (at_most(took, 0.5), at_most(took, 0.95)) == (p50, p95)


def test_the_first_text_is_of_the_runs_that_have_one_each_for_as_many_as_it_stands_for() -> None:
    quick, slow = replace(run(), first_text=0.5), replace(run(), first_text=2.0)
    strata = [
        Stratum(APP, 0.0, {"succeeded": 30}, {}, [quick, slow, run()]),
        Stratum(OTHER, 0.0, {"succeeded": 1}, {}, [run("v3")]),
    ]
    by_app = figures_of(strata, "app", {})
    assert by_app[APP,].first == [(0.5, 10.0), (2.0, 10.0)]
    assert by_app[OTHER,].first == []
    assert figures_of(strata, "user", {})["anna",].first == by_app[APP,].first
