"""Places that go round between apps."""

import asyncio

import pytest

from jikko.concurrency.fair_semaphore import FairSemaphore
from jikko.concurrency.memory_budget import max_for_one_app

pytestmark = pytest.mark.anyio


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Office:
    """Visitors who each keep a place until they are sent away."""

    def __init__(self, places: FairSemaphore) -> None:
        self.places = places
        self.came: list[str] = []
        """Those who got a place, in order."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leave: dict[str, asyncio.Event] = {}

    async def visit(self, app_id: str, *names: str) -> None:
        """Let some come, in their order, each as far as it gets."""
        for name in names:
            self._leave[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._stay(app_id, name))
        await asyncio.sleep(0)

    async def _stay(self, app_id: str, name: str) -> None:
        async with self.places.place(app_id):
            self.came.append(name)
            await self._leave[name].wait()

    async def send_away(self, *names: str) -> None:
        """Let some leave that have a place, and those come whose turn it is."""
        for name in names:
            self._leave[name].set()
        await asyncio.gather(*(self._tasks[name] for name in names))
        await _settled()

    def cancel(self, *names: str) -> None:
        for name in names:
            self._tasks[name].cancel()

    async def settle(self, *names: str) -> None:
        """Wait until those who were cancelled are gone."""
        await asyncio.gather(*(self._tasks[name] for name in names), return_exceptions=True)
        await _settled()


async def test_a_free_place_is_had_without_giving_up_the_event_loop() -> None:
    places = FairSemaphore(1)
    visit = places.place("a").__aenter__()

    with pytest.raises(StopIteration):
        visit.send(None)

    assert not places.is_free_for("a")


async def test_no_more_have_a_place_than_there_are() -> None:
    office = Office(FairSemaphore(2, app_share=1))
    await office.visit("a", "1", "2", "3")

    assert office.came == ["1", "2"]
    assert office.places.waiting("a") == 1
    await office.send_away("2")
    assert office.came == ["1", "2", "3"]


async def test_many_that_wait_in_one_app_do_not_delay_another() -> None:
    office = Office(FairSemaphore(1))
    await office.visit("busy", *(f"busy {number}" for number in range(1000)))
    await office.visit("other", "other 1", "other 2")

    for name in ("busy 0", "other 1", "busy 1"):
        await office.send_away(name)

    assert office.came == ["busy 0", "other 1", "busy 1", "other 2"]


async def test_who_is_cancelled_leaves_the_queue_at_once() -> None:
    office = Office(FairSemaphore(1))
    await office.visit("a", "1", "2", "3")

    office.cancel("2")
    await office.settle("2")
    assert office.places.waiting("a") == 1
    await office.send_away("1")

    assert office.came == ["1", "3"]


async def test_a_place_that_becomes_free_while_the_next_is_being_cancelled_goes_to_the_one_behind() -> None:
    office = Office(FairSemaphore(1))
    await office.visit("a", "1", "2", "3")

    office.cancel("1", "2")
    await office.settle("1", "2")

    assert office.came == ["1", "3"]


async def test_a_place_that_was_given_to_somebody_who_is_then_cancelled_goes_to_the_one_behind() -> None:
    office = Office(FairSemaphore(1))
    async with office.places.place("a"):
        await office.visit("a", "1", "2")
    # The first has the place, and has not come to know it.
    office.cancel("1")
    await office.settle("1")

    assert office.came == ["2"]


async def test_when_all_that_wait_are_cancelled_the_place_is_free_again() -> None:
    office = Office(FairSemaphore(1))
    await office.visit("a", "1", "2", "3")

    office.cancel("3", "2", "1")
    await office.settle("1", "2", "3")

    assert (office.places.is_free_for("a"), office.places.waiting("a")) == (True, 0)
    await office.visit("b", "4")
    assert office.came == ["1", "4"]


async def test_a_place_is_given_back_whatever_happened_in_it() -> None:
    places = FairSemaphore(1)

    with pytest.raises(KeyError):
        async with places.place("a"):
            raise KeyError

    assert places.is_free_for("a")


async def test_one_app_never_has_all_places_so_that_another_comes_in_at_once() -> None:
    office = Office(FairSemaphore(4))
    await office.visit("busy", *(f"busy {number}" for number in range(100)))
    assert office.came == ["busy 0", "busy 1", "busy 2"]

    await office.visit("other", "other 1")

    assert office.came[3:] == ["other 1"]
    await office.send_away("other 1")
    assert len(office.came) == 4


async def test_a_place_that_becomes_free_goes_to_the_app_with_the_fewest() -> None:
    office = Office(FairSemaphore(8))
    await office.visit("busy", *(f"busy {number}" for number in range(100)))
    await office.visit("some", "some 1", "some 2", "some 3", "some 4")
    assert office.came[6:] == ["some 1", "some 2"]
    await office.visit("none", "none 1", "none 2", "none 3")

    for name in ("busy 0", "busy 1", "busy 2"):
        await office.send_away(name)

    assert office.came[8:] == ["none 1", "none 2", "some 3"]


@pytest.mark.parametrize(
    ("number", "share", "most"),
    [(1, 0.75, 1), (2, 0.75, 1), (4, 0.75, 3), (16, 0.75, 12), (16, 0.99, 15), (16, 0, 1), (16, 1, 16), (1, 0, 1)],
)
def test_the_share_of_an_app_is_never_nothing_and_only_all_if_that_is_said(
    number: int, share: float, most: int
) -> None:
    assert max_for_one_app(number, share) == most
