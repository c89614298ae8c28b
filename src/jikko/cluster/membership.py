"""Which workers there are, who takes over the runs of those that died, and who is on duty. Decides; does no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from jikko.cluster.messages import Estate, Gone, Inherit, Message, OnDuty

Said: TypeAlias = list[tuple[str, Message]]
"""Messages to be sent, each with the name of the worker it is for."""


@dataclass(slots=True)
class _Worker:
    serves: bool = False
    inheriting: list[Estate] = field(default_factory=list)
    """What it was told to take over and has not yet, durably."""


class Membership:
    """The workers of one server that can be told something, oldest first."""

    def __init__(self, workers: int) -> None:
        """Args:
        workers: How many there are to be.
        """
        self._size = workers
        self._workers: dict[str, _Worker] = {}
        self._on_duty: str | None = None
        self._closed = False
        # Runs of earlier servers: a share for each of the first workers.
        self._unclaimed = [Estate(left_by="", share=share, of=workers) for share in range(workers)]

    def __contains__(self, name: object) -> bool:
        return name in self._workers

    @property
    def serving(self) -> list[str]:
        """Those that accept requests."""
        return [name for name, worker in self._workers.items() if worker.serves]

    def assembled(self, name: str) -> Said:
        """A worker can take over runs. It serves once it has."""
        missing = self._size - len(self._workers)
        mine = -(-len(self._unclaimed) // max(1, missing))
        estates, self._unclaimed = self._unclaimed[:mine], self._unclaimed[mine:]
        self._workers[name] = _Worker(inheriting=estates)
        return [(name, Inherit(estates))]

    def serves(self, name: str) -> Said:
        """A worker accepts requests."""
        self._workers[name].serves = True
        return self._duty()

    def inherited(self, name: str, estates: Sequence[Estate]) -> None:
        """A worker has taken these over, durably."""
        worker = self._workers[name]
        worker.inheriting = [estate for estate in worker.inheriting if estate not in estates]

    def died(self, name: str) -> Said:
        """A worker is no more. What it had, and what it was about to take over, goes to those that serve."""
        worker = self._workers.pop(name, None)
        if worker is None:
            return []
        said: Said = [(other, Gone(name)) for other in self._workers]
        if self._closed:
            return said
        heirs = self.serving
        parts = max(1, len(heirs))
        self._unclaimed += worker.inheriting
        self._unclaimed += [Estate(left_by=name, share=share, of=parts) for share in range(parts)]
        if heirs:
            shares = [self._unclaimed[index :: len(heirs)] for index in range(len(heirs))]
            self._unclaimed = []
            for heir, estates in zip(heirs, shares, strict=True):
                if estates:
                    self._workers[heir].inheriting += estates
                    said.append((heir, Inherit(estates)))
        if self._on_duty == name:
            self._on_duty = None
        return said + self._duty()

    def close(self) -> None:
        """The server is about to end: what workers leave behind is for the next one."""
        self._closed = True

    def _duty(self) -> Said:
        if self._on_duty is not None or not self.serving:
            return []
        self._on_duty = self.serving[0]
        return [(self._on_duty, OnDuty())]
