"""Embeddings by OpenAI's protocol: the body of ``/embeddings``, and its answer."""

import asyncio
import base64
import binascii
import re
import sys
from array import array
from typing import Any, Final

import msgspec

from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Vector
from jikko.providers.backends import EmbeddedBatch

MAX_BYTES: Final = 262_144
"""Maximum bytes of the answer per text, and of one vector: twice what 4,096 numbers take."""
_MAX_AROUND_BYTES: Final = 1024
"""Maximum bytes of the answer per text, without vectors. Those of 2,048 texts are decoded in 20 ms."""
_LEAST_AROUND_BYTES: Final = 65_536
"""Minimum of that limit: some servers repeat the texts, or add metadata."""

_KEY: Final = b'"embedding"'
_VALUE: Final = re.compile(rb'\s{0,99}:\s{0,99}(["\[])')


class _Entry(msgspec.Struct):
    embedding: int
    """Index of the vector that was replaced by it."""
    index: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Entry]
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Answer).decode
_decode_vector = msgspec.json.Decoder(list[float | None] | str).decode


def embedding_body(model: str, texts: tuple[str, ...], dimensions: int) -> dict[str, Any]:
    """Return the body of ``/embeddings``. The encoding is left to the server: not all support the field."""
    body: dict[str, Any] = {"model": model, "input": list(texts)}
    if dimensions:
        body["dimensions"] = dimensions
    return body


async def embedded(body: bytes, expected: int) -> EmbeddedBatch:
    """Return the vectors of the ``expected`` texts, in order, yielding to the event loop between them.

    Raises ``ModelFailure``: the answer violates the protocol, or has not exactly one vector per text.
    """
    try:
        around, found = await _parted(body, expected)
        answer = _decode(around)
        vectors: dict[int, Vector] = {}
        for position, entry in enumerate(answer.data):
            if entry.embedding != position:
                raise ValueError("an entry without a vector, or with several")
            vectors[position if entry.index is None else entry.index] = found[position]
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError, IndexError):
        raise ModelFailure(
            f"The provider's answer holds no vectors of OpenAI's protocol: {body[:200].decode(errors='replace')!r}"
        ) from None
    if len(answer.data) != expected or vectors.keys() != set(range(expected)) or not all(vectors.values()):
        raise ModelFailure(f"The provider gave {len(answer.data)} vectors for {expected} texts, or empty ones.")
    usage = answer.usage or _Usage()
    return EmbeddedBatch(
        tuple(vectors[index] for index in range(expected)),
        usage.total_tokens if usage.prompt_tokens is None else usage.prompt_tokens,
    )


async def _parted(body: bytes, expected: int) -> tuple[bytes, list[Vector]]:
    """Return the answer with vectors replaced by their index, and the vectors without brackets or quotes.

    In valid JSON the quoted key occurs in no string, where quotes are escaped. Raises ``ValueError``,
    ``msgspec.DecodeError``: an invalid vector, or too much besides.
    """
    most = max(_LEAST_AROUND_BYTES, _MAX_AROUND_BYTES * (expected + 1))
    parts: list[bytes] = []
    vectors: list[Vector] = []
    at = around = 0
    while at < len(body):
        key = body.find(_KEY, at, at + most)
        after = key + len(_KEY) if key >= 0 else at + most
        value = _VALUE.match(body, after) if key >= 0 and body[key - 1 : key] != b"\\" else None
        begin = after if value is None else value.start(1)
        parts.append(body[at:begin])
        around += len(parts[-1])
        at = begin
        if around > most:
            raise ValueError("too much besides the vectors")
        if value is not None:
            at = body.find(b"]" if value[1] == b"[" else b'"', begin + 1, begin + MAX_BYTES) + 1
            if not at:
                raise ValueError("too long for a vector")
            parts.append(b"%d" % len(vectors))
            vectors.append(_numbers(body[begin:at]))
            await asyncio.sleep(0)
    return b"".join(parts), vectors


def _numbers(raw: bytes) -> Vector:
    written = _decode_vector(raw)
    if isinstance(written, str):
        vector = array("f", base64.b64decode(written, validate=True))
        if sys.byteorder == "big":
            vector.byteswap()
        return vector
    # JSON cannot express NaN: llama.cpp sends null.
    return array("f", [float("nan") if number is None else number for number in written])
