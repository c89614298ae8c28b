"""Taking a stream of server-sent events apart."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jikko.providers.openai.compatible import SseParser
from tests.effort import growth

STREAM = b": hello\r\nevent: x\ndata: one\n\ndata:two\r\n\r\ndata: a\ndata: b\n\nid: 3\n\ndata: last"
EVENTS = [b"one", b"two", b"a\nb", b"last"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_events_are_the_same_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    buffer = SseParser()
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [event for start, end in itertools.pairwise(edges) for event in buffer.feed(STREAM[start:end])]

    assert found + buffer.finish() == EVENTS


def test_lines_without_data_count_since_they_are_kept_too() -> None:
    buffer = SseParser()
    assert buffer.feed(b"data:\n" * 1000) == []
    assert buffer.feed(b"\n") == [b"\n" * 999]


@pytest.mark.slow
@pytest.mark.parametrize("piece", [b"data: a\n", b"a"])
def test_what_an_event_of_many_pieces_takes_grows_with_their_number_only(piece: bytes) -> None:
    def fed(count: int) -> SseParser:
        buffer = SseParser()
        for _ in range(count):
            buffer.feed(piece)
        return buffer

    assert growth(fed, 30_000) < 50

    tracemalloc.start()
    fed(30_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 * 30_000 * len(piece)
