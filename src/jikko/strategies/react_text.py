"""What a model writes that thinks in text, taken apart piece by piece into text and actions.

Source: docs/dify-behaviour.md, “Agents of apps without a workflow”.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from msgspec import Struct

from jikko.values import Json, is_too_deep

_WORDS: Final = ("thought:", "action:")
"""They vanish where they begin a word, in any case."""
_FENCE: Final = "```"
_BEGUN: Final = "|".join(word[:length] for word in _WORDS for length in range(len(word) - 1, 0, -1))
_SPECIAL: Final = re.compile(rf"[`{{]|(?<=\s)(?i:{'|'.join(_WORDS)}|(?:{_BEGUN})\Z)")
_IN_OBJECT: Final = re.compile(r'["\\{}]')
_LANGUAGE: Final = re.compile(r"[A-Za-z]*\s*")
_MAX_BLOCK: Final = 1_000_000
"""Characters of an action; what is longer is text."""


class ReActAction(Struct, frozen=True):
    """A tool that the model calls, or its final answer."""

    name: str
    input: Json

    @property
    def is_final(self) -> bool:
        """Whether it ends the turn."""
        return self.name.strip().lower() == "final answer"


Piece: TypeAlias = "str | ReActAction"


class ReactReader:
    """Reads one answer."""

    def __init__(self) -> None:
        self._pending = ""
        self._before = "\n"
        """The character ahead of what is pending."""
        self._object = _ObjectEnd()
        self._fence = len(_FENCE)
        """How far the block that is pending has been looked through for its end."""

    def feed(self, text: str) -> Iterator[Piece]:
        """The next piece of the answer. Tells what is certain now; all of it is to be taken before the next one."""
        self._pending += text
        return self._read(is_over=False)

    def finish(self) -> Iterator[Piece]:
        """What is left once the answer has ended."""
        return self._read(is_over=True)

    def _read(self, *, is_over: bool) -> Iterator[Piece]:
        # Cut once: an answer may come in one piece of megabytes.
        pending, at = self._pending, 0
        while at < len(pending):
            step = self._step(pending, at, is_over or len(pending) - at > _MAX_BLOCK)
            if step is None:
                break
            piece, at = step
            self._before = pending[at - 1]
            self._object, self._fence = _ObjectEnd(), len(_FENCE)
            if piece != "":
                yield piece
        self._pending = pending[at:]

    def _step(self, pending: str, at: int, is_over: bool) -> tuple[Piece, int] | None:
        """The piece at a position, and the position behind it; ``None``: more has to come first."""
        if pending.startswith(_FENCE, at):
            end = pending.find(_FENCE, at + self._fence)
            if end < 0:
                self._fence = max(len(_FENCE), len(pending) - at - len(_FENCE) + 1)
                return (pending[at:], len(pending)) if is_over else None
            return _of_block(pending[at : end + len(_FENCE)]), end + len(_FENCE)
        if pending[at] == "`":
            if len(pending) - at < len(_FENCE) and _FENCE.startswith(pending[at:]) and not is_over:
                return None
            return "`", at + 1
        if pending[at] == "{":
            end = self._object.look(pending, at)
            if end < 0:
                return (pending[at:], len(pending)) if is_over else None
            return action_of(pending[at:end]) or pending[at:end], end
        if self._before.isspace() and pending[at] in "tTaA":
            lower = pending[at : at + max(map(len, _WORDS))].lower()
            for word in _WORDS:
                if lower.startswith(word):
                    return "", at + len(word)
                if word.startswith(lower) and not is_over:
                    return None
        special = _SPECIAL.search(pending, at + 1)
        end = special.start() if special else len(pending)
        return pending[at:end], end


class _ObjectEnd:
    """Finds the end of an object that comes in pieces, looking at each character once."""

    def __init__(self) -> None:
        self._at = self._depth = 0
        self._in_text = False

    def look(self, text: str, start: int) -> int:
        """The position behind the object; -1 if it has not ended.

        Args:
            text: All of it so far, behind what was read before it.
            start: Where it begins.
        """
        while (mark := _IN_OBJECT.search(text, start + self._at)) is not None:
            self._at = mark.end() - start
            match mark[0]:
                case "\\" if self._in_text:
                    if start + self._at >= len(text):
                        self._at -= 1
                        return -1
                    self._at += 1
                case '"':
                    self._in_text = not self._in_text
                case "{" if not self._in_text:
                    self._depth += 1
                case "}" if not self._in_text:
                    self._depth -= 1
                    if self._depth == 0:
                        return start + self._at
        return -1


def _of_block(block: str) -> Piece:
    """What a fenced block says: an action, an object as text, or itself."""
    inner = block[len(_FENCE) : -len(_FENCE)]
    inner = inner[match.end() :] if (match := _LANGUAGE.match(inner)) else inner
    if (action := action_of(inner)) is not None:
        return action
    return inner.strip() if _parsed(inner) is not None else block


def action_of(text: str) -> ReActAction | None:
    """The action that a JSON object is: the key with ``input`` in it has the input, the other one the name."""
    value = _parsed(text)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    inputs = [key for key in value if "input" in key.lower()]
    names = [key for key in value if key not in inputs]
    if not inputs or not names or not isinstance(value[names[0]], str) or is_too_deep(value):
        return None
    return ReActAction(value[names[0]], value[inputs[0]])


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
