"""Requests and hints between servers that need not be of the same version."""

import pytest

from jikko.cluster.nats.nats_wire import (
    Announcement,
    Left,
    Parts,
    announcement,
    answer_of,
    heartbeat,
    orphans_of,
    to_answer,
    to_parts,
)
from jikko.ports.cluster import EndServer, StopRun

LONG = StopRun(run_id="r", error="田中🙂\ue000\u2028" * 100_000)


def test_a_long_request_goes_in_parts_that_nats_takes_and_is_the_same_behind_them() -> None:
    parts = to_parts(LONG, 1 << 20)
    together = Parts()

    assert len(parts) > 1
    assert max(map(len, parts)) <= 1 << 20
    assert [together.add(part) for part in parts] == [None] * (len(parts) - 1) + [LONG]


def test_parts_of_several_requests_may_come_between_each_other() -> None:
    one, other = to_parts(LONG, 1 << 20), to_parts(StopRun(run_id="o", error="y" * 3_000_000), 1 << 20)
    together = Parts()
    mixed = [part for pair in zip(one, other, strict=False) for part in pair] + one[len(other) :] + other[len(one) :]

    found = [command for part in mixed if (command := together.add(part)) is not None]

    assert {command.run_id for command in found if not isinstance(command, EndServer)} == {"r", "o"}


@pytest.mark.parametrize(("others", "is_kept"), [(63, True), (64, False)])
def test_of_the_requests_that_never_end_the_oldest_is_forgotten(others: int, is_kept: bool) -> None:
    first, *rest = to_parts(LONG, 1 << 20)
    together = Parts()
    together.add(first)
    for number in range(others):
        together.add(b"+" + number.to_bytes(16) + b"never ends")

    if is_kept:
        assert [together.add(part) for part in rest][-1] == LONG
    else:
        with pytest.raises(ValueError, match="JSON"):
            [together.add(part) for part in rest]


@pytest.mark.parametrize("body", [b"", b".", b"." + b"x" * 16, b"." + b"x" * 16 + b'{"type":"Later"}', b"\xff" * 40])
def test_what_is_no_request_is_refused_and_no_more(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|Invalid|truncated|malformed|utf"):
        Parts().add(body)


@pytest.mark.parametrize("body", [b"", b"null", b"\xff", b'{"sender":"a","said":{"type":"Later"}}', b'{"count":"x"}'])
def test_what_a_version_does_not_know_is_as_good_as_lost(body: bytes) -> None:
    assert (announcement(body), heartbeat(body)) == (None, None)
    found = orphans_of(body)
    assert found is None or found.holder == ""


def test_an_answer_is_yes_no_or_that_the_run_is_not_there() -> None:
    assert [answer_of(to_answer(answer)) for answer in (True, False, None)] == [True, False, None]
    assert answer_of(None) is answer_of(b"later") is None
    assert Announcement("a", Left()).content == Left()
