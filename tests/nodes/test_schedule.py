"""Due times of schedule triggers: Dify's recorded behaviour for each configuration."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from jikko.lang.cron import InvalidSchedule
from jikko.nodes.flow.schedule_node import recurrence_of

RECORDED: list[dict[str, Any]] = json.loads(
    Path(__file__).parent.parent.joinpath("compat/tools/schedules.json").read_bytes()
)


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def due_times(config: dict[str, Any], start: str, count: int) -> list[str]:
    cron, moments = recurrence_of(config), [seconds(start)]
    for _ in range(count):
        following = cron.after(moments[-1])
        assert following is not None
        moments.append(following)
    return [datetime.fromtimestamp(moment).astimezone().isoformat() for moment in moments[1:]]


@pytest.mark.parametrize(
    ("config", "start", "expected"),
    [
        pytest.param(entry["config"], start, expected, id=f"{entry['cron']} {entry['timezone']} {start}")
        for entry in RECORDED
        if "cron" in entry
        for start, expected in entry["next"].items()
    ],
)
def test_due_times_are_those_of_dify(config: dict[str, Any], start: str, expected: list[str]) -> None:
    assert [*map(seconds, due_times(config, start, len(expected)))] == [*map(seconds, expected)]


@pytest.mark.parametrize("config", [entry["config"] for entry in RECORDED if "error" in entry], ids=json.dumps)
def test_a_configuration_that_dify_refuses_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(InvalidSchedule):
        recurrence_of(config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"frequency": "hourly", "visual_config": {"on_minute": None}}, "on_minute None must be a number from 0 to 59"),
        ({"frequency": "hourly", "visual_config": {"on_minute": True}}, "on_minute True must be a number from 0 to 59"),
        ({"frequency": "hourly", "visual_config": ["五"]}, "visual_config is not a mapping"),
        ({"frequency": ["daily"]}, "frequency ['daily'] must be hourly, daily, weekly or monthly"),
        ({"frequency": "daily", "visual_config": {"time": "９:00 AM"}}, "time '９:00 AM' must be like '9:30 AM'"),
        ({"frequency": "daily", "visual_config": {"time": "13:00 PM"}}, "time '13:00 PM' must be like '9:30 AM'"),
        ({"frequency": "daily", "visual_config": {"time": "1:60 PM"}}, "time '1:60 PM' must be like '9:30 AM'"),
        ({"frequency": "weekly", "visual_config": {"weekdays": "mon"}}, "weekdays has no day"),
        ({"frequency": "weekly", "visual_config": {"weekdays": [["mon"]]}}, "weekday ['mon'] must be one of sun, mon"),
        ({"frequency": "monthly", "visual_config": {"monthly_days": ["🗓"]}}, "monthly_days '🗓' must be a number from"),
        ({"mode": "cron", "cron_expression": 5}, "the expression is empty"),
        ({"mode": "cron", "cron_expression": "@reboot"}, "'@reboot' is not one of @annually, @daily"),
        ({"mode": "cron", "cron_expression": "R * * * *"}, "'R' would be a random time"),
        ({"mode": "cron", "cron_expression": "0 0 9 * * *"}, "it has 6 fields, not 5: minute, hour"),
        ({"mode": "cron", "cron_expression": "0 9 31 2 *"}, "no such date ever comes"),
        ({"mode": "cron", "cron_expression": "五 * * * *"}, "not a cron expression: "),
        ({"mode": "cron", "cron_expression": "1," * 200 + "1 * * * *"}, "the expression has more than 250 characters"),
        ({"mode": "cron", "cron_expression": "@every 90"}, "'90' is not a duration such as 30d"),
        ({"mode": "cron", "cron_expression": "@every 0.5s"}, "@every 0.5s is less than a second"),
        ({"mode": "cron", "cron_expression": "@every 367d"}, "@every 367d is more than 366 days"),
        ({"frequency": "daily", "timezone": "../../etc/passwd"}, "'../../etc/passwd' is not a time zone; use an IANA"),
        ({"frequency": "daily", "timezone": "Europe"}, "'Europe' is not a time zone; use an IANA name"),
    ],
)
def test_errors_say_what_is_wrong_and_what_would_be_right(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSchedule) as refused:
        recurrence_of(config)

    assert str(refused.value).startswith(message)


def test_times_of_the_picker_may_be_written_small_and_with_one_digit() -> None:
    config = {"frequency": "daily", "visual_config": {"time": "12:5 am"}, "timezone": "Asia/Tokyo"}

    assert seconds(due_times(config, "2026-01-31T12:00:00Z", 1)[0]) == seconds("2026-02-01T00:05:00+09:00")


def test_a_cron_expression_may_be_an_interval() -> None:
    config = {"mode": "cron", "cron_expression": " @Every 1.5m ", "timezone": "Asia/Tokyo"}

    found = [*map(seconds, due_times(config, "2026-01-31T12:00:00Z", 2))]

    assert found == [seconds("2026-01-31T12:01:30Z"), seconds("2026-01-31T12:03:00Z")]
