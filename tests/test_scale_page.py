"""The page on scale shows the model's figures, and the model uses the documented formulas."""

import re

import pytest
from benchmarks.scale import HOT_DAYS, MEASURED, PAGE, QUEUES, RATES, cost, fairness, filled, needs, outage, takeover

SHORT, LONG = MEASURED.values()


def test_the_page_has_the_tables_of_the_model() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert filled(page) == page, "python -m benchmarks.scale --write"
    assert len(re.findall("<!-- -->", page)) == 6


def test_a_page_without_a_place_for_a_table_is_told() -> None:
    with pytest.raises(ValueError, match="no place for the table inputs"):
        filled("")


def test_what_is_needed_grows_with_the_rate_and_nothing_else() -> None:
    for run in (SHORT, LONG):
        small, large = needs(run, RATES[0]), needs(run, RATES[-1])
        assert large.log_mb == pytest.approx(small.log_mb * 100)
        assert large.hot_tb == pytest.approx(RATES[-1] * 86_400 * HOT_DAYS * run.row / 1e12)
        assert small.servers * 8 * 0.5 >= small.server_cores > (small.servers - 1) * 8 * 0.5


def test_a_million_runs_cost_the_sum_of_their_parts() -> None:
    money = cost(SHORT)

    assert money.total == pytest.approx(money.servers + money.database + money.nats + money.hot + money.archive_month)
    assert cost(SHORT, 2e6).total == pytest.approx(2 * money.total)
    # By hand: 606 µs x 1,000,000 is 0.168 h of a core, half used, 0.04 $ an hour.
    assert money.servers == pytest.approx(606 / 3600 * 2 * 0.04)


@pytest.mark.parametrize("load", [0.5, 0.7, 0.9])
def test_who_refuses_is_as_before_earlier(load: float) -> None:
    (longest, before), (_, refusing) = outage(load, 30.0), outage(load, 30.0, 2.0)

    assert longest == pytest.approx(30.0, abs=0.1)
    # What came in meanwhile is worked off by what is free: 30 s x load / (1 - load).
    assert before == pytest.approx(30 * load / (1 - load), rel=0.02)
    assert refusing == pytest.approx(2 / (1 - load), rel=0.1)


def test_at_most_n_of_an_app_is_nearly_as_fair_as_a_queue_an_app() -> None:
    waits = {name.strip("*"): fairness(made())[1] for name, made in QUEUES.items()}

    assert waits["a queue an app"] <= waits["one queue, at most 16 of an app"] < 1 < waits["one queue"] / 50


def test_more_new_holders_are_quicker_until_the_database_is_what_they_wait_for() -> None:
    assert takeover(2, 2000) > takeover(5, 2000) > takeover(20, 2000)
    assert takeover(1000, 2000) == takeover(2000, 2000) == pytest.approx(10 + 2000 * 4e-3 / 40)
