"""Bodies as they come from the network: whole, compressed, too large, cut off and broken."""

import gzip
import zlib

import pytest

from jikko.outbound.decoding import BodyCollector
from jikko.ports.http import HttpFailure

EMPTY = gzip.compress(b"")
SLACK = 65_536
STEP = 262_144


def bare(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def collected(encoding: str, *chunks: bytes, limit: int = 1_000_000) -> bytes:
    body = BodyCollector(encoding, limit)
    for chunk in chunks:
        for _ in body.feed(chunk):
            pass
    return body.content()


@pytest.mark.parametrize("encoding", ["", "identity", " Identity ,", "identity, identity"])
def test_what_is_not_compressed_is_taken_as_it_is(encoding: str) -> None:
    assert collected(encoding, b"ab", b"", b"cd") == b"abcd"
    assert collected(encoding) == b""


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP ", "deflate", "identity, gzip", "gzip,"])
@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, bare])
def test_what_is_compressed_is_known_by_its_first_bytes(encoding: str, compress: object) -> None:
    assert callable(compress)
    data = compress("良い 🙂".encode() * 100)

    assert collected(encoding, data) == "良い 🙂".encode() * 100
    assert collected(encoding, data[:9], data[9:20], data[20:]) == "良い 🙂".encode() * 100
    assert collected(encoding) == b""


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate, gzip", "zstd, identity", "x" * 100])
def test_another_encoding_cannot_be_read(encoding: str) -> None:
    with pytest.raises(HttpFailure, match="was not asked for") as caught:
        BodyCollector(encoding, 100)

    assert caught.value.kind == "protocol"
    assert repr(encoding[:60]) in str(caught.value)


@pytest.mark.parametrize(
    ("limit", "told"), [(10, "10 bytes"), (1_048_575, "1048575 bytes"), (1_048_576, "1.00 MB"), (1_572_864, "1.50 MB")]
)
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_body_may_be_as_large_as_the_limit_and_no_larger(limit: int, told: str, encoding: str) -> None:
    made = gzip.compress if encoding else bytes
    assert len(collected(encoding, made(bytes(limit)), limit=limit)) == limit

    with pytest.raises(HttpFailure) as caught:
        collected(encoding, made(bytes(limit + 1)), limit=limit)
    assert (str(caught.value), caught.value.kind) == (f"The answer is larger than {told}.", "too_large")


def test_all_pieces_count() -> None:
    with pytest.raises(HttpFailure, match=r"larger than 10 bytes\.$"):
        collected("", b"12345", b"123456", limit=10)


def test_what_comes_compressed_may_be_a_little_larger_than_its_content_may() -> None:
    # Behind its end, padding is passed over.
    data = gzip.compress(b"a")
    padding = bytes(100 + SLACK - len(data))

    assert collected("gzip", data, padding, limit=100) == b"a"
    with pytest.raises(HttpFailure, match=r"larger than 100 bytes\.$"):
        collected("gzip", data, padding + b"\0", limit=100)


def test_members_follow_one_another_until_there_is_something_else() -> None:
    one, two = gzip.compress(b"one "), gzip.compress(b"two")

    assert collected("gzip", one + two) == b"one two"
    assert collected("gzip", one, two, b"padding" + two) == b"one two"


@pytest.mark.parametrize("count", [1, 100])
def test_a_hundred_of_them_may_be_empty_in_a_row(count: int) -> None:
    full = gzip.compress(b"x")

    assert collected("gzip", EMPTY * count) == b""
    assert collected("gzip", (EMPTY * count + full) * 3) == b"xxx"
    assert collected("gzip", *([EMPTY] * count), full, EMPTY * count) == b"x"


def test_more_are_no_answer() -> None:
    for chunks in ([EMPTY * 101], [EMPTY] * 101, [gzip.compress(b"x"), EMPTY * 101]):
        with pytest.raises(HttpFailure, match="compressed data is broken") as caught:
            collected("gzip", *chunks)
        assert caught.value.kind == "protocol"


def test_what_comes_byte_by_byte_is_no_empty_member() -> None:
    data = gzip.compress(bytes(range(256)) * 4, compresslevel=0)

    assert collected("gzip", *(data[at : at + 1] for at in range(len(data)))) == bytes(range(256)) * 4


def test_what_is_compressed_comes_in_steps() -> None:
    body = BodyCollector("gzip", 10 * STEP)
    steps = 0
    for _ in body.feed(gzip.compress(bytes(4 * STEP))):
        steps += 1

    assert steps in (4, 5)
    assert len(body.content()) == 4 * STEP


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_what_breaks_off_is_no_answer(compress: object) -> None:
    assert callable(compress)
    with pytest.raises(HttpFailure, match="is not complete") as caught:
        collected("gzip", compress(b"abc" * 100)[:-1])
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize("chunks", [[b"no compressed data"], [gzip.compress(b"abc" * 100)[:-8], bare(b"bare data")]])
def test_what_is_broken_is_no_answer_though_its_rest_alone_would_be_one(chunks: list[bytes]) -> None:
    with pytest.raises(HttpFailure, match="compressed data is broken") as caught:
        collected("gzip", *chunks)
    assert caught.value.kind == "protocol"
