"""NATS connection of one process, with the JetStream resources of its cluster."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import NoRespondersError
from nats.js.api import AccountInfo, StreamConfig
from nats.js.errors import APIError, NotFoundError

from jikko.cluster.nats.connecting import CONNECT_SECONDS, NatsAccess, connected, try_to
from jikko.cluster.nats.nats_refusals import COPIES, NATS_ERRORS, account_shortage, shown_servers, unmet_requirement
from jikko.cluster.nats.nats_wire import MemberHeartbeat, heartbeat
from jikko.cluster.nats.streams import Names, queue_consumer, rate_stream, streams, waiting_consumer
from jikko.concurrency.background_tasks import start_task
from jikko.diagnostics.diagnostic import Phrase
from jikko.errors import InvalidSettings
from jikko.ports.addresses import nats_servers

logger = logging.getLogger(__name__)

_NOTHING_MORE: Final = NatsAccess()
_ANSWER_SECONDS: Final = 2.0
"""Timeout of JetStream requests; a healthy server answers within milliseconds."""
_FIRST_SECONDS: Final = 10.0
"""Seconds that JetStream may be unavailable at the start."""
_RETRY_INTERVAL_SECONDS: Final = 0.1
_DECLARE_SECONDS: Final = 1.0
"""Interval of attempts to restore lost JetStream resources."""
_LEAST_PAYLOAD: Final = 65_536
"""Minimum ``max_payload`` of the NATS server, in bytes; its default is a megabyte."""
_OLDEST: Final = (2, 10)
"""Oldest supported NATS server."""
_ALONE: Final = 10074
"""JetStream's error: a single server cannot replicate."""
_EXISTS_OTHERWISE: Final = 10058
"""JetStream's error: the stream exists with other settings."""


class NatsLink:
    """A connection that recovers by itself, and redeclares what NATS has lost."""

    def __init__(self, client: Client, names: Names, *, member_seconds: float, per_minute: int) -> None:
        self.client = client
        self.stream = client.jetstream(timeout=_ANSWER_SECONDS)
        self.names = names
        self._member_seconds = member_seconds
        self.per_minute = per_minute
        self._more_rates: set[int] = set()
        """Further rates that are counted."""
        self.on_lost: Callable[[], None] = lambda: None
        """Called when the connection is lost: pending answers will not come."""
        self.on_back: Callable[[], None] = lambda: None
        """Called when it is restored."""
        self._closing = False
        self._sending: set[asyncio.Task[None]] = set()
        self._declaring: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        url: str,
        names: Names,
        *,
        member_seconds: float,
        per_minute: int,
        name: str,
        access: NatsAccess = _NOTHING_MORE,
    ) -> "NatsLink":
        """Connect, and declare the JetStream resources.

        Args:
            url: Server addresses of one NATS cluster, separated by commas.
            member_seconds: See ``streams``.
            per_minute: See ``streams``.
            name: Connection name, for operators of NATS.
            access: Credentials and certificates.

        Raises:
            InvalidSettings: Invalid address, or NATS lacks a required feature.
            StoreUnavailable: NATS cannot be reached.
        """
        client, events = await connected(url, name, access, member_seconds)
        where = shown_servers(nats_servers(url))
        # Once connected, retry for ever.
        client.options["max_reconnect_attempts"] = -1
        link = cls(client, names, member_seconds=member_seconds, per_minute=per_minute)
        events.on_lost = link._lost
        events.on_back = lambda: link.on_back()
        try:
            link._require_new_enough()
            link._require_long_messages()
            await link._declare_first()
        except NATS_ERRORS as error:
            await link.break_off()
            raise InvalidSettings(f"NATS at {where} cannot be used: {unmet_requirement(error, events.last)}.") from None
        except BaseException:
            await link.break_off()
            raise
        return link

    @classmethod
    async def look(cls, url: str, access: NatsAccess = _NOTHING_MORE) -> Phrase:
        """Connect without declaring anything. Returns a description of the server. Raises as ``open``."""
        client, events = await connected(url, "looks", access, 0)
        link = cls(client, Names(""), member_seconds=0, per_minute=0)
        try:
            link._require_new_enough()
            link._require_room(await link.stream.account_info())
            version = client.connected_server_version
            params = {"count": len(client.servers), "version": f"{version.major}.{version.minor}"}
            return Phrase("servers.nats", params)
        except NATS_ERRORS as error:
            where = shown_servers(nats_servers(url))
            raise InvalidSettings(f"NATS at {where} cannot be used: {unmet_requirement(error, events.last)}.") from None
        finally:
            await link.break_off()

    @classmethod
    async def beside(cls, url: str, names: Names, access: NatsAccess = _NOTHING_MORE) -> "NatsLink":
        """Connect to query members, without declaring anything. Raises as ``open``."""
        client, _ = await connected(url, "looks", access, 0)
        return cls(client, names, member_seconds=0, per_minute=0)

    @property
    def is_connected(self) -> bool:
        return self.client.is_connected

    async def declare(self) -> None:
        """Declare the JetStream resources: three replicas on several servers. Raises ``Error``: see ``NATS_ERRORS``."""
        kept = streams(self.names, self._member_seconds, self.per_minute)
        for config in [*kept, *(rate_stream(self.names, rate) for rate in self._more_rates)]:
            await self._declare_copied(config)
        await self.stream.add_consumer(self.names.stream("QUEUE"), queue_consumer(self.names, self._member_seconds))
        await self.stream.add_consumer(self.names.stream("WAIT"), waiting_consumer(self.names, self._member_seconds))

    def declare_again(self) -> None:
        """Redeclare in the background, after JetStream may have lost something."""
        if self.is_connected and not self._closing and (self._declaring is None or self._declaring.done()):
            self._declaring = asyncio.get_running_loop().create_task(self._declare_lost())

    async def _declare_lost(self) -> None:
        try:
            await self.declare()
        except NATS_ERRORS as error:
            logger.warning("NATS cannot store entries, trying again: %s", error)
            await asyncio.sleep(_DECLARE_SECONDS)

    async def count_at(self, per_minute: int) -> None:
        """Have JetStream count requests at one more rate. Free once it does. Raises ``Error``: see ``NATS_ERRORS``."""
        if per_minute not in self._more_rates:
            await self._declare_copied(rate_stream(self.names, per_minute))
            self._more_rates.add(per_minute)

    async def _declare_copied(self, config: StreamConfig) -> None:
        try:
            await self._declare(config.evolve(num_replicas=COPIES))
        except APIError as error:
            if error.err_code != _ALONE:
                raise
            await self._declare(config.evolve(num_replicas=1))

    async def _declare_first(self) -> None:
        """``declare``, with retries: NATS may be starting, reading its store or electing a leader."""
        end = asyncio.get_running_loop().time() + _FIRST_SECONDS
        while True:
            try:
                await self.declare()
                return
            except TimeoutError:
                if asyncio.get_running_loop().time() > end:
                    raise

    async def _declare(self, config: StreamConfig) -> None:
        try:
            await self.stream.add_stream(config)
        except APIError as error:
            if error.err_code != _EXISTS_OTHERWISE:
                raise
            await self.stream.update_stream(config)

    async def keep(self, subject: str, body: bytes, *, headers: dict[str, str] | None = None) -> int:
        """Have JetStream keep a message. Returns its number.
        Raises ``Error``: see ``NATS_ERRORS``; it may have been kept."""
        kept = await self.stream.publish(subject, body, headers=headers, timeout=_ANSWER_SECONDS)
        return kept.seq

    async def forget(self, of: str, subject: str) -> None:
        await self.stream.purge_stream(self.names.stream(of), subject=subject)

    async def listen(self, subject: str, on_message: Callable[[Msg], Awaitable[None]]) -> Subscription:
        """Get the messages of a subject, one after the other, also behind a loss of the connection."""
        return await self.client.subscribe(subject, cb=on_message)

    async def flush(self) -> None:
        """Wait until the server has what was sent: subscriptions, too."""
        await self.client.flush(CONNECT_SECONDS)

    async def ask(self, subject: str, parts: list[bytes], seconds: float) -> bytes | None:
        """Send a request in parts, of which the last is answered. ``None``: nobody is there, or answers in time."""
        if not self.is_connected:
            return None
        try:
            for part in parts[:-1]:
                await self.client.publish(subject, part)
            answer = await self.client.request(subject, parts[-1], timeout=seconds)
        except (NoRespondersError, *NATS_ERRORS):
            return None
        return answer.data

    def tell(self, subject: str, body: bytes) -> None:
        """Send a message. It may be lost."""
        start_task(try_to(self.client.publish(subject, body)), self._sending)

    def _lost(self) -> None:
        if not self._closing:
            logger.warning(
                "NATS cannot be reached; runs continue, and runs of other servers are read from the database"
            )
            self.on_lost()

    async def close(self) -> None:
        """Send what is still to be sent, and go."""
        self._closing = True
        await self._declare_no_more()
        if self._sending:
            await asyncio.wait(self._sending, timeout=_ANSWER_SECONDS)
        if self.is_connected:
            await try_to(self.client.flush(1))
        await try_to(asyncio.wait_for(self.client.close(), _ANSWER_SECONDS))

    async def break_off(self) -> None:
        """Go without a word, as a process does that is killed."""
        self._closing = True
        await self._declare_no_more()
        await try_to(asyncio.wait_for(self.client.close(), _ANSWER_SECONDS))

    def _require_room(self, account: AccountInfo) -> None:
        """Raises ``InvalidSettings``: the account may keep less than a cluster needs."""
        limits = account.limits
        # With tiers, each kind of stream has limits of its own.
        if account.tiers is None and (lacking := account_shortage(limits)):
            raise InvalidSettings(f"{self._where} cannot be used: {lacking}.")
        self._require_long_messages()

    def _require_long_messages(self) -> None:
        if (longest := self.client.max_payload) < _LEAST_PAYLOAD:
            raise InvalidSettings(
                f"{self._where} cannot be used: it takes messages of {longest} bytes; raise max_payload to "
                f"{_LEAST_PAYLOAD} or more."
            )

    @property
    def _where(self) -> str:
        return f"NATS at {shown_servers(str(server.geturl()) for server in self.client.servers)}"

    async def _declare_no_more(self) -> None:
        if self._declaring is not None:
            await end([self._declaring])

    def _require_new_enough(self) -> None:
        version = self.client.connected_server_version
        if (version.major, version.minor) < _OLDEST:
            needed = ".".join(map(str, _OLDEST))
            found = f"{version.major}.{version.minor}"
            raise InvalidSettings(f"The NATS server has version {found}; {needed} or later is needed.")


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks that use the library, which loses a cancellation that comes while it sends."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_RETRY_INTERVAL_SECONDS)


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
