"""Room in bytes that goes round between apps. In virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from jikko.concurrency.memory_budget import MAX_WAITING, WAIT_SECONDS, MemoryBudget, Reservation
from tests.virtual_time import run


class House:
    """Guests who each have as much room as their name says, until they are sent away."""

    def __init__(self, room: MemoryBudget) -> None:
        self.room = room
        self.reservations: dict[str, Reservation] = {}
        self.came: list[str] = []
        self.sent_off: list[str] = []
        """Those who waited in vain."""
        self.cut_off: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def visit(self, app_id: str, *names: str) -> None:
        """Let some come, in their order, each as far as it gets. A name is ``size`` or ``size:more``."""
        for name in names:
            self.tasks[name] = asyncio.create_task(self._enter(app_id, name))
        await asyncio.sleep(0)

    async def _enter(self, app_id: str, name: str) -> None:
        reservation = await self.room.enter(app_id, int(name.partition(":")[0]))
        if reservation is None:
            self.sent_off.append(name)
            return
        self.came.append(name)
        self.reservations[name] = reservation
        reservation.cut_off = lambda: self._cut(name)

    def _cut(self, name: str) -> None:
        self.cut_off.append(name)
        self.reservations.pop(name).leave()

    async def leave(self, *names: str) -> None:
        for name in names:
            self.reservations.pop(name).leave()
        await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def tried(
    work: Callable[[House], Awaitable[None]], size: int = 100, app_share: float = 1.0, seconds: float = 0.0
) -> None:
    """All that is done in a room, at whose end nobody has any of it."""

    async def all_of_it() -> None:
        house = House(MemoryBudget(size, app_share, seconds))
        await work(house)
        while house.room.taken:
            assert house.reservations
            await house.leave(*house.reservations)

    run(all_of_it())


def test_room_is_had_at_once_as_long_as_there_is_some() -> None:
    async def work(house: House) -> None:
        await house.visit("a", "60", "40", "1")
        assert house.came == ["60", "40"]
        assert house.room.taken == 100
        await house.leave("40")
        assert house.came == ["60", "40", "1"]

    tried(work)


def test_who_is_large_is_not_passed_by_those_who_would_fit() -> None:
    async def work(house: House) -> None:
        await house.visit("a", "60", "90", "10", "10:b")
        # Of another app, which has less.
        await house.visit("b", "30")
        assert house.came == ["60", "30"]
        await house.leave("60")
        assert house.came == ["60", "30"]
        await house.leave("30")
        assert house.came == ["60", "30", "90", "10"]

    tried(work)


def test_many_that_wait_in_one_app_do_not_delay_another() -> None:
    async def work(house: House) -> None:
        await house.visit("busy", "100", *(f"50:{number}" for number in range(20)))
        await house.visit("other", "50", "50:x")
        await house.leave("100")
        assert house.came == ["100", "50", "50:0"]

    tried(work)


def test_an_app_has_no_more_than_its_share_unless_it_has_nothing_else() -> None:
    async def work(house: House) -> None:
        await house.visit("a", "50", "30", "20")
        assert house.came == ["50"]
        await house.visit("b", "40")
        assert house.came == ["50", "40"]
        await house.leave("50")
        assert house.came == ["50", "40", "30", "20"]
        await house.leave("30", "20", "40")
        await house.visit("a", "90")
        assert house.came[-1] == "90"

    tried(work, app_share=0.75)


def test_what_is_larger_than_all_of_it_has_all_of_it() -> None:
    async def work(house: House) -> None:
        await house.visit("a", "1000", "1")
        assert house.came == ["1000"]
        assert house.room.taken == 100
        await house.leave("1000")
        assert house.came == ["1000", "1"]

    tried(work)


def test_room_is_given_back_once_and_in_parts() -> None:
    async def work(house: House) -> None:
        await house.visit("a", "100", "70")
        reservation = house.reservations["100"]
        reservation.shrink_to_fit(30)
        await settled()
        assert house.came == ["100", "70"]
        reservation.shrink_to_fit(50)
        assert house.room.taken == 100
        reservation.leave()
        reservation.leave()
        assert house.room.taken == 70

    tried(work)


def test_who_waited_too_long_is_sent_off_and_those_behind_may_come() -> None:
    async def work(house: House) -> None:
        await house.visit("a", "60", "90")
        await asyncio.sleep(WAIT_SECONDS / 2)
        await house.visit("a", "40")
        assert house.came == ["60"]
        await asyncio.sleep(WAIT_SECONDS * 0.6)
        assert (house.came, house.sent_off) == (["60", "40"], ["90"])
        assert house.room.waiting("a") == 0

    tried(work)


def test_only_so_many_of_an_app_wait() -> None:
    async def work(house: House) -> None:
        await house.visit("a", "100", *(f"1:{number}" for number in range(MAX_WAITING)), "1:more")
        await house.visit("b", "1")
        await settled()
        assert house.sent_off == ["1:more"]
        assert house.room.waiting("b") == 1

    tried(work)


@pytest.mark.parametrize("is_given", [False, True])
def test_who_is_cancelled_leaves_the_queue_or_gives_back_what_it_was_given(is_given: bool) -> None:
    async def work(house: House) -> None:
        await house.visit("a", "100", "90", "10")
        if is_given:
            house.reservations.pop("100").leave()
        house.tasks["90"].cancel()
        await settled()
        if not is_given:
            await house.leave("100")
        assert house.came == ["100", "10"]
        assert house.room.taken == 10

    tried(work)


def test_who_hardly_fills_its_room_is_cut_off_once_others_wait_for_it() -> None:
    async def work(house: House) -> None:
        await house.visit("a", "50", "50:b")
        await asyncio.sleep(1000)
        assert house.cut_off == []
        # It is full, and no longer the client's: whoever works with it may take long.
        house.reservations["50"].shrink_to_fit(50)
        await house.visit("b", "20")
        await asyncio.sleep(0.1)
        assert house.cut_off == ["50:b"]
        assert house.came == ["50", "50:b", "20"]
        await asyncio.sleep(1000)
        assert house.cut_off == ["50:b"]

    tried(work, seconds=10)


def test_who_is_not_in_the_way_is_not_cut_off() -> None:
    async def work(house: House) -> None:
        await house.visit("slow", "20")
        await house.visit("a", "60")
        await asyncio.sleep(9)
        house.reservations["60"].shrink_to_fit(60)
        # It waits for its own app, and there is room besides.
        await house.visit("a", "19")
        await asyncio.sleep(20)
        assert house.cut_off == []
        await house.leave("60")
        assert house.came == ["20", "60", "19"]

    tried(work, app_share=0.75, seconds=10)


def test_as_much_has_to_come_in_the_time_as_there_is_room_for() -> None:
    async def work(house: House) -> None:
        await house.visit("a", "50", "50:b")
        await house.visit("b", "1")
        for _ in range(3):
            house.reservations["50"].received(30)
            house.reservations["50:b"].received(10)
            await asyncio.sleep(4)
        assert house.cut_off == ["50:b"]
        # The other brought 60 in eight seconds, and has ten from then on.
        assert "50" in house.reservations

    tried(work, seconds=10)


def test_one_after_the_other_is_cut_off_and_no_more_than_have_to_be() -> None:
    async def work(house: House) -> None:
        for number in range(4):
            await house.visit("a", f"25:{number}")
            await asyncio.sleep(0.1)
        await house.visit("b", "40")
        await asyncio.sleep(100)
        assert house.cut_off == ["25:0", "25:1"]
        assert house.came[-1] == "40"

    tried(work, seconds=10)
