"""Streams and buckets that NATS keeps for one cluster, and their names.

==================  ===================================  =============================================================
subject             kept                                 what for
==================  ===================================  =============================================================
``jk.C.alive.M``    in memory, the last, for its life    member M is there
``jk.C.duty.lead``  in memory, the last, for its life    who leads
``jk.C.queue.M``    on disk, until it is acknowledged    runs that M left behind, to be taken over by some member
``jk.C.wait.A``     in memory, until acknowledged; 16    runs of app A that wait at a member, for any that has room
``jk.C.rate.K``     in memory, for a minute              requests by the API key K
``jk.C.rate10.K``   in memory, for a minute              requests by the key K of those that may make 10
``jk.C.ask.M``      no                                   requests to M
``jk.C.tell``       no                                   hints to all
==================  ===================================  =============================================================

C is the cluster's name, which the database has: clusters of several databases may share one NATS.
"""

from typing import Final

from msgspec import Struct
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from jikko.cluster.membership import MAX_OFFERS_OF_AN_APP

QUEUE_CONSUMER: Final = "orphans"
"""What all members pull from, so that each entry is with one of them."""
WAITING_CONSUMER: Final = "waiting"
"""The same for runs that wait."""
_REPEATS_SECONDS: Final = 120.0
"""For which an entry of the queue that comes again is known."""
_LEFT_SECONDS: Final = 86_400.0
"""After which what was left behind is found by its records alone."""


class Names(Struct, frozen=True):
    """Subjects and streams of one cluster."""

    cluster: str

    @property
    def all_alive(self) -> str:
        return self.alive("*")

    @property
    def lead(self) -> str:
        return f"jk.{self.cluster}.duty.lead"

    @property
    def tell(self) -> str:
        return f"jk.{self.cluster}.tell"

    def alive(self, member: str) -> str:
        return f"jk.{self.cluster}.alive.{member}"

    def ask(self, member: str) -> str:
        return f"jk.{self.cluster}.ask.{member}"

    def queue(self, member: str) -> str:
        return f"jk.{self.cluster}.queue.{member}"

    def wait(self, app: str) -> str:
        return f"jk.{self.cluster}.wait.{app}"

    def rate(self, key: str, per_minute: int | None = None) -> str:
        """``per_minute``: how many requests the key may make; ``None``: as many as an API key."""
        return f"jk.{self.cluster}.rate{'' if per_minute is None else per_minute}.{key}"

    def stream(self, of: str) -> str:
        return f"JK_{of}_{self.cluster}"


def streams(names: Names, member_seconds: float, per_minute: int) -> list[StreamConfig]:
    """What is kept.

    Args:
        member_seconds: For which a member's word that it is there holds.
        per_minute: Requests that a key may make; 0: they are not counted.
    """
    kept = [
        _in_memory(names, "ALIVE", names.all_alive, member_seconds),
        _in_memory(names, "DUTY", names.lead, member_seconds),
        StreamConfig(
            name=names.stream("QUEUE"),
            subjects=[names.queue("*")],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            max_age=_LEFT_SECONDS,
            duplicate_window=_REPEATS_SECONDS,
        ),
    ]
    kept.append(
        StreamConfig(
            name=names.stream("WAIT"),
            subjects=[names.wait("*")],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.MEMORY,
            max_msgs_per_subject=MAX_OFFERS_OF_AN_APP,
            discard=DiscardPolicy.NEW,
            discard_new_per_subject=True,
            duplicate_window=member_seconds,
        )
    )
    if per_minute:
        kept.append(_counted(names, "RATE", names.rate("*"), per_minute))
    return kept


def rate_stream(names: Names, per_minute: int) -> StreamConfig:
    """Where requests of one more rate are counted: 1 or more a minute."""
    return _counted(names, rate_name(per_minute), names.rate("*", per_minute), per_minute)


def rate_name(per_minute: int) -> str:
    """What the stream of such a rate is called; see ``Names.stream``."""
    return f"RATE{per_minute}"


def waiting_consumer(names: Names, member_seconds: float) -> ConsumerConfig:
    """How members pull what waits elsewhere; see ``queue_consumer``."""
    return queue_consumer(names, member_seconds).evolve(
        name=WAITING_CONSUMER, durable_name=WAITING_CONSUMER, filter_subject=names.wait("*")
    )


def queue_consumer(names: Names, member_seconds: float) -> ConsumerConfig:
    """How members pull from the queue.

    An entry whose member does not say that it is still at it goes to another after half of a member's life.
    """
    return ConsumerConfig(
        name=QUEUE_CONSUMER,
        durable_name=QUEUE_CONSUMER,
        filter_subject=names.queue("*"),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=member_seconds / 2,
        max_ack_pending=1000,
    )


def _counted(names: Names, of: str, subject: str, per_minute: int) -> StreamConfig:
    # The server itself refuses the request that would be one too many within a minute.
    return _in_memory(names, of, subject, 60.0).evolve(
        max_msgs_per_subject=per_minute, discard=DiscardPolicy.NEW, discard_new_per_subject=True
    )


def _in_memory(names: Names, of: str, subject: str, seconds: float) -> StreamConfig:
    return StreamConfig(
        name=names.stream(of),
        subjects=[subject],
        storage=StorageType.MEMORY,
        max_msgs_per_subject=1,
        max_age=seconds,
        duplicate_window=min(seconds, _REPEATS_SECONDS),
    )
