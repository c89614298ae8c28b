"""Incremental decoding of large JSON: equal to decoding at once, and yielding to the event loop."""

import asyncio
import functools
import json
import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from jikko.concurrency.json_in_pieces import LARGE_BYTES, MAX_ELEMENTS, TooManyElements, decode_json, has_more_elements
from jikko.values import MAX_DEPTH
from tests.effort import cpu_seconds, longest_turn

pytestmark = pytest.mark.anyio

EVERYTHING = 10**9
TEXTS = ["", "a", '"', "\\", ',[{"', "界", "😀", "\n\\u0041", "plain words, and more ", "\x7f\u2028"]
MEGABYTES = 12_000_000


def value_of(chosen: random.Random, depth: int = 0) -> Any:
    kind = chosen.random()
    if depth < 7 and kind < 0.3:
        return [value_of(chosen, depth + 1) for _ in range(chosen.randrange(6))]
    if depth < 7 and kind < 0.6:
        return {text_of(chosen, 3): value_of(chosen, depth + 1) for _ in range(chosen.randrange(6))}
    if kind < 0.62:
        return text_of(chosen, 25_000)
    return chosen.choice([None, True, 0, -1.5e-7, 1 << 63, text_of(chosen, 6)])


def text_of(chosen: random.Random, most: int) -> str:
    return chosen.choice(TEXTS) * chosen.randrange(most)


@functools.cache
def large_body(seed: int) -> bytes:
    """Somewhat larger than what is decoded at once; each begins elsewhere in its window."""
    chosen = random.Random(seed)
    value: dict[str, Any] = {"あ" * chosen.randrange(99): []}
    size = 0
    while size <= LARGE_BYTES:
        entry = value_of(chosen)
        size += len(json.dumps(entry))
        chosen.choice(list(value.values())).append(entry)
        value[f"{len(value)}"] = []
    comma = (",", ", ", ",\n\t")[seed % 3]
    return json.dumps(value, ensure_ascii=seed % 2 == 0, separators=(comma, " :\r\n ")).encode()


@pytest.mark.once
@pytest.mark.parametrize("seed", range(30))
async def test_it_holds_what_it_holds_in_one_piece(seed: int) -> None:
    body = large_body(seed)

    found = await decode_json(body, most=EVERYTHING)

    # Also in the same order.
    assert json.dumps(found) == json.dumps(msgspec.json.decode(body))


@pytest.mark.once
@pytest.mark.parametrize(
    ("item", "shift"),
    [
        (item, shift)
        for item in ["\\ud83d\\ude00", "\\\\u0041", "\\u754c", "界", "😀é", "\ue000\\n", '\\"', "\\\\"]
        for shift in range(len(item.encode()))
    ],
)
async def test_a_long_text_is_the_same_wherever_it_is_cut(item: str, shift: int) -> None:
    # Each is cut twice.
    long = "x" * shift + item * (LARGE_BYTES // 2 // len(item.encode()))
    body = f'{{"{long}": ["{long}", [], {{"a": "{long}"}}], "b": 1, "c": "{long}"}}'.encode()

    assert await decode_json(body) == msgspec.json.decode(body)


async def test_halves_of_characters_stay_halves_where_a_decoder_takes_them() -> None:
    for half in ("\\ud83d", "\\ude00", "\\ud83d\\ud83d\\ude00\\ude00"):
        text = f'"{half * LARGE_BYTES}"'

        assert await decode_json(text, json.loads) == json.loads(text)


@pytest.mark.parametrize("text", ['{"a": [], "b": 1, "a": [%s]}', '{"a": {"x": {"x": 1, "x": [%s], "y": 2}}, "a": 7}'])
async def test_of_entries_with_one_name_the_last_counts(text: str) -> None:
    body = (text % ", ".join(["1"] * LARGE_BYTES)).encode()

    assert await decode_json(body, most=EVERYTHING) == msgspec.json.decode(body)


@pytest.mark.once
@pytest.mark.parametrize("seed", range(60))
async def test_what_is_no_json_is_refused_and_nothing_else_is(seed: int) -> None:
    chosen = random.Random(seed)
    body = bytearray(large_body(seed % 6))
    place = chosen.randrange(len(body))
    body[place : place + chosen.randrange(3)] = chosen.choice([b"", b",", b"]", b"}", b'"', b"\\", b"[", b":", b"\xff"])
    whole = outcome_of(lambda: msgspec.json.decode(body))

    try:
        found: Any = await decode_json(body, most=EVERYTHING)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        found = type(error)

    assert found == whole


def outcome_of(decode: Callable[[], Any]) -> Any:
    try:
        return decode()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return type(error)


@pytest.mark.parametrize(
    "body",
    [
        b'{"x": [%b1 2]}' % (b"1," * LARGE_BYTES),
        b'{"x": [%b], "y": tru}' % (b"1," * LARGE_BYTES + b"1"),
        b'{"x": "%b\\q"}' % (b"a" * LARGE_BYTES),
        b'{"x": [%b}' % (b"1," * LARGE_BYTES + b"1"),
        b'{"x": [%b' % (b"1," * LARGE_BYTES + b"1"),
        b'{"x": "%b' % (b"a" * LARGE_BYTES),
        b'{"x": "%b\\' % (b"a" * LARGE_BYTES),
    ],
)
async def test_the_place_of_a_mistake_is_that_in_all_of_it(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError) as whole:
        msgspec.json.decode(body)

    with pytest.raises(msgspec.DecodeError) as pieces:
        await decode_json(body, most=EVERYTHING)

    assert place(pieces.value, body) == place(whole.value, body)


def place(error: Exception, body: bytes) -> int:
    """Where JSON is wrong; one that is cut off, at its end."""
    found = re.search(r"\(byte (\d+)\)", str(error))
    return int(found[1]) if found else len(body)


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
async def test_it_may_be_as_deep_as_a_value_and_no_deeper(bracket: bytes) -> None:
    close = b"]" if bracket == b"[" else b"}"
    deep = bracket * (MAX_DEPTH - 1) + b"1" + close * (MAX_DEPTH - 1)
    body = b"[" + b"1," * LARGE_BYTES

    assert (await decode_json(body + deep + b"]", most=EVERYTHING))[-1] == msgspec.json.decode(deep)
    with pytest.raises(RecursionError):
        await decode_json(body + bracket + deep + close + b"]", most=EVERYTHING)


@pytest.mark.parametrize("item", [b"{}", b"[]", b"1", b'",,[{"', b'{"a":1}'])
async def test_it_may_have_so_many_elements_and_not_one_more(item: bytes) -> None:
    count = LARGE_BYTES // len(item)
    body = b"[" + b",".join([item] * count) + b"]"
    elements = count * (1 + (item[:1] in b"[{"))

    assert len(await decode_json(body, most=elements)) == count
    assert not has_more_elements(body, elements)
    assert has_more_elements(body, elements - 1)
    with pytest.raises(TooManyElements):
        await decode_json(body, most=elements - 1)


@pytest.mark.parametrize(("digits", "elements"), [(90, 1), (91, 2), (1000, 123), (4299, 2257)])
@pytest.mark.parametrize("sign", [b"", b"-", b"0."])
async def test_a_number_counts_by_the_square_of_its_digits(digits: int, elements: int, sign: bytes) -> None:
    body = b"[" + b",".join([sign + b"7" * digits] * 100) + b', "%b"]' % (b"1" * LARGE_BYTES)

    assert len(await decode_json(body, most=1 + 100 * elements)) == 101
    with pytest.raises(TooManyElements):
        await decode_json(body, most=100 * elements)


async def test_a_lenient_decoder_takes_what_it_takes() -> None:
    text = f'{{"x": [{"-Infinity, " * 50_000} NaN], "half": "\ud800", "n": {"1" * 400}}}'

    assert repr(await decode_json(text, json.loads)) == repr(json.loads(text))


def wide(item: bytes) -> bytes:
    return b'{"inputs": {"x": [%b0]}, "user": "u"}' % (item * (MEGABYTES // len(item)))


def text(item: bytes) -> bytes:
    return b'{"inputs": {"x": "%b"}, "user": "u"}' % (item * (MEGABYTES // len(item)))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "objects": lambda: wide(b"{},"),
    "lists in each other": lambda: wide(b"["),
    "short texts": lambda: wide(b'"a",'),
    "one number": lambda: wide(b"1"),
    "long numbers": lambda: wide(b"1" * 4_300 + b","),
    "one text": lambda: text("界".encode()),
    "escapes": lambda: text(b"\\u0041"),
    "short escapes": lambda: text(b"\\n"),
    "quotes": lambda: b'"' * MEGABYTES,
    "names": lambda: b"{%b}" % b",".join(b'"%d":1' % number for number in range(900_000)),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
async def test_12_megabytes_of_anything_do_not_hold_the_event_loop(kind: str) -> None:
    body = HOSTILE[kind]()
    longest, last = 0.0, time.thread_time()

    def turn() -> None:
        nonlocal longest, last
        now = time.thread_time()
        longest, last = max(longest, now - last), now
        asyncio.get_running_loop().call_soon(turn)

    turn()
    with suppress(TooManyElements, RecursionError, msgspec.DecodeError):
        await decode_json(body)
    await asyncio.sleep(0)

    # A quarter of a second on a machine on which nothing else may take 50 ms.
    assert longest < cpu_seconds(lambda: msgspec.json.decode(HOSTILE["objects"]())) / 5


@pytest.mark.serial
@pytest.mark.parametrize("kind", ["one text", "escapes", "short escapes"])
async def test_others_have_the_event_loop_while_a_long_text_is_decoded(kind: str) -> None:
    body = HOSTILE[kind]()

    longest, whole = min([await longest_turn(decode_json(body)) for _ in range(3)])

    assert longest < whole / 4


async def test_small_json_is_decoded_as_it_is() -> None:
    body = b"[" + b"1," * (LARGE_BYTES // 2 - 2) + b"1]"

    assert len(await decode_json(body, most=1)) == LARGE_BYTES // 2 - 1
    assert MAX_ELEMENTS > LARGE_BYTES // 2
