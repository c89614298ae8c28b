"""Message hub of the supervisor: routes messages and waiting runs, and sends what membership decides."""

import asyncio
from itertools import count as numbers
from typing import Final

from jikko.cluster.cluster_messages import (
    SUPERVISOR,
    Assembled,
    Broadcast,
    Channel,
    CountRequest,
    HasRoom,
    Message,
    Offer,
    OfferWaiting,
    ReadAgain,
    Serving,
    TookOver,
    TookWaiting,
    WithdrawWaiting,
    WorkerCall,
    WorkerReply,
)
from jikko.cluster.membership import Membership, OfferedRuns, Outbox
from jikko.concurrency.rate_limit import RequestRates

_TIMEOUT_SECONDS: Final = 30.0
"""Seconds after which a silent worker counts as refusing."""


class Hub:
    """Knows workers by name and channel, not their processes."""

    def __init__(self, workers: int, per_minute: int) -> None:
        """Args:
        workers: Intended number of workers.
        per_minute: Rate limit of API keys, 0 for none, for workers that do not send one.
        """
        self._membership = Membership(workers)
        self._offered_runs = OfferedRuns()
        self._per_minute = per_minute
        self._rates = RequestRates()
        self._channels: dict[str, Channel] = {}
        self._numbers = numbers()
        self._asked: dict[int, tuple[str, asyncio.Future[str]]] = {}
        """Pending requests to workers: the worker, and its refusal."""

    @property
    def serving(self) -> list[str]:
        """Names of the workers that accept requests."""
        return self._membership.serving

    def connect(self, name: str, channel: Channel) -> None:
        """Register a started worker. It gets messages once it has sent ``Assembled``."""
        self._channels[name] = channel

    def disconnect(self, name: str) -> None:
        del self._channels[name]
        for asked, future in self._asked.values():
            if asked == name and not future.done():
                future.set_result("")  # its replacement reads the files at its start
        self._send(self._membership.died(name))
        self._send(self._offered_runs.died(name))

    def on_message(self, sender: str, message: Message) -> None:
        match message:
            case Assembled():
                self._send(self._membership.assembled(sender))
            case Serving():
                self._send(self._membership.serves(sender))
            case TookOver(orphans=orphans):
                self._membership.took_over(sender, orphans)
            case Offer(orphans=orphans):
                self._send(self._membership.offered(orphans))
            case WorkerCall(to=to, number=number, command=CountRequest(key=key, per_minute=rate)) if to == SUPERVISOR:
                wait = self._rates.count(key, self._per_minute if rate is None else rate)
                self._send([(sender, WorkerReply(to=sender, number=number, answer=wait))])
            case WorkerCall(to=to, number=number, command=OfferWaiting(run=run)) if to == SUPERVISOR:
                is_offered, outbox = self._offered_runs.offered(run)
                self._send([(sender, WorkerReply(to=sender, number=number, answer=int(is_offered))), *outbox])
            case WithdrawWaiting(run_id=run_id):
                self._offered_runs.withdrawn(run_id)
            case HasRoom(is_there=is_there):
                self._send(self._offered_runs.has_room(sender, is_there=is_there))
            case TookWaiting(run_id=run_id, is_done=is_done):
                self._send(self._offered_runs.answered(sender, run_id, is_done=is_done))
            case WorkerCall(to=to, number=number):
                no_holder = WorkerReply(to=sender, number=number, answer=None)
                self._send([(to, message)] if to in self._membership else [(sender, no_holder)])
            case WorkerReply(to=to, number=number, refused=refused) if to == SUPERVISOR:
                _, future = self._asked.get(number, ("", None))
                if future is not None and not future.done():
                    future.set_result(refused)
            case WorkerReply(to=to):
                self._send([(to, message)])
            case Broadcast():
                self._send([(name, message) for name in self._membership.names])

    async def read_again(self) -> str:
        """Have all workers reload the operator's files. Returns their refusals; empty if there are none."""
        loop = asyncio.get_running_loop()
        asked = {next(self._numbers): (name, loop.create_future()) for name in self.serving}
        self._asked |= asked
        for number, (name, _) in asked.items():
            self._send([(name, WorkerCall(to=name, sender=SUPERVISOR, number=number, command=ReadAgain()))])
        try:
            if asked:
                await asyncio.wait([future for _, future in asked.values()], timeout=_TIMEOUT_SECONDS)
            late = any(not future.done() for _, future in asked.values())
            answers = {future.result() for _, future in asked.values() if future.done()}
            return "\n".join(sorted(answers - {""}) + ["A worker does not answer."] * late)
        finally:
            for number in asked:
                del self._asked[number]

    def close(self) -> None:
        """Stop taking over runs: the server is about to end, and the next one will."""
        self._membership.close()

    def _send(self, outbox: Outbox) -> None:
        for name, message in outbox:
            if (channel := self._channels.get(name)) is not None:
                channel.send(message)
