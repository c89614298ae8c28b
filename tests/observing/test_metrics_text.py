"""Metrics as text, read by Prometheus' own parser."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jikko.measures import SECONDS, Histogram
from jikko.observing.metrics.metrics_table import FAMILIES, MAX_APPS, Snapshot, lasting, merged, samples
from jikko.observing.metrics.page import Exposition


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every number, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    return read(text)[name, frozenset(labels.items())]


def test_a_counter_and_a_gauge_are_one_number_each() -> None:
    text = Exposition().text([("jikko_runs_finished_total", ("failed",), [3.0]), ("jikko_streams", (), [1.5])])
    assert value(text, "jikko_runs_finished_total", status="failed") == 3
    assert value(text, "jikko_streams") == 1.5


def test_a_histogram_has_all_its_bounds_each_with_what_is_below() -> None:
    histogram = Histogram(SECONDS)
    for seconds in (0.001, 0.02, 0.02, 1000.0):
        histogram.observe(seconds, "failed")
    text = Exposition().text(samples("jikko_run_seconds", histogram))

    assert value(text, "jikko_run_seconds_bucket", status="failed", le="0.005") == 1
    assert value(text, "jikko_run_seconds_bucket", status="failed", le="0.025") == 3
    assert value(text, "jikko_run_seconds_bucket", status="failed", le="600") == 3
    assert value(text, "jikko_run_seconds_bucket", status="failed", le="+Inf") == 4
    assert value(text, "jikko_run_seconds_count", status="failed") == 4
    assert value(text, "jikko_run_seconds_sum", status="failed") == pytest.approx(1000.041)


@pytest.mark.parametrize("label", ['a"b', "back\\slash", "two\nlines", "{}=,", "ünïcödé"])
def test_a_label_is_read_as_it_was_written(label: str) -> None:
    text = Exposition().text([("jikko_model_requests_total", ("openai", label, "ok"), [1.0])])
    assert value(text, "jikko_model_requests_total", provider="openai", model=label, status="ok") == 1


def test_what_has_no_numbers_is_left_out() -> None:
    assert Exposition().text([]) == ""


def test_numbers_of_several_processes_are_added_up_and_what_they_are_is_told_once() -> None:
    info: Snapshot = [("jikko_build_info", ("1", "3.11", "sqlite"), [1.0])]
    one: Snapshot = [*info, ("jikko_runs_finished_total", ("failed",), [3.0]), ("jikko_runs", ("running",), [1.0])]
    other: Snapshot = [*info, ("jikko_runs_finished_total", ("failed",), [4.0])]
    assert sorted(merged([one, other])) == [
        ("jikko_build_info", ("1", "3.11", "sqlite"), [1.0]),
        ("jikko_runs", ("running",), [1.0]),
        ("jikko_runs_finished_total", ("failed",), [7.0]),
    ]


@pytest.mark.parametrize("name", ["jikko_servers", "jikko_differing_servers", "jikko_heartbeat_age_seconds"])
def test_what_each_process_knows_of_all_servers_is_not_added_up(name: str) -> None:
    assert merged([[(name, (), [2.0])], [(name, (), [3.0])], [(name, (), [1.0])]]) == [(name, (), [3.0])]


def test_what_a_process_did_outlives_it_and_how_it_was_does_not() -> None:
    histogram = Histogram(SECONDS)
    histogram.observe(1.0)
    did = [("jikko_lost_total", (), [1.0]), *samples("jikko_run_wait_seconds", histogram)]
    assert lasting([*did, ("jikko_streams", (), [7.0]), ("jikko_build_info", ("1", "3", "x"), [1.0])]) == did


def test_of_very_many_apps_the_busiest_have_a_label_for_good() -> None:
    def ended(**runs: float) -> Snapshot:
        return [("jikko_app_runs_finished_total", (app, "failed"), [count]) for app, count in runs.items()]

    exposition = Exposition()
    many = {f"app{number}": 2.0 for number in range(MAX_APPS - 1)}
    first = exposition.text(ended(rare=1.0, busy=9.0, **many))
    later = exposition.text(ended(rare=100.0, busy=9.0, **many))

    assert value(first, "jikko_app_runs_finished_total", app="busy", status="failed") == 9
    assert value(first, "jikko_app_runs_finished_total", app="other", status="failed") == 1
    assert value(later, "jikko_app_runs_finished_total", app="other", status="failed") == 100
    assert len(read(later)) == MAX_APPS + 1


def test_no_name_of_ours_is_against_the_rules_of_prometheus() -> None:
    for name, family in FAMILIES.items():
        assert name.endswith("_total") == (family.kind == "counter"), name
        assert name.endswith("_info") == (family.kind == "info"), name
        assert not {"le", "instance", "job"} & set(family.labels)
