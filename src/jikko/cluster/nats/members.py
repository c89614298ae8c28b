"""The members of a cluster as NATS keeps them: the last heartbeat of each."""

from contextlib import suppress

from nats.js.errors import NotFoundError

from jikko.cluster.nats.link import NatsLink
from jikko.cluster.nats.nats_wire import MemberHeartbeat, heartbeat


async def last_heartbeats(link: NatsLink) -> dict[str, MemberHeartbeat]:
    """Heartbeats by the names of members; those of members that died stay for a while.
    Raises ``Error``: see ``NATS_ERRORS``."""
    names, found = link.names, dict[str, MemberHeartbeat]()
    info = await link.stream.stream_info(names.stream("ALIVE"), subjects_filter=names.all_alive)
    for subject in info.state.subjects or {}:
        with suppress(NotFoundError):  # it has ended in this moment
            last = await link.stream.get_last_msg(names.stream("ALIVE"), subject)
            if (beat := heartbeat(last.data or b"")) is not None:
                found[subject.rpartition(".")[2]] = beat
    return found
