"""Looking at texts by OpenAI's protocol: the body of ``/moderations``, and its answer."""

from typing import Any, Final

import msgspec

from jikko.ports.models import ModelFailure

MAX_ANSWER_BYTES: Final = 1_048_576
"""Bytes of an answer: a piece of text has some two thousand."""
_MAX_PIECE: Final = 8_000
"""Characters that are looked at as one."""
_OVERLAP: Final = 200
"""Characters that a piece has in common with the one before, so that no cut hides what it goes through."""


class _Result(msgspec.Struct):
    flagged: bool


class _Answer(msgspec.Struct):
    results: list[_Result]


_decode = msgspec.json.Decoder(_Answer).decode


def moderation_body(model: str, text: str) -> dict[str, Any]:
    """The body of ``/moderations``."""
    step = _MAX_PIECE - _OVERLAP
    # Half of a surrogate pair cannot be sent.
    text = text.encode("utf-8", "replace").decode()
    return {
        "model": model,
        "input": [text[at : at + _MAX_PIECE] for at in range(0, max(1, len(text) - _OVERLAP), step)],
    }


def is_flagged(body: bytes) -> bool:
    """Whether an answer flags any of the pieces. Raises ``ModelFailure``: it is no answer of the protocol."""
    try:
        results = _decode(body).results
    except (msgspec.DecodeError, UnicodeDecodeError):
        results = []
    if not results:
        raise ModelFailure(
            f"The provider's answer does not say what it found: {body[:200].decode(errors='replace')!r}",
            kind="InvokeBadRequestError",
        )
    return any(result.flagged for result in results)
