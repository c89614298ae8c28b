"""Times as commands print them."""

from datetime import datetime

import pytest

from jikko.cli.output import ago


@pytest.mark.parametrize(
    ("passed", "shown"), [(-1, "0 s ago"), (10, "10 s ago"), (600, "10 min ago"), (7200, "2 h ago")]
)
def test_a_time_is_told_by_what_has_passed_since(passed: float, shown: str) -> None:
    assert ago(1_000_000, 1_000_000 + passed) == shown


@pytest.mark.parametrize("passed", [-3600, 90_000])
def test_a_time_of_the_future_or_of_days_ago_is_a_date(passed: float) -> None:
    assert ago(1_000_000, 1_000_000 + passed) == datetime.fromtimestamp(1_000_000).astimezone().strftime(
        "%Y-%m-%d %H:%M"
    )
