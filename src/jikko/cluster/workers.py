"""``Cluster`` of one of several workers on one machine, connected by a channel to the supervisor."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from itertools import count
from typing import Any, Final

from jikko.cluster.cluster_messages import (
    SUPERVISOR,
    Broadcast,
    Channel,
    CountRequest,
    HasRoom,
    Heartbeat,
    Lead,
    Measure,
    Measured,
    Members,
    Message,
    Offer,
    OfferWaiting,
    ReadAgain,
    TakeOver,
    TakeWaiting,
    TookOver,
    TookWaiting,
    WithdrawWaiting,
    WorkerCall,
    WorkerReply,
)
from jikko.concurrency.background_tasks import end_tasks, start_task
from jikko.errors import InvalidSettings, JikkoError
from jikko.ports.cluster import Answer, Command, EventsAppended, Hint, Member, OrphanedRuns, WaitForEvents, WaitingRun

logger = logging.getLogger(__name__)

_RETURN_SECONDS: Final = 0.5
"""Delay before returning a run that this worker may not start (its app is at its share): no ping-pong."""


class RunOffers:
    """Waiting runs that one worker offers and accepts."""

    def __init__(self, channel: Channel, ask: Callable[[OfferWaiting], Awaitable[object]], member: Member) -> None:
        """``ask``: Asks the supervisor, which answers 1 if the run is offered."""
        self._channel = channel
        self._ask = ask
        self._member = member
        self._handed = asyncio.Event()
        """Set whenever a run was handed to this worker."""
        self._taking: set[asyncio.Task[None]] = set()
        self._has_left = False

    async def offer(self, run: WaitingRun) -> bool:
        return await self._ask(OfferWaiting(run=run)) == 1

    async def withdraw(self, run_id: str) -> None:
        self._channel.send(WithdrawWaiting(run_id))

    async def watch(self) -> None:
        """Announce free slots until cancelled."""
        while True:
            await self._member.room()
            self._handed.clear()
            self._channel.send(HasRoom())
            await self._handed.wait()
            # A run just handed over counts as pending from now on.
            await asyncio.sleep(0)

    def handed(self, run: WaitingRun) -> None:
        self._handed.set()
        if self._has_left:
            self._channel.send(TookWaiting(run_id=run.run_id, is_done=False))
            return
        start_task(self._take(run), self._taking)

    def leave(self) -> None:
        """Accept no more, and return pending runs."""
        if not self._has_left:
            self._has_left = True
            self._channel.send(HasRoom(is_there=False))
        for task in self._taking:
            task.cancel()

    async def close(self) -> None:
        """Wait until all are returned. Call it after ``leave``."""
        await asyncio.gather(*self._taking, return_exceptions=True)

    async def _take(self, run: WaitingRun) -> None:
        is_done = False
        try:
            is_done = await self._member.take_waiting(run)
            if not is_done and await self._has_room():
                await asyncio.sleep(_RETURN_SECONDS)
        except JikkoError as error:
            logger.debug("a run that waits elsewhere cannot be taken: %s", error)
        except Exception:
            logger.exception("a run that waits elsewhere cannot be taken")
        finally:
            self._channel.send(TookWaiting(run_id=run.run_id, is_done=is_done))

    async def _has_room(self) -> bool:
        try:
            async with asyncio.timeout(0):
                await self._member.room()
        except TimeoutError:
            return False
        return True


HEARTBEAT_SECONDS = 1.0
_TIMEOUT_SECONDS = 10.0
"""Seconds after which a silent process counts as gone."""
_ON_THE_WAY_SECONDS = 1.0
"""Transfer time added to the time for which an answer may be waited for."""
_RETRY_SECONDS = 0.5
"""Delay before runs that could not be read are looked at again."""


class WorkerCluster:
    """The ``Cluster`` of one of several workers.

    Without the supervisor no member can be reached: ``is_over`` is set, and the worker has to end.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        messages: AsyncIterator[Message],
        *,
        hands_on: bool = True,
        patience: float = _TIMEOUT_SECONDS,
    ) -> None:
        """Args:
        messages: Messages of the channel after ``Begin``.
        hands_on: Whether the supervisor hands waiting runs to workers with free slots.
        patience: Seconds after which a silent process counts as gone.
        """
        self.name = name
        self.is_over = asyncio.Event()
        """Set once the supervisor is gone."""
        self.count_up: Callable[[], list[tuple[str, tuple[str, ...], list[float]]]] = list
        """Returns this process's metrics; see ``Measured``."""
        self._channel = channel
        self._messages = messages
        self._hands_on = hands_on
        self._patience = patience
        self._members: Collection[str] = (name,)
        self._numbers = count()
        self._requests: dict[int, tuple[str, asyncio.Future[int | EventsAppended | None]]] = {}
        """Pending requests, with their recipients."""
        self._listening: set[asyncio.Task[None]] = set()
        """Tasks that run until the end."""
        self._working: set[asyncio.Task[None]] = set()
        """Tasks that run until the member leaves."""
        self._has_begun = asyncio.Event()
        """Set once the first takeover has begun, or there is nothing to take over."""
        self._offers: RunOffers | None = None

    def members(self) -> Collection[str]:
        return self._members

    def is_late(self, name: str) -> bool:
        return name not in self._members

    def diagnose(self) -> str:
        return ""

    async def join(self, member: Member) -> None:
        if self._hands_on:
            self._offers = RunOffers(
                self._channel, lambda offer: self._request(SUPERVISOR, offer, self._patience), member
            )
        start_task(self._listen(member), self._listening)
        start_task(self._beat(), self._listening)
        await self._has_begun.wait()
        if self._offers is not None:
            start_task(self._offers.watch(), self._working)
            start_task(member.offer_waiting(self._offers), self._listening)

    async def attend(self) -> None:
        """Do nothing: a worker always attends."""

    def leave(self) -> None:
        if self._offers is not None:
            self._offers.leave()
        for task in self._working:
            task.cancel()

    async def close(self) -> None:
        self.leave()
        if self._offers is not None:
            await self._offers.close()
        await end_tasks([*self._working, *self._listening])

    async def request(self, holder: str, command: Command) -> Answer:
        seconds = command.seconds + _ON_THE_WAY_SECONDS if isinstance(command, WaitForEvents) else self._patience
        answer = None if holder == self.name else await self._request(holder, command, seconds)
        return answer if answer is None or isinstance(answer, EventsAppended) else bool(answer)

    def offer(self, orphans: OrphanedRuns) -> None:
        self._channel.send(Offer(orphans))

    async def count(self, key: bytes, per_minute: int) -> int:
        seconds = await self._request(SUPERVISOR, CountRequest(key=key, per_minute=per_minute), self._patience)
        return seconds if isinstance(seconds, int) else 0

    def hint(self, hint: Hint) -> None:
        self._channel.send(Broadcast(hint))

    async def _listen(self, member: Member) -> None:
        try:
            async for message in self._messages:
                self._on_message(message, member)
        finally:
            self._disconnected()

    def _on_message(self, message: Message, member: Member) -> None:
        match message:
            case WorkerCall():
                start_task(self._respond(message, member), self._listening)
            case WorkerReply():
                _, future = self._requests.get(message.number, ("", None))
                if future is not None and not future.done():
                    future.set_result(message.grown or message.answer)
            case Broadcast(hint=hint):
                member.on_hint(hint)
            case Members(names=names):
                self._members = frozenset(names)
                self._give_up(lambda name: name != SUPERVISOR and name not in self._members)
            case TakeOver(orphans=orphans):
                start_task(self._take_over(orphans, member), self._working)
            case TakeWaiting(run=run) if self._offers is not None:
                self._offers.handed(run)
            case Measure():
                self._channel.send(Measured(self.count_up()))
            case Lead():
                start_task(member.lead(), self._working)

    def _disconnected(self) -> None:
        self.is_over.set()
        self._has_begun.set()
        self._give_up(lambda name: True)

    def _give_up(self, is_gone: Any) -> None:
        for name, future in self._requests.values():
            if is_gone(name) and not future.done():
                future.set_result(None)

    async def _request(
        self, to: str, command: Command | CountRequest | OfferWaiting, seconds: float
    ) -> int | EventsAppended | None:
        if self.is_over.is_set():
            return None
        number = next(self._numbers)
        future: asyncio.Future[int | EventsAppended | None] = asyncio.get_running_loop().create_future()
        self._requests[number] = to, future
        try:
            self._channel.send(WorkerCall(to=to, sender=self.name, number=number, command=command))
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return None
        finally:
            del self._requests[number]

    async def _respond(self, request: WorkerCall, member: Member) -> None:
        answer: int | None = None
        grown: EventsAppended | None = None
        refused = ""
        try:
            if isinstance(request.command, ReadAgain):
                await member.read_again()
                answer = 1
            elif not isinstance(request.command, (CountRequest, OfferWaiting)):
                answered = await member.handle_command(request.command)
                # JSON distinguishes booleans from numbers.
                grown = answered if isinstance(answered, EventsAppended) else None
                answer = None if answered is None else int(answered is not False)
        except InvalidSettings as error:
            refused = str(error)
        except Exception:
            logger.exception("a request of %s failed", request.sender)
        self._channel.send(
            WorkerReply(to=request.sender, number=request.number, answer=answer, grown=grown, refused=refused)
        )

    async def _take_over(self, orphans: list[OrphanedRuns], member: Member) -> None:
        for entry in orphans:
            while True:
                try:
                    taken = await member.take_over(entry)
                    break
                except JikkoError as error:
                    logger.error("runs of another process cannot be read, trying again: %s", error)
                    await asyncio.sleep(_RETRY_SECONDS)
            start_task(self._report_when_durable(entry, taken), self._working)
        self._has_begun.set()

    async def _report_when_durable(self, orphans: OrphanedRuns, taken: Any) -> None:
        # Not before: if this process died, no member would look for runs that still name their dead owner.
        await taken.durable()
        self._channel.send(TookOver([orphans]))

    async def _beat(self) -> None:
        while True:
            self._channel.send(Heartbeat())
            await asyncio.sleep(HEARTBEAT_SECONDS)
