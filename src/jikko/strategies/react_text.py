"""What a model writes that thinks in text, taken apart piece by piece into text and actions.

Source: docs/dify-behaviour.md, “Agents of apps without a workflow”.
"""

import json
import re
from typing import Any, Final, TypeAlias

from msgspec import Struct

from jikko.values import Json, is_too_deep

_WORDS: Final = ("thought:", "action:")
"""They vanish where they begin a word, in any case."""
_FENCE: Final = "```"
_SPECIAL: Final = re.compile(r"[`{]|(?<=\s)[tTaA]")
_IN_OBJECT: Final = re.compile(r'["\\{}]')
_LANGUAGE: Final = re.compile(r"[A-Za-z]*\s*")
_MAX_BLOCK: Final = 1_000_000
"""Characters of an action; what is longer is text."""


class Action(Struct, frozen=True):
    """A tool that the model calls, or its final answer."""

    name: str
    input: Json

    @property
    def is_final(self) -> bool:
        """Whether it ends the turn."""
        return self.name.strip().lower() == "final answer"


Piece: TypeAlias = "str | Action"


class ReactReader:
    """Reads one answer."""

    def __init__(self) -> None:
        self._pending = ""
        self._before = "\n"
        """The character ahead of what is pending."""
        self._object = _ObjectEnd()

    def feed(self, text: str) -> list[Piece]:
        """The next piece of the answer. Returns what is certain now."""
        self._pending += text
        return self._read(is_over=False)

    def finish(self) -> list[Piece]:
        """What is left once the answer has ended."""
        return self._read(is_over=True)

    def _read(self, *, is_over: bool) -> list[Piece]:
        found: list[Piece] = []
        while self._pending:
            if len(self._pending) > _MAX_BLOCK:
                is_over = True
            step = self._step(is_over)
            if step is None:
                break
            piece, length = step
            self._before = self._pending[length - 1]
            self._pending = self._pending[length:]
            self._object = _ObjectEnd()
            if piece != "":
                found.append(piece)
        return found

    def _step(self, is_over: bool) -> tuple[Piece, int] | None:
        """The next piece, and how much it takes; ``None``: more has to come first."""
        pending = self._pending
        if pending.startswith(_FENCE):
            end = pending.find(_FENCE, len(_FENCE))
            if end < 0:
                return (pending, len(pending)) if is_over else None
            block = pending[: end + len(_FENCE)]
            return _of_block(block), len(block)
        if pending[0] == "`":
            if _FENCE.startswith(pending) and not is_over:
                return None
            return "`", 1
        if pending[0] == "{":
            end = self._object.look(pending)
            if end < 0:
                return (pending, len(pending)) if is_over else None
            return action_of(pending[:end]) or pending[:end], end
        if self._before.isspace() and pending[0] in "tTaA":
            lower = pending[: max(map(len, _WORDS))].lower()
            for word in _WORDS:
                if lower.startswith(word):
                    return "", len(word)
                if word.startswith(lower) and not is_over:
                    return None
        special = _SPECIAL.search(pending, 1)
        length = special.start() if special else len(pending)
        return pending[:length], length


class _ObjectEnd:
    """Finds the end of an object that comes in pieces, looking at each character once."""

    def __init__(self) -> None:
        self._at = self._depth = 0
        self._in_text = False

    def look(self, text: str) -> int:
        """The position behind the object; -1 if it has not ended.

        Args:
            text: All of it so far.
        """
        while (mark := _IN_OBJECT.search(text, self._at)) is not None:
            self._at = mark.end()
            match mark[0]:
                case "\\" if self._in_text:
                    if self._at >= len(text):
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
                        return self._at
                case _:
                    pass
        return -1


def _of_block(block: str) -> Piece:
    """What a fenced block says: an action, an object as text, or itself."""
    inner = block[len(_FENCE) : -len(_FENCE)]
    inner = inner[match.end() :] if (match := _LANGUAGE.match(inner)) else inner
    if (action := action_of(inner)) is not None:
        return action
    return inner.strip() if _parsed(inner) is not None else block


def action_of(text: str) -> Action | None:
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
    return Action(value[names[0]], value[inputs[0]])


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
