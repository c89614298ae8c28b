"""The other server processes, as one of them reaches them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import count

from jikko.cluster.messages import SUPERVISOR, Ask, Gone, Grown, HandIn, Line, Question, Reply, Stop, Take
from jikko.errors import LogConflict
from jikko.events import FormClosed
from jikko.ports.peers import HolderGone
from jikko.record import RunRecord

log = logging.getLogger(__name__)

Handler = Callable[[Question], Awaitable[int | None]]
"""What answers the questions of others. ``None``: the run is not here."""

_LOOK_EVERY = 0.1
"""Seconds between looks at a run of which nobody tells."""
_MOVING = 10.0
"""Seconds for which a run may be in no process: its own has died, and another is about to take it over."""
_ON_THE_WAY = 1.0
"""Seconds that an answer may take beyond those for which it was to be waited."""
_LOOK_AGAIN = 0.05
"""Seconds between looks at a run that is moving."""


async def while_it_moves(attempt: Callable[[], Awaitable[bool]]) -> bool:
    """Try until the run is found where its record says that it is. ``False`` if it is nowhere for too long."""
    until = asyncio.get_running_loop().time() + _MOVING
    while True:
        try:
            return await attempt()
        except (HolderGone, LogConflict):
            # Also at that very moment: a holder that hangs was asked until then.
            if asyncio.get_running_loop().time() >= until:
                return False
            await asyncio.sleep(_LOOK_AGAIN)


class Alone:
    """``Peers`` of a process that has none."""

    name = ""

    async def stop(self, record: RunRecord, error: str) -> bool:
        return False

    async def answer(self, record: RunRecord, closed: FormClosed) -> bool:
        return False

    async def grown(self, record: RunRecord, count: int, seconds: float) -> None:
        await asyncio.sleep(min(seconds, _LOOK_EVERY))


class PeersOverLine:
    """``Peers`` over a line."""

    def __init__(self, name: str, line: Line, workers: int, *, patience: float = _MOVING) -> None:
        """Args:
        workers: How many processes there are, this one included.
        patience: Seconds after which one that does not answer counts as gone.
        """
        self.name = name
        self.workers = workers
        self._line = line
        self._patience = patience
        self._numbers = count()
        self._asked: dict[int, tuple[str, asyncio.Future[int | None]]] = {}
        """Questions without an answer: to whom they were put."""
        self._answering: set[asyncio.Task[None]] = set()
        self._gone = False
        """Whether the line is gone."""

    async def stop(self, record: RunRecord, error: str) -> bool:
        return await self._have_done(record.holder, Stop(run_id=record.owner.run_id, error=error))

    async def answer(self, record: RunRecord, closed: FormClosed) -> bool:
        return await self._have_done(record.holder, HandIn(run_id=record.owner.run_id, closed=closed))

    async def grown(self, record: RunRecord, count: int, seconds: float) -> None:
        question = Grown(run_id=record.owner.run_id, count=count, seconds=seconds)
        try:
            await self._ask(record.holder, question, seconds + _ON_THE_WAY)
        except HolderGone:
            # It is paused, or about to be taken over: nobody tells when it goes on.
            await asyncio.sleep(min(seconds, _LOOK_EVERY))

    async def take(self, key: bytes) -> int:
        """Count a request by an API key, for all workers together. Returns the seconds to wait if it is refused.

        It is let through if nobody counts: the server is about to end.
        """
        try:
            return await self._ask(SUPERVISOR, Take(key=key))
        except HolderGone:
            return 0

    def heard(self, message: Ask | Reply | Gone, handler: Handler) -> None:
        """Take in what came over the line."""
        match message:
            case Ask():
                task = asyncio.get_running_loop().create_task(self._answer(message, handler))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case Reply():
                _, future = self._asked.get(message.number, ("", None))
                if future is not None and not future.done():
                    future.set_result(message.answer)
            case Gone():
                for to, future in self._asked.values():
                    if to == message.name and not future.done():
                        future.set_result(None)

    def hung_up(self) -> None:
        """The line is gone: nobody answers any more."""
        self._gone = True
        for _, future in self._asked.values():
            if not future.done():
                future.set_result(None)

    async def _answer(self, ask: Ask, handler: Handler) -> None:
        try:
            answer = await handler(ask.question)
            # JSON tells truth values from numbers.
            answer = None if answer is None else int(answer)
        except Exception:
            log.exception("a question of %s could not be answered", ask.sender)
            answer = None
        self._line.send(Reply(to=ask.sender, number=ask.number, answer=answer))

    async def _have_done(self, holder: str, question: Question) -> bool:
        return bool(await self._ask(holder, question))

    async def _ask(self, to: str, question: Question, patience: float | None = None) -> int:
        """Raises:
        HolderGone: There is nobody of that name, or he does not answer, or the run is not there.
        """
        if self._gone or not to or to == self.name:
            raise HolderGone
        number = next(self._numbers)
        future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = to, future
        try:
            self._line.send(Ask(to=to, sender=self.name, number=number, question=question))
            async with asyncio.timeout(self._patience if patience is None else patience):
                answer = await future
        except TimeoutError:
            raise HolderGone from None
        finally:
            del self._asked[number]
        if answer is None:
            raise HolderGone
        return answer
