"""What NATS is told of entries in the queues of a cluster, by one member: a queue in this process instead of NATS."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from nats.errors import Error as NatsError

from jikko.cluster.nats.queues import OrphanQueue, WaitingQueue
from jikko.errors import JikkoError, ServerStopping
from jikko.ports.cluster import OrphanedRuns, WaitingRun

pytestmark = pytest.mark.anyio
SECONDS = 1.0
"""Timeout of a member: its entries are looked at five times."""


class Entry:
    """Message of the queue, with the answers that NATS gets."""

    def __init__(self, content: Any, delivered: int = 1) -> None:
        self.data = content if isinstance(content, bytes) else msgspec.json.encode(content)
        self.metadata = SimpleNamespace(num_delivered=delivered)
        self.answers: list[str] = []
        self.answered = asyncio.Event()

    async def ack(self) -> None:
        self._answer("ack")

    async def nak(self, delay: float | None = None) -> None:
        self._answer("nak" if delay is None else f"nak {delay}")

    async def in_progress(self) -> None:
        self.answers.append("at it")

    def _answer(self, text: str) -> None:
        self.answers.append(text)
        self.answered.set()


class Link:
    """Connection whose queues have these entries."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = [*entries]
        self.names = SimpleNamespace(stream=lambda name: name)
        self.stream = self

    async def pull_subscribe_bind(self, **_: str) -> "Link":
        return self

    async def fetch(self, count: int, **_: float) -> list[Entry]:
        if not self.entries:
            await asyncio.sleep(3600)
        return [self.entries.pop(0) for _ in range(count)]

    async def unsubscribe(self) -> None:
        """Nothing more is fetched."""


class Takeover:
    is_whole = True

    def __init__(self, entry: Entry | None = None) -> None:
        self._entry = entry

    async def durable(self) -> None:
        if self._entry is not None:
            self._entry.answers.append("durable")


async def became(entry: Entry, queue: Any) -> list[str]:
    """What NATS was told of an entry when a member had seen it."""
    watching = asyncio.create_task(queue.watch())
    await entry.answered.wait()
    watching.cancel()
    await asyncio.wait([watching])
    await queue.close()
    return entry.answers


def orphans(
    entry: Entry, take: Callable[[OrphanedRuns], Any], *, lives: bool = False, behind: Entry | None = None
) -> OrphanQueue:
    """A member's end of a queue with an entry, and one behind it."""

    async def take_over(given: OrphanedRuns) -> Any:
        return take(given)

    link: Any = Link(*filter(None, (entry, behind)))
    return OrphanQueue(link, take_over, lambda name: lives, SECONDS)


def raising(error: Exception) -> Callable[[OrphanedRuns], Any]:
    def take(given: OrphanedRuns) -> Any:
        raise error

    return take


def in_part(given: OrphanedRuns) -> Any:
    found = Takeover()
    found.is_whole = False
    return found


RUNS = OrphanedRuns(holder="去った", share=1, of=2)


async def test_runs_of_one_that_is_gone_are_taken_over_durably_before_nats_forgets_them() -> None:
    entry = Entry(RUNS)
    taken: list[OrphanedRuns] = []

    def take(given: OrphanedRuns) -> Any:
        taken.append(given)
        return Takeover(entry)

    assert await became(entry, orphans(entry, take)) == ["durable", "ack"]
    assert taken == [RUNS]


@pytest.mark.parametrize(("delivered", "answer"), [(1, "nak 0.5"), (4, "nak 0.5"), (5, "ack")])
async def test_runs_of_one_that_lives_are_looked_at_again_for_its_life_and_then_left_to_it(
    delivered: int, answer: str
) -> None:
    entry = Entry(RUNS, delivered)

    assert await became(entry, orphans(entry, raising(AssertionError()), lives=True)) == [answer]


@pytest.mark.parametrize(
    ("content", "take", "answer"),
    [
        (RUNS, in_part, "nak 0.5"),
        (RUNS, raising(ServerStopping()), "nak"),
        (OrphanedRuns(holder=""), raising(AssertionError()), "ack"),
        (b"{", raising(AssertionError()), "ack"),
    ],
    ids=["some are of a newer version", "this one ends", "of nobody", "not understood"],
)
async def test_an_entry_stays_in_the_queue_unless_it_is_done(content: Any, take: Any, answer: str) -> None:
    entry = Entry(content)

    assert await became(entry, orphans(entry, take)) == [answer]


async def test_without_nats_an_entry_is_neither_done_nor_given_back() -> None:
    entry, behind = Entry(RUNS), Entry(b"{")

    await became(behind, orphans(entry, raising(NatsError("gone")), behind=behind))

    assert (entry.answers, behind.answers) == ([], ["ack"])


async def test_while_runs_cannot_be_read_nats_is_told_that_they_are_being_taken_over() -> None:
    entry, failures = Entry(RUNS), [JikkoError("unreadable")]

    def take(given: OrphanedRuns) -> Any:
        if failures:
            raise failures.pop()
        return Takeover()

    answers = await became(entry, orphans(entry, take))

    assert (set(answers[:-1]), answers[-1]) == ({"at it"}, "ack")


async def test_a_member_that_ends_gives_back_what_it_is_about() -> None:
    entry = Entry(RUNS)
    begun = asyncio.Event()

    class Never(Takeover):
        async def durable(self) -> None:
            begun.set()
            await asyncio.sleep(3600)

    queue = orphans(entry, lambda given: Never())
    watching = asyncio.create_task(queue.watch())
    await begun.wait()
    watching.cancel()
    await asyncio.wait([watching])
    await queue.close()

    assert entry.answers[-1] == "nak"


RUN = WaitingRun(run_id="r", app_id="審査", holder="s/1", epoch=1)


@pytest.mark.parametrize(
    ("content", "outcome", "answer"),
    [
        (RUN, True, "ack"),
        (RUN, False, "nak 0.5"),
        (RUN, JikkoError("unreadable"), "nak 0.5"),
        (RUN, RuntimeError("a defect"), "nak 0.5"),
        (b"{", True, "nak 0.5"),
    ],
)
async def test_a_waiting_run_is_offered_until_a_member_has_taken_it(content: Any, outcome: Any, answer: str) -> None:
    class Member:
        async def room(self) -> None:
            """There is room."""

        async def take_waiting(self, run: WaitingRun) -> bool:
            assert run == RUN
            if isinstance(outcome, Exception):
                raise outcome
            return bool(outcome)

    entry = Entry(content)
    link: Any = Link(entry)
    member: Any = Member()

    assert await became(entry, WaitingQueue(link, member)) == [answer]
