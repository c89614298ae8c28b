"""Release of streamed text: which text is shown when, while a run is running. No I/O.

The template of each ``end`` and ``answer`` node (a *response*) is a list of parts: fixed text, or a variable. Each
response has one session, in one of four states:

state        meaning                                               what ends it
unreached    an edge before it is undecided                        its search reaches it: it waits, or opens
waiting      it will be reached, and another session is open       earlier sessions close: it opens
open         the parts before ``_part`` were shown                 its last part was shown, or its node has ended and
                                                                   the part can no longer come: it closes. A node of a
                                                                   parallel branch may be later than the session's own
closed       nothing more of it is shown

A part is complete, and the next one follows, when: it is fixed text (at once); its variable is streamed, and the
streaming node has finished (chunks are shown as they come); its variable can be read (as a whole); or the node that
would set the variable is skipped (nothing is shown).

Invariants: at most one session is open, the first of the queue, so text never mixes. Sessions reached by the same edge
wait in the order of their nodes' ids. A session opens once, and shown text is not shown again, unless its node
restarts. Every reached session closes once its node and those that it shows have ended.

Source: docs/dify-behaviour.md, “Order of streamed text”. Paths from the root are not enumerated (Dify does; their
number doubles with each branch that rejoins): a node is reachable if some path leads to it whose blocking edges were
all taken, which one incremental search answers in time linear in the edges.
"""

import math
from collections.abc import Callable

from msgspec import Struct

from jikko.graph.compiled import CompiledGraph, CompiledNode, ResponseGroup, ResponseTemplate, Subgraph
from jikko.lang.templates import to_markdown
from jikko.values import UNSET, Json, Selector, Unset

Read = Callable[[Selector], Json | Unset]


class ReleasedText(Struct, frozen=True, gc=False):
    text: str
    selector: Selector
    replaced: int = 0
    """Number of characters at the end of the shown text that it replaces."""


class TextRelease:
    """Text sessions of one run."""

    __slots__ = (
        "_buffers",
        "_decided",
        "_ended",
        "_graph",
        "_part",
        "_queue",
        "_read",
        "_searches",
        "_shown",
        "_skipped",
        "_streamed_before",
        "_unread",
        "room",
    )

    def __init__(self, graph: CompiledGraph, skipped: bytearray, read: Read) -> None:
        """``skipped``: The top level's ``Schedule.skipped``. ``read``: Reads a variable's current value."""
        self.enter(graph, skipped)
        self._read = read
        self._queue: list[ResponseTemplate] = []
        self._part = 0
        self._unread = 0
        """Number of shown chunks of the current part."""
        self._buffers: dict[Selector, list[str]] = {}
        self._streamed_before: dict[Selector, str] = {}
        """Shown text of interrupted nodes, by variable, not repeated yet."""
        self._ended: set[str] = set()
        self._shown: dict[int, Json] = {}
        """Shown values, by id."""
        self.room = math.inf
        """Remaining characters of values that may be shown repeatedly. A node that exceeds it fails, and its
        text ends."""

    def enter(self, graph: CompiledGraph, skipped: bytearray) -> None:
        """Take a graph that begins at another node, before anything has run."""
        self._graph = graph
        self._skipped = skipped
        self._searches = [_Search(graph.body, group) for group in graph.responses]
        self._decided: frozenset[int] | None = None
        """``Subgraph.decided``, once it is needed."""

    def close(self) -> None:
        self._queue.clear()
        self._searches.clear()

    def begin(self) -> list[ReleasedText]:
        """Open what needs no decision. Call it once the root's inputs can be read."""
        found: list[ResponseTemplate] = []
        for search in self._searches:
            found += search.start()
        return self._open(found)

    def streamed(self, selector: Selector, text: str) -> list[ReleasedText]:
        buffer = self._buffers.get(selector)
        if buffer and self._queue and not self._streamed_before:
            # A template without parts left does not stay in the queue.
            shown = self._queue[0].parts[self._part]
            if shown == selector and self._unread == len(buffer):
                # The next chunk of what is being shown, with the graph's selector, which all chunks share.
                buffer.append(text)
                self._unread += 1
                return [ReleasedText(text, shown)]
        if selector not in self._graph.sources:
            return []
        self._buffers.setdefault(selector, []).append(text)
        return self._flush() if self._queue else []

    def shows_reasoning(self, node_id: str) -> bool:
        """Return whether a model's reasoning is shown: while a reached session shows its text."""
        wanted = ((node_id, "text"), (node_id, "reasoning_content"))
        return any(part in wanted for response in self._queue for part in response.parts)

    def streamed_before(self, selector: Selector, text: str) -> None:
        """Note a logged chunk of text, which is not shown again. For folding a log."""
        if selector in self._graph.sources and selector[0] not in self._ended:
            self._streamed_before[selector] = self._streamed_before.get(selector, "") + text

    def restarted(self, node_id: str, *, behind: bool = False) -> None:
        """A node restarts: repeated text is not shown again, and new text replaces the former one. ``behind``: New text
        follows the former one instead, as in Dify's retries. [QUIRK]"""
        for selector in [selector for selector in self._buffers if selector[0] == node_id]:
            buffer = self._buffers.pop(selector)
            if self._queue and self._current() == selector:
                if not behind:
                    # Including text of the attempt before that this one has not repeated.
                    self._streamed_before[selector] = "".join(buffer[: self._unread]) + self._streamed_before.get(
                        selector, ""
                    )
                self._unread = 0
        if behind:
            self._streamed_before = {
                selector: text for selector, text in self._streamed_before.items() if selector[0] != node_id
            }

    def finished(self, node: CompiledNode, handle: str | None) -> list[ReleasedText]:
        """A top-level node ended, and its outputs can be read. ``handle``: See ``Schedule.finished``.

        If it is a response node whose text waits for a variable that never came, the rest of its text is dropped.
        """
        if not self._queue and not self._searches:
            return []  # there is no text to come
        self._ended.add(node.id)
        chunks = self._flush() if self._queue else []
        if self._streamed_before:
            self._streamed_before = {
                selector: text for selector, text in self._streamed_before.items() if selector[0] != node.id
            }
        for name, target in self._graph.body.edges[node.position]:
            if handle is None or name == handle:
                chunks += self._edge_taken(node.position, target)
        return chunks

    def _edge_taken(self, source: int, target: int) -> list[ReleasedText]:
        found: list[ResponseTemplate] = []
        for search in self._searches:
            if search.blocking[source]:
                found += search.taken(source, target)
        if not found:
            return []
        self._searches = [search for search in self._searches if search.waiting]
        return self._open(found)

    def _open(self, found: list[ResponseTemplate]) -> list[ReleasedText]:
        if not found:
            return []
        if len(found) > 1:
            found.sort(key=lambda response: response.node_id)
        idle = not self._queue
        self._queue += found
        if not idle:
            return []
        self._part = self._unread = 0
        return self._flush()

    def _current(self) -> str | Selector | None:
        parts = self._queue[0].parts
        return parts[self._part] if self._part < len(parts) else None

    def _flush(self) -> list[ReleasedText]:
        chunks: list[ReleasedText] = []
        while self._queue:
            response = self._queue[0]
            parts = response.parts
            while self._part < len(parts):
                part = parts[self._part]
                if isinstance(part, str):
                    chunks.append(ReleasedText(part, (response.node_id, "answer")))
                elif not self._show(part, chunks):
                    if response.node_id not in self._ended or self._may_come(part):
                        return chunks
                    break
                self._part += 1
                self._unread = 0
            self._queue.pop(0)
            self._part = self._unread = 0
        return chunks

    def _may_come(self, selector: Selector) -> bool:
        """Return whether the node of a variable that cannot be read has yet to end."""
        position = self._graph.top.get(selector[0]) if selector else None
        if position is None or selector[0] in self._ended:
            return False
        if self._decided is None:
            self._decided = frozenset(self._graph.body.decided())
        return position in self._decided

    def _show(self, selector: Selector, chunks: list[ReleasedText]) -> bool:
        """Show what is known of a variable. Returns whether that is all of it."""
        buffer = self._buffers.get(selector)
        if buffer is not None:
            if selector in self._streamed_before:
                for text in buffer[self._unread :]:
                    self._show_after_restart(selector, text, chunks)
            else:
                chunks += [ReleasedText(text, selector) for text in buffer[self._unread :]]
            self._unread = len(buffer)
            if selector[0] not in self._ended:
                return False
            self._replace_shown(selector, "", chunks)
            return True
        value = self._read(selector)
        if value is not UNSET:
            text = to_markdown(value)
            if id(value) in self._shown:
                self.room -= len(text)
            # With the value, so that its id is not reused.
            self._shown[id(value)] = value
            if self.room >= 0:
                if self._streamed_before:
                    self._show_after_restart(selector, text, chunks)
                    self._replace_shown(selector, "", chunks)
                else:
                    chunks.append(ReleasedText(text, selector))
            return True
        position = self._graph.top.get(selector[0]) if selector else None
        return position is not None and bool(self._skipped[position])

    def _show_after_restart(self, selector: Selector, text: str, chunks: list[ReleasedText]) -> None:
        """Show a chunk of a variable, except for text shown before its node restarted."""
        streamed_before = self._streamed_before.get(selector, "")
        if not streamed_before:
            chunks.append(ReleasedText(text, selector))
        elif streamed_before.startswith(text):
            self._streamed_before[selector] = streamed_before[len(text) :]
        elif text.startswith(streamed_before):
            del self._streamed_before[selector]
            chunks.append(ReleasedText(text[len(streamed_before) :], selector))
        else:
            self._replace_shown(selector, text, chunks)

    def _replace_shown(self, selector: Selector, text: str, chunks: list[ReleasedText]) -> None:
        """Show a chunk in place of shown text that is not repeated."""
        streamed_before = self._streamed_before.pop(selector, "")
        if streamed_before:
            chunks.append(ReleasedText(text, selector, len(streamed_before)))


class _Search:
    """Incremental search for response nodes reachable over taken or non-blocking edges."""

    __slots__ = ("_body", "_reached", "blocking", "waiting")

    def __init__(self, body: Subgraph, group: ResponseGroup) -> None:
        self._body = body
        self._reached = bytearray(len(body.nodes))
        self.blocking = group.blocking
        self.waiting = {response.position: response for response in group.responses}
        """By index of its node."""

    def start(self) -> list[ResponseTemplate]:
        return [] if self._body.root is None else self._reach(self._body.root)

    def taken(self, source: int, target: int) -> list[ResponseTemplate]:
        """Return the responses that a blocking edge makes reachable."""
        if not self._reached[source] or self._reached[target]:
            return []
        return self._reach(target)

    def _reach(self, position: int) -> list[ResponseTemplate]:
        found: list[ResponseTemplate] = []
        pending = [position]
        self._reached[position] = 1
        while pending:
            source = pending.pop()
            response = self.waiting.pop(source, None)
            if response is not None:
                found.append(response)
            if self.blocking[source]:
                continue
            for _, target in self._body.edges[source]:
                if not self._reached[target]:
                    self._reached[target] = 1
                    pending.append(target)
        return found
