"""Ids of what the server makes."""

import time
from uuid import RFC_4122, UUID

import pytest

from jikko.ids import is_uuid, new_id


def test_an_id_is_a_uuid_of_version_7_with_the_time_that_it_was_made_at(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for milliseconds in (1_795_803_536_523, 1_795_803_536_523, 1_795_803_536_524, (1 << 48) - 1, 7):
        monkeypatch.setattr(time, "time_ns", lambda now=milliseconds: now * 1_000_000 + 999_999)
        made = new_id()
        assert is_uuid(made)
        assert str(UUID(made)) == made
        assert (UUID(made).version, UUID(made).variant, UUID(made).int >> 80) == (7, RFC_4122, milliseconds)
        found.append(made)
    assert found[1] < found[2] < found[3]


def test_ids_of_one_moment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_795_803_536_523_000_000)
    made = {new_id() for _ in range(10_000)}
    assert len(made) == 10_000
    # Each of the bits that are not fixed is one in some and none in others.
    every, any_ = (1 << 128) - 1, 0
    for each in made:
        every, any_ = every & UUID(each).int, any_ | UUID(each).int
    assert (any_ & ~every).bit_count() == 74
