"""JetStream streams and subjects of one cluster.

subject             stored                               purpose
``jk.C.alive.M``    in memory, the last, for its life    heartbeat of member M
``jk.C.duty.lead``  in memory, the last, for its life    the leader's lease
``jk.C.queue.M``    on disk, until acknowledged          orphaned runs of M, for takeover by some member
``jk.C.wait.A``     in memory, until acknowledged; 16    waiting runs of app A, for any member with a free slot
``jk.C.rate.K``     in memory, for a minute              requests by the API key K
``jk.C.rate10.K``   in memory, for a minute              requests by the key K, of those limited to 10
``jk.C.ask.M``      no                                   requests to M
``jk.C.tell``       no                                   hints to all

C is the cluster's name, which is in the database: clusters of several databases may share one NATS.
"""

from typing import Final

from msgspec import Struct
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from jikko.cluster.membership import MAX_OFFERS_OF_AN_APP

QUEUE_CONSUMER: Final = "orphans"
"""Consumer shared by all members, so that each entry goes to one of them."""
WAITING_CONSUMER: Final = "waiting"
"""The same for waiting runs."""
_REPEATS_SECONDS: Final = 120.0
"""Deduplication window of queue entries."""
_LEFT_SECONDS: Final = 86_400.0
"""Seconds after which orphaned runs are found by their records alone."""


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
        """``per_minute``: Rate limit of the key; ``None``: that of API keys."""
        return f"jk.{self.cluster}.rate{'' if per_minute is None else per_minute}.{key}"

    def stream(self, of: str) -> str:
        return f"JK_{of}_{self.cluster}"


def streams(names: Names, member_seconds: float, per_minute: int) -> list[StreamConfig]:
    """Return the streams of a cluster.

    Args:
        member_seconds: Validity of a heartbeat.
        per_minute: Requests per key; 0: not counted.
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
    """Return the stream that counts requests at one more rate of at least 1 a minute."""
    return _counted(names, rate_name(per_minute), names.rate("*", per_minute), per_minute)


def rate_name(per_minute: int) -> str:
    """Return the name of such a stream; see ``Names.stream``."""
    return f"RATE{per_minute}"


def waiting_consumer(names: Names, member_seconds: float) -> ConsumerConfig:
    """Return the consumer of waiting runs; see ``queue_consumer``."""
    return queue_consumer(names, member_seconds).evolve(
        name=WAITING_CONSUMER, durable_name=WAITING_CONSUMER, filter_subject=names.wait("*")
    )


def queue_consumer(names: Names, member_seconds: float) -> ConsumerConfig:
    """Return the consumer of the queue.

    An entry without a progress signal goes to another member after half of a member's timeout.
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
    # The server itself refuses the request that exceeds the limit within a minute.
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
