"""How many runs of each app and span of time are looked at: decided without a database."""

import pytest

from jikko.store.run_lists import MAX_SAMPLED, sampled


def test_all_runs_are_looked_at_while_they_are_few() -> None:
    runs = {("large", 0): {2: MAX_SAMPLED - 300}, **{("語", span): {2: 1, 3: 0} for span in range(300)}}
    assert dict(sampled(runs, ())) == {("large", 0): MAX_SAMPLED - 300, **{("語", span): 1 for span in range(300)}}


def test_what_small_ones_leave_goes_to_the_others() -> None:
    runs = {("a", 0): {2: 10**6}, ("a", 1): {2: 100}, ("b", 0): {2: 10**5, 3: 7}}
    assert dict(sampled(runs, [("a", 0), ("gone", 5)])) == {
        ("a", 0): 1_950,
        ("a", 1): 100,
        ("b", 0): 1_950,
        ("gone", 5): 0,
    }


@pytest.mark.parametrize(("apps", "spans"), [(100, 28), (100, 400), (3_000, 24), (20, 400)])
def test_no_app_and_no_span_is_without(apps: int, spans: int) -> None:
    found = sampled({(app, span): {2: 3} for app in range(apps) for span in range(spans)}, ())
    looked_at = [each for each, most in found if most]
    assert sum(most for _, most in found) == min(MAX_SAMPLED, 3 * apps * spans)
    assert {app for app, _ in looked_at} == set(range(apps))
    assert {span for _, span in looked_at} == set(range(spans))
