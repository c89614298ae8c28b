"""Taking a stream of server-sent events apart."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from jikko.providers.sse import EventBuffer

STREAM = b": hello\r\nevent: x\ndata: one\n\ndata:two\r\n\r\ndata: a\ndata: b\n\nid: 3\n\ndata: last"
EVENTS = [b"one", b"two", b"a\nb", b"last"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_events_are_the_same_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    buffer = EventBuffer()
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [event for start, end in itertools.pairwise(edges) for event in buffer.feed(STREAM[start:end])]

    assert found + buffer.finish() == EVENTS


def test_what_is_not_complete_is_counted() -> None:
    buffer = EventBuffer()
    buffer.feed(b"data: " + b"x" * 1000)
    assert buffer.pending == 1006
    buffer.feed(b"\n")
    assert buffer.pending == 1000
    buffer.feed(b"\n")
    assert buffer.pending == 0
