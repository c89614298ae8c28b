"""Turns of a fair queue."""

from collections.abc import Iterator

from jikko.concurrency.fair_queue import FairQueue


def queue(turns: FairQueue[str], owner: str, *items: str) -> None:
    for item in items:
        turns.add(owner, item)


def taken(turns: FairQueue[str]) -> Iterator[str]:
    while (item := turns.next()) is not None:
        yield item


def test_of_one_owner_who_came_first_has_the_first_turn() -> None:
    turns: FairQueue[str] = FairQueue()
    queue(turns, "a", "first", "second", "third")

    assert list(taken(turns)) == ["first", "second", "third"]


def test_owners_take_turns_however_many_wait_for_one_of_them() -> None:
    turns: FairQueue[str] = FairQueue()
    queue(turns, "busy", *(f"busy {number}" for number in range(10_000)))
    queue(turns, "b", "b 1", "b 2")
    queue(turns, "c", "c 1")

    assert [turns.next() for _ in range(6)] == ["busy 0", "b 1", "c 1", "busy 1", "b 2", "busy 2"]
    assert (turns.waiting("busy"), turns.waiting("b"), len(turns)) == (9997, 0, 9997)


def test_who_leaves_the_queue_has_no_turn() -> None:
    turns: FairQueue[str] = FairQueue()
    queue(turns, "a", "first", "second")

    assert turns.remove("a", "first")
    assert not turns.remove("a", "first")
    assert not turns.remove("b", "second")

    assert list(taken(turns)) == ["second"]


def test_an_owner_whose_queue_was_left_by_all_comes_last_when_it_comes_again() -> None:
    turns: FairQueue[str] = FairQueue()
    queue(turns, "a", "a 1")
    queue(turns, "b", "b 1")
    turns.remove("a", "a 1")
    queue(turns, "a", "a 2")

    assert list(taken(turns)) == ["b 1", "a 2"]


def test_an_owner_that_rests_is_passed_over_until_it_is_resumed() -> None:
    turns: FairQueue[str] = FairQueue()
    queue(turns, "a", "a 1")
    queue(turns, "b", "b 1")
    turns.rest("a")
    turns.rest("c")
    queue(turns, "c", "c 1")

    assert list(taken(turns)) == ["b 1"]
    assert turns.waiting("a") == 1
    turns.resume("c")
    turns.resume("a")
    assert list(taken(turns)) == ["c 1", "a 1"]


def test_to_resume_an_owner_that_does_not_rest_changes_nothing() -> None:
    turns: FairQueue[str] = FairQueue()
    queue(turns, "a", "a 1", "a 2")
    queue(turns, "b", "b 1")
    turns.resume("a")
    turns.resume("nobody")

    assert list(taken(turns)) == ["a 1", "b 1", "a 2"]


def test_who_comes_first_again_goes_before_the_others_of_its_owner_only() -> None:
    queue: FairQueue[str] = FairQueue()
    for owner, item in (("a", "1"), ("a", "2"), ("b", "3")):
        queue.add(owner, item)
    queue.add("a", "0", first=True)
    queue.add("a", "2", first=True)
    assert [queue.next() for _ in range(5)] == ["2", "3", "0", "1", None]
