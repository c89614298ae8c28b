"""Vectors by OpenAI's protocol: the body of ``/embeddings``, and its answer."""

import asyncio
import base64
import binascii
import sys
from array import array
from typing import Any, Final

import msgspec

from jikko.ports.embeddings import Vector
from jikko.ports.models import ModelFailure
from jikko.providers.vectors.backend import EmbeddedBatch

MAX_BYTES: Final = 262_144
"""Of the answer, for each text, and of one vector: twice what 4,096 numbers take."""


class _Entry(msgspec.Struct):
    embedding: msgspec.Raw
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
    """The body of ``/embeddings``. How numbers are written is left to the server: not all know the field for it."""
    body: dict[str, Any] = {"model": model, "input": list(texts)}
    if dimensions:
        body["dimensions"] = dimensions
    return body


async def embedded(body: bytes, expected: int) -> EmbeddedBatch:
    """The vectors of an answer, in the order of the texts. Between two of them others have the event loop.

    Args:
        expected: How many texts there were.

    Raises:
        ModelFailure: It is no answer of the protocol, or a text has no vector or several.
    """
    try:
        answer = _decode(body)
        vectors: dict[int, Vector] = {}
        for position, entry in enumerate(answer.data):
            await asyncio.sleep(0)
            vectors[position if entry.index is None else entry.index] = _numbers(entry.embedding)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError):
        raise ModelFailure(
            f"The provider's answer holds no vectors of OpenAI's protocol: {body[:200].decode(errors='replace')!r}",
            kind="InvokeBadRequestError",
        ) from None
    if len(answer.data) != expected or vectors.keys() != set(range(expected)) or not all(vectors.values()):
        raise ModelFailure(
            f"The provider gave {len(answer.data)} vectors for {expected} texts, or empty ones.",
            kind="InvokeBadRequestError",
        )
    usage = answer.usage or _Usage()
    return EmbeddedBatch(
        tuple(vectors[index] for index in range(expected)),
        usage.total_tokens if usage.prompt_tokens is None else usage.prompt_tokens,
    )


def _numbers(raw: msgspec.Raw) -> Vector:
    if len(memoryview(raw)) > MAX_BYTES:
        raise ValueError("too long for a vector")
    written = _decode_vector(raw)
    if isinstance(written, str):
        vector = array("f", base64.b64decode(written, validate=True))
        if sys.byteorder == "big":
            vector.byteswap()
        return vector
    # JSON has no way to write what is no number: llama.cpp says null.
    return array("f", [float("nan") if number is None else number for number in written])
