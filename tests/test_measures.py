"""Counters and histograms after observations."""

from jikko.measures import Counter, Histogram


def test_a_counter_counts_by_labels() -> None:
    counter = Counter()
    counter.add("llm", "failed")
    counter.add("llm", "failed", count=2)
    counter.add("code", "failed")
    assert counter.values == {("llm", "failed"): 3, ("code", "failed"): 1}


def test_what_is_known_before_is_there_with_nothing() -> None:
    assert Counter((), ("x",)).values == {(): 0, ("x",): 0}
    assert Histogram([1.0], ()).values == {(): [0, 0, 0]}


def test_a_median_lies_between_the_bounds_of_its_part() -> None:
    histogram = Histogram([1.0, 2.0, 4.0])
    assert histogram.median() is None
    for value in (0.5, 1.5, 1.5, 3.0):
        histogram.observe(value)
    assert histogram.median() == 1.5
    for _ in range(100):
        histogram.observe(3.0)
    assert 2.0 < (histogram.median() or 0) < 4.0
    for _ in range(1000):
        histogram.observe(50.0)
    assert histogram.median() == 4.0


def test_a_histogram_has_a_part_for_each_bound_one_above_and_the_sum() -> None:
    histogram = Histogram([1.0, 2.0])
    for value in (0.5, 1.0, 1.5, 2.5, 100.0):
        histogram.observe(value)
    assert histogram.values == {(): [2, 1, 2, 105.5]}
