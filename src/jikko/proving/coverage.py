"""Coverage of nodes and branches by test cases, or by replayed runs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from jikko.dsl.document import DslDocument, handles_of
from jikko.dsl.text.positions import Positions
from jikko.events import Event, NodeFinished


class CoveredBranch(NamedTuple):
    node: str
    title: str
    handle: str
    """``""`` for the node itself."""
    line: int
    times: int
    """How often it was taken; for a node, how often it really ran."""
    mocked: int = 0
    """How often the node was mocked."""


class Coverage:
    def __init__(self, workflow: str, text: bytes, document: DslDocument, titles: Mapping[str, str]) -> None:
        """``workflow``: Name of its file. ``titles``: Titles of runnable nodes, by id."""
        self.workflow = workflow
        self._text, self._document, self._titles = text, document, titles
        self._ran: Counter[str] = Counter()
        self._mocked: Counter[str] = Counter()
        self._taken: Counter[tuple[str, str]] = Counter()

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, NodeFinished):
                (self._mocked if event.process_data.get("mocked") else self._ran)[event.node_id] += 1
                self._taken[event.node_id, event.handle] += 1

    def branches(self) -> Iterator[CoveredBranch]:
        """Yield each node, and then its branches if it has several, in file order."""
        positions = Positions(self._text)
        for entry in self._document.nodes:
            if entry.id not in self._titles or entry.type in ("iteration-start", "loop-start"):
                continue
            place = positions.at(entry.where)
            line, title = (place.line if place else 0), (self._titles[entry.id] or entry.id)
            yield CoveredBranch(entry.id, title, "", line, self._ran[entry.id], self._mocked[entry.id])
            for handle in handles_of(entry) or ():
                yield CoveredBranch(entry.id, title, handle, line, self._taken[entry.id, handle])

    def lcov(self) -> str:
        """Return an LCOV record: a line per node, a branch per handle."""
        lines, ways, numbers = [], [], Counter[str]()
        for branch in self.branches():
            if not branch.handle:
                lines.append(f"DA:{branch.line},{branch.times}")
            else:
                ways.append(f"BRDA:{branch.line},0,{numbers[branch.node]},{branch.times or '-'}")
                numbers[branch.node] += 1
        return "\n".join([f"SF:{self.workflow}", *ways, *lines, "end_of_record", ""])
