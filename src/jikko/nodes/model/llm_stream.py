"""Shows a model's answer while it comes, reasoning apart or within the text."""

from jikko.nodes.context import Context
from jikko.nodes.model.reasoning import Piece, ReasoningFilter, split_reasoning
from jikko.ports.models import Chunk, Completion

_OPEN = "<think>\n"
_CLOSE = "\n</think>"


class TextStream:
    """What one llm node says of its output ``text``.

    Some providers tell reasoning apart from the text, others put it between tags into the text. Either way it is
    shown apart if the node is ``separated``, and between tags if not.
    """

    def __init__(self, ctx: Context, *, separated: bool) -> None:
        self._ctx = ctx
        self._separated = separated
        self._filter = ReasoningFilter() if separated else None
        self._open = False
        """Whether a tag of ours is open in the text."""
        self._thought = False
        self._begun = False
        """Whether text was shown that is not blank."""
        self._texts: list[str] = []
        """The text as shown, if reasoning is within it."""

    def emit(self, chunk: Chunk) -> None:
        """Show the next piece."""
        if chunk.reasoning:
            self._think(chunk.reasoning)
        if not chunk.text:
            return
        if self._open:
            self._open = False
            self._say(_CLOSE)
        if self._filter is None:
            self._say(chunk.text)
        else:
            self._show(self._filter.feed(chunk.text))

    def finish(self) -> None:
        """Show what was held back."""
        if self._open:
            self._open = False
            self._say(_CLOSE)
        if self._filter is not None:
            self._show(self._filter.finish())
            if self._thought:
                self._ctx.think("", final=True)

    def answer(self, completion: Completion) -> tuple[str, str]:
        """The outputs ``text`` and ``reasoning_content`` of the whole answer."""
        if not self._separated:
            return "".join(self._texts), ""
        text, reasoning = split_reasoning(completion.text)
        return text, "\n".join(part for part in (completion.reasoning.strip(), reasoning) if part)

    def _think(self, text: str) -> None:
        if self._separated:
            self._thought = True
            self._ctx.think(text)
            return
        if not self._open:
            self._open = True
            text = _OPEN + text
        self._say(text)

    def _say(self, text: str) -> None:
        self._texts.append(text)
        self._ctx.say("text", text)

    def _show(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if piece.is_reasoning:
                self._thought = True
                self._ctx.think(piece.text)
            else:
                # The whole text is trimmed, too: blank lines follow the reasoning.
                text = piece.text if self._begun else piece.text.lstrip()
                self._begun = self._begun or bool(text)
                if text:
                    self._ctx.say("text", text)
