"""``Cluster`` of one of several servers, on any number of machines, connected by NATS."""

import asyncio
import hashlib
import logging
import math
import secrets
import time
from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
from nats.aio.msg import Msg
from nats.js.errors import APIError

from jikko.cluster.nats.leader import LeaderElection
from jikko.cluster.nats.link import NatsLink, end, last_heartbeats
from jikko.cluster.nats.liveness import Liveness
from jikko.cluster.nats.nats_refusals import NATS_ERRORS
from jikko.cluster.nats.nats_wire import (
    Announcement,
    Left,
    MemberHeartbeat,
    Parts,
    announcement,
    answer_of,
    heartbeat,
    to_answer,
    to_parts,
)
from jikko.cluster.nats.queues import OrphanQueue, WaitingQueue, shares
from jikko.cluster.nats.streams import rate_name
from jikko.concurrency.background_tasks import start_task
from jikko.errors import StoreUnavailable
from jikko.ports.cluster import (
    Answer,
    Command,
    Hint,
    Member,
    OrphanedRuns,
    ServerState,
    WaitForEvents,
    differences,
    server_of,
)
from jikko.ports.measures import ClusterMeasures

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS: Final = 10.0
"""Seconds after which a silent member counts as not owning the run."""
_ON_THE_WAY_SECONDS: Final = 1.0
"""Network time added to the time for which an answer may be waited for."""


_FULL: Final = 10077
"""JetStream's error: the subject has reached its limit of messages."""
_MINUTE: Final = 60


async def count(link: NatsLink, key: bytes, per_minute: int) -> int:
    """See ``Cluster.count``. Requests are admitted while NATS does not answer."""
    if not per_minute or not link.is_connected:
        return 0
    digest = hashlib.sha256(key).hexdigest()[:32]
    # Members of earlier versions know the rate of API keys only: all count in the same place.
    is_usual = per_minute == link.per_minute
    subject = link.names.rate(digest, None if is_usual else per_minute)
    try:
        if not is_usual:
            await link.count_at(per_minute)
        await link.keep(subject, b"")
    except APIError as error:
        stream = link.names.stream("RATE" if is_usual else rate_name(per_minute))
        return await _wait(link, stream, subject) if error.err_code == _FULL else 0
    except NATS_ERRORS:
        return 0
    return 0


async def _wait(link: NatsLink, stream: str, subject: str) -> int:
    """Return the seconds until a key's oldest request is a minute old."""
    try:
        oldest = await link.stream.get_msg(stream, seq=1, subject=subject, next=True)
    except NATS_ERRORS:
        return 1
    age = 0.0 if oldest.time is None else time.time() - oldest.time.timestamp()
    # The clock is another machine's.
    return min(_MINUTE, max(1, math.ceil(_MINUTE - age)))


class NatsCluster:
    """The ``Cluster`` of one member.

    ``Liveness`` decides which members are dead; their runs go into the ``OrphanQueue``. While NATS is away, nobody is
    declared dead, members cannot reach each other, and each goes on with its own runs.
    """

    def __init__(
        self,
        name: str,
        link: NatsLink,
        *,
        seconds: float,
        version: str = "",
        patience: float = _TIMEOUT_SECONDS,
        measures: ClusterMeasures | None = None,
    ) -> None:
        """Args:
        name: Name of this process.
        seconds: Timeout of members' heartbeats.
        version: Of Jikko.
        patience: Seconds after which a silent member counts as not owning the run.
        measures: Receives this member's health.
        """
        self.name = name
        self._link = link
        self._seconds = seconds
        self._version = version
        self._patience = patience
        self._liveness = Liveness(name, seconds, time.monotonic())
        if measures is not None:
            measures.servers = lambda: len({server_of(member) for member in self._liveness.members})
            measures.connected = lambda: link.is_connected
            measures.differing = lambda: len(
                {server for member in self.members() if self._differing.get(server := server_of(member))}
            )
            measures.silence = lambda: self._liveness.silence(time.monotonic())
            link.on_back = measures.reconnects.add
        self._waiting: dict[asyncio.Future[None], str] = {}
        """Pending requests, by recipient; completed when the recipient dies."""
        self._member: Member | None = None
        self._orphans: OrphanQueue | None = None
        self._lead: LeaderElection | None = None
        self._waiting_runs: WaitingQueue | None = None
        self._listening: set[asyncio.Task[None]] = set()
        """Tasks that run until the end."""
        self._working: set[asyncio.Task[None]] = set()
        """Tasks that run until the member leaves."""
        self._own_heartbeat_seen = asyncio.Event()
        self.on_members: Callable[[int], None] = lambda count: None
        """Called with the number of members whenever it changes."""
        self._count = 1
        self._state: ServerState | None = None
        self._differing: dict[str, list[str]] = {}
        """Settings in which other servers differ, by server."""
        self._leaving: asyncio.Task[None] | None = None
        self._closed = False
        self._attends = False

    def members(self) -> Collection[str]:
        return self._liveness.members

    def is_late(self, name: str) -> bool:
        return not self._link.is_connected or self._liveness.is_late(name, time.monotonic())

    def diagnose(self) -> str:
        is_cut_off = self._liveness.is_cut_off(time.monotonic())
        return f"NATS was not heard for {self._seconds:g} s" if is_cut_off else ""

    async def join(self, member: Member) -> None:
        self._member = member
        self._orphans = OrphanQueue(
            self._link, member.take_over, lambda name: name in self._liveness.members, self._seconds
        )
        self._lead = LeaderElection(self._link, self.name, member.lead, self._seconds)
        self._waiting_runs = WaitingQueue(self._link, member)
        self._link.on_lost = self._lost
        names, parts = self._link.names, Parts()

        async def on_request(message: Msg) -> None:
            try:
                command = parts.add(message.data)
            except ValueError:
                await message.respond(to_answer(None))
                return
            if command is not None:
                start_task(self._respond(message, command, member), self._listening)

        try:
            await self._link.listen(names.ask(self.name), on_request)
            await self._link.listen(names.tell, self._on_announcement)
            await self._link.listen(names.all_alive, self._on_heartbeat)
            await self._link.flush()
            await self._learn_of_others()
        except NATS_ERRORS as error:
            raise StoreUnavailable(f"NATS was lost while this server joined the others: {error}") from None
        start_task(self._send_heartbeats(), self._listening)
        start_task(self._remove_dead_members(), self._listening)
        await self._own_heartbeat_seen.wait()
        logger.info("this server is %s, one of %d", self.name, len(self.members()))
        start_task(self._orphans.watch(), self._working)
        start_task(self._lead.watch(), self._working)
        start_task(self._waiting_runs.watch(), self._working)
        start_task(member.offer_waiting(self._waiting_runs), self._listening)

    async def attend(self) -> None:
        try:
            await self._link.keep(self._link.names.alive(self.name), self._heartbeat(0))
        except NATS_ERRORS as error:
            raise StoreUnavailable(f"NATS was lost while this process told the servers of itself: {error}") from None
        self._attends = True
        start_task(self._send_heartbeats(), self._listening)

    def leave(self) -> None:
        if self._leaving is None:
            self._leaving = asyncio.get_running_loop().create_task(self._leave())

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._leave()
        await end(self._listening)
        if (self._orphans is not None or self._attends) and self._link.is_connected:
            await self._forget_itself()
            self._link.tell(self._link.names.tell, msgspec.json.encode(Announcement(self.name, Left())))
            if self._orphans is not None:
                await self._orphans.put(shares(self.name, len(self.members()) - 1), once="left", tries=2)
        await self._link.close()

    async def break_off(self) -> None:
        """End without notice, like a killed process; for tests."""
        self._closed = True
        await self._link.break_off()
        await self._leave()
        await end(self._listening)

    async def _leave(self) -> None:
        await end(self._working)
        if self._orphans is not None and self._lead is not None and self._waiting_runs is not None:
            await self._orphans.close()
            await self._waiting_runs.close()
            await self._lead.rest()
            await self._lead.give_up()

    async def request(self, holder: str, command: Command) -> Answer:
        if holder in ("", self.name):
            return None
        seconds = command.seconds + _ON_THE_WAY_SECONDS if isinstance(command, WaitForEvents) else self._patience
        loop = asyncio.get_running_loop()
        is_gone: asyncio.Future[None] = loop.create_future()
        self._waiting[is_gone] = holder
        parts = to_parts(command, self._link.client.max_payload)
        asking: asyncio.Task[Any] = loop.create_task(self._link.ask(self._link.names.ask(holder), parts, seconds))
        try:
            await asyncio.wait((asking, is_gone), return_when=asyncio.FIRST_COMPLETED)
            return answer_of(asking.result()) if asking.done() else None
        finally:
            del self._waiting[is_gone]
            is_gone.cancel()
            await end([asking])

    def offer(self, orphans: OrphanedRuns) -> None:
        if self._orphans is not None and orphans.holder and orphans.holder not in self._liveness.members:
            start_task(self._orphans.put([orphans], once=secrets.token_hex(8)), self._listening)

    async def count(self, key: bytes, per_minute: int) -> int:
        return await count(self._link, key, per_minute)

    def hint(self, hint: Hint) -> None:
        if self._member is None or self._closed:
            return
        # This member needs no NATS for it. Deferred: the caller is in the middle of something.
        asyncio.get_running_loop().call_soon(self._member.on_hint, hint)
        self._link.tell(self._link.names.tell, msgspec.json.encode(Announcement(self.name, hint)))

    # What others say.

    async def _on_heartbeat(self, message: Msg) -> None:
        beat = heartbeat(message.data)
        if beat is None:
            return
        name = message.subject.rpartition(".")[2]
        self._liveness.on_heartbeat(name, beat.count, time.monotonic(), beat.seconds)
        self._report_count()
        if name == self.name:
            self._own_heartbeat_seen.set()
        elif beat.state is not None and self._state is not None:
            self._compare(server_of(name), differences(self._state, beat.state))

    def _compare(self, server: str, names: list[str]) -> None:
        """Note the settings in which another server differs; changes are logged."""
        if self._differing.get(server, []) != names:
            logger.warning(
                "%s",
                f"server {server} has other {', '.join(names)} than this one: `jikko servers list` shows what"
                if names
                else f"server {server} has the same configuration as this one again",
            )
        self._differing[server] = names

    async def _on_announcement(self, message: Msg) -> None:
        received = announcement(message.data)
        if received is None or received.sender == self.name or self._member is None:
            return
        if isinstance(received.content, Left):
            self._differing.pop(server_of(received.sender), None)
            self._liveness.left(received.sender)
            self._report_count()
            self._give_up(received.sender)
        else:
            self._member.on_hint(received.content)

    async def _respond(self, message: Msg, command: Command, member: Member) -> None:
        answer: Answer = None
        try:
            answer = await member.handle_command(command)
        except Exception:
            logger.exception("a request of another server failed")
        body = to_answer(answer)
        if len(body) > self._link.client.max_payload:
            body = to_answer(True)  # the asker reads it from the store
        try:
            await message.respond(body)
        except NATS_ERRORS as error:
            logger.debug("a request could not be answered: %s", error)

    # Who is there.

    async def _learn_of_others(self) -> None:
        for name, beat in (await last_heartbeats(self._link)).items():
            self._liveness.on_heartbeat(name, beat.count, time.monotonic(), beat.seconds)

    async def _send_heartbeats(self) -> None:
        sent, failed = 0, 0
        subject = self._link.names.alive(self.name)
        while True:
            if self._member is not None:
                self._state = self._member.state()
            body = self._heartbeat(sent)
            sent += 1
            try:
                await self._link.keep(subject, body)
                failed = 0
            except NATS_ERRORS as error:
                logger.debug("NATS does not take that this server is there: %s", error)
                failed += 1
                # It may have lost its data.
                self._link.declare_again()
            await asyncio.sleep(self._seconds * (0.1 if failed else 0.3))

    def _heartbeat(self, count: int) -> bytes:
        return msgspec.json.encode(MemberHeartbeat(count, self._seconds, self._version, self._state))

    async def _remove_dead_members(self) -> None:
        was_disconnected = False
        while True:
            await asyncio.sleep(self._seconds / 40)
            if (is_deaf := bool(diagnosis := self.diagnose())) != was_disconnected:
                was_disconnected = is_deaf
                says = f"{diagnosis}: this server is not ready, and others take over its runs" if is_deaf else ""
                logger.warning("%s", says or "NATS is heard again")
            for name, beats in self._liveness.gone(time.monotonic()):
                self._differing.pop(server_of(name), None)
                logger.warning("server %s is dead; others take over its runs", name)
                self._give_up(name)
                assert self._orphans is not None
                offered = self._orphans.put(shares(name, len(self.members())), once=str(beats))
                start_task(offered, self._listening)
            self._report_count()

    def _report_count(self) -> None:
        count = len(self._liveness.members)
        if count != self._count:
            self._count = count
            self.on_members(count)

    def _lost(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _give_up(self, name: str) -> None:
        if self._lead is not None:
            self._lead.may_be_free()
        for future, receiver in self._waiting.items():
            if receiver == name and not future.done():
                future.set_result(None)

    async def _forget_itself(self) -> None:
        try:
            await self._link.forget("ALIVE", self._link.names.alive(self.name))
        except NATS_ERRORS as error:
            logger.debug("NATS was not told that this server ends: %s", error)
