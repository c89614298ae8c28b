"""The supervisor's end of the channels of its workers: hands on messages, and sends what membership decides."""

from collections.abc import Callable

from jikko.cluster.channel import Channel
from jikko.cluster.membership import Membership, Outbox
from jikko.cluster.messages import (
    SUPERVISOR,
    Assembled,
    Broadcast,
    CountRequest,
    Message,
    Offer,
    Request,
    Response,
    Serving,
    TookOver,
)


class Hub:
    """Knows workers by name and channel, and nothing of their processes."""

    def __init__(self, workers: int, count: Callable[[bytes], int]) -> None:
        """Args:
        workers: How many there are to be.
        count: See ``RequestRate.count``.
        """
        self._membership = Membership(workers)
        self._count = count
        self._channels: dict[str, Channel] = {}

    @property
    def serving(self) -> list[str]:
        """The workers that accept requests."""
        return self._membership.serving

    def connect(self, name: str, channel: Channel) -> None:
        """A worker was started. It gets no message before it has sent ``Assembled``."""
        self._channels[name] = channel

    def disconnect(self, name: str) -> None:
        """A worker has died."""
        del self._channels[name]
        self._send(self._membership.died(name))

    def on_message(self, sender: str, message: Message) -> None:
        """Do what a message of a worker asks for."""
        match message:
            case Assembled():
                self._send(self._membership.assembled(sender))
            case Serving():
                self._send(self._membership.serves(sender))
            case TookOver(orphans=orphans):
                self._membership.took_over(sender, orphans)
            case Offer(orphans=orphans):
                self._send(self._membership.offered(orphans))
            case Request(to=to, number=number, command=CountRequest(key=key)) if to == SUPERVISOR:
                self._send([(sender, Response(to=sender, number=number, answer=self._count(key)))])
            case Request(to=to, number=number):
                no_holder = Response(to=sender, number=number, answer=None)
                self._send([(to, message)] if to in self._membership else [(sender, no_holder)])
            case Response(to=to):
                self._send([(to, message)])
            case Broadcast():
                self._send([(name, message) for name in self._membership.names])
            case _:
                pass

    def close(self) -> None:
        """The server is about to end: what workers leave behind is for the next one."""
        self._membership.close()

    def _send(self, outbox: Outbox) -> None:
        for name, message in outbox:
            if (channel := self._channels.get(name)) is not None:
                channel.send(message)
