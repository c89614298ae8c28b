"""A program may send any bytes in the place of its answer: that fails this program, and nothing else."""

import asyncio
import base64
import contextlib
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jikko.ports.http import HttpFailure, Timeouts
from jikko.ports.sandbox import SandboxFailure
from jikko.sandbox.child import MAX_BODY, parse_request
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import SandboxLimits
from tests.effort import PATIENCE
from tests.sandbox.clients.scene import Outside

pytestmark = pytest.mark.once

NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 10**4000, 1 << 63, 1e308])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=10,
)
REQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "post", "GET\n", ""]) | VALUES,
        "url": st.sampled_from(["http://h/", "HTTPS://日本/🔥", "http://", "file:///etc/passwd", "http://\ud800"])
        | VALUES,
        "headers": st.lists(st.lists(st.text(max_size=3), min_size=2, max_size=2), max_size=3) | VALUES,
    },
    optional={"connect": NUMBERS | VALUES, "read": NUMBERS | VALUES, "verify": VALUES, "そのほか": VALUES},
)
REPLIES = st.dictionaries(st.sampled_from(["ok", "error", "kind", "http"]), VALUES)
TEXTS = (
    st.binary(max_size=50)
    | st.builds(
        lambda mark, rest: mark + rest, st.sampled_from([b"not begun: ", b"broken: ", b'{"http":']), st.binary()
    )
    | st.builds(lambda request: json.dumps({"http": request}).encode(), REQUESTS)
    | st.builds(lambda reply: json.dumps(reply).encode(), REPLIES)
)
LENGTHS = st.none() | st.sampled_from([0, 1, 1 << 20, (1 << 20) + 1, MAX_BODY + 1, (1 << 32) - 1])
FORGED = """
import base64, os
def main(message):
    os.write(3, base64.b64decode(message))
    os._exit(0)
"""


def framed(text: bytes, block: bytes, text_length: int | None, block_length: int | None) -> bytes:
    """A message, as a program might announce it."""
    lengths = (len(text) if text_length is None else text_length, len(block) if block_length is None else block_length)
    return struct.pack(">II", *lengths) + text + block


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def sandbox(runner: asyncio.Runner) -> Iterator[ForkServerSandbox]:
    made = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE))
    yield made
    runner.run(made.close())


@given(REQUESTS)
def test_a_request_is_refused_or_within_all_bounds(request: dict[str, Any]) -> None:
    try:
        parsed = parse_request(json.dumps({"http": request}).encode(), b"")
    except HttpFailure:
        return

    usual = Timeouts()
    assert parsed.method.isalpha()
    assert parsed.url.lower().startswith(("http://", "https://"))
    assert 0 < parsed.timeouts.connect <= usual.connect
    assert 0 < parsed.timeouts.read <= usual.read
    assert all(part.isascii() and part.isprintable() for pair in parsed.headers for part in pair)


@given(st.binary())
def test_a_text_that_is_no_request_is_refused(text: bytes) -> None:
    with pytest.raises(HttpFailure):
        parse_request(text, b"")


@settings(deadline=None)
@given(st.lists(st.builds(framed, TEXTS, st.binary(max_size=9), LENGTHS, LENGTHS) | st.binary(max_size=20), max_size=3))
def test_whatever_a_program_sends_it_alone_fails(
    runner: asyncio.Runner, sandbox: ForkServerSandbox, messages: list[bytes]
) -> None:
    arguments = {"message": base64.b64encode(b"".join(messages)).decode()}
    with contextlib.suppress(SandboxFailure):
        result = runner.run(sandbox.run_code("python3", FORGED, arguments, send=Outside().send))
        json.dumps(result).encode()

    assert runner.run(sandbox.run_code("python3", "def main(): return {'ok': 1}", {})) == {"ok": 1}
