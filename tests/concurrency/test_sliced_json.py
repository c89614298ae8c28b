"""Large bodies are what they are in one piece, and no more than a slice of a text is decoded at once."""

import asyncio
import json
import random
from typing import Any

import msgspec
import pytest

from jikko.concurrency import sliced_json
from jikko.concurrency.sliced_json import SLICE_BYTES, decode_large

pytestmark = pytest.mark.anyio

PIECES = ["界", "😀", "\\", '"', "\n", "é", "a", "\\u0041", "\\\\", "\x7f", " ", "{", "[", "\u2028", "plain words "]


class Decoded:
    """How many bytes are decoded between two turns of the event loop at most."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = self._in_turn = 0
        decode = sliced_json._decode

        def counted(data: bytes) -> Any:
            self._in_turn += len(data)
            self.most = max(self.most, self._in_turn)
            asyncio.get_running_loop().call_soon(self._next_turn)
            return decode(data)

        monkeypatch.setattr(sliced_json, "_decode", counted)

    def _next_turn(self) -> None:
        self._in_turn = 0


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("piece", [*PIECES, "of all"])
async def test_a_long_text_comes_out_whole(monkeypatch: pytest.MonkeyPatch, piece: str, ascii_only: bool) -> None:
    chosen = random.Random(7)
    text = "".join(chosen.choices(PIECES, k=300_000)) if piece == "of all" else piece * (1_200_000 // len(piece))
    # Each start puts the cuts elsewhere among the bytes of a character and an escape.
    value = {"inputs": {"x": "." * (len(piece) % 7) + text, "n": [1, {"y": text[:400_000]}]}, "user": "u"}
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    decoded = Decoded(monkeypatch)

    found, rest = await decode_large(body)

    assert found == value
    # A text of quotes or backslashes only is left to the decoder: there is no place to be sure of.
    if piece not in ('"', "\\", "\\\\", "of all"):
        assert decoded.most <= SLICE_BYTES + 300
        assert len(rest) < 300


@pytest.mark.parametrize("shift", range(13))
async def test_no_pair_of_escapes_is_cut(monkeypatch: pytest.MonkeyPatch, shift: int) -> None:
    value = {"inputs": {"x": "." * shift + "😀" * 150_000}}
    decoded = Decoded(monkeypatch)

    assert (await decode_large(json.dumps(value).encode()))[0] == value
    assert decoded.most <= SLICE_BYTES + 300


@pytest.mark.parametrize(
    "body",
    [
        b'{"x": "%b' % (b"a" * 600_000),
        b'{"x": "%b\\q"}' % (b"a" * 600_000),
        b'{"x": "%b\xff"}' % (b"a" * 600_000),
        # Without an end: there is no place to cut between these bytes.
        b'{"x": "%b"}' % (b"\x80" * 600_000),
        b'{"x": "%b", }' % (b"a" * 600_000),
        b'{"x": "%b\n"}' % (b"a" * 600_000),
    ],
)
async def test_what_is_wrong_is_told_as_of_the_whole(body: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as whole:
        msgspec.json.decode(body)

    with pytest.raises(type(whole.value)) as sliced:
        await decode_large(body)

    assert str(sliced.value) == str(whole.value)


@pytest.mark.parametrize("value", [{"k" * 300_000: 1}, "a" * 600_000, ["a" * 600_000], {"x": [0] * 200_000}])
async def test_so_is_what_is_large_in_another_way(value: Any) -> None:
    assert (await decode_large(json.dumps(value).encode()))[0] == value
