"""Which worker is handed which of the runs that wait at others."""

from jikko.cluster.membership import MAX_OFFERS_OF_AN_APP, OfferedRuns
from jikko.ports.cluster import WaitingRun


def run(name: str, *, app: str = "app", holder: str = "s/0", epoch: int = 1) -> WaitingRun:
    return WaitingRun(run_id=name, app_id=app, holder=holder, epoch=epoch)


class Workers:
    """Of one server, in the order of their names; what they were handed."""

    def __init__(self) -> None:
        self.runs = OfferedRuns()
        self.handed: list[tuple[str, str]] = []

    def offer(self, *runs: WaitingRun) -> list[bool]:
        offered = []
        for one in runs:
            is_offered, outbox = self.runs.offered(one)
            self._note(outbox)
            offered.append(is_offered)
        return offered

    def has_room(self, *names: str) -> None:
        for name in names:
            self._note(self.runs.has_room(name))

    def answer(self, name: str, run_id: str, *, is_done: bool) -> None:
        self._note(self.runs.answered(name, run_id, is_done=is_done))

    def die(self, name: str) -> None:
        self._note(self.runs.died(name))

    def _note(self, outbox: object) -> None:
        self.handed += [(name, message.run.run_id) for name, message in outbox]  # type: ignore[attr-defined]


def test_one_with_room_is_handed_one_run_and_the_next_once_it_says_so_again() -> None:
    workers = Workers()

    workers.offer(run("a"), run("b"))
    workers.has_room("s/1")
    assert workers.handed == [("s/1", "a")]

    workers.has_room("s/1")
    workers.has_room("s/1")
    assert workers.handed == [("s/1", "a"), ("s/1", "b")]
    workers.offer(run("c"), run("d"))
    assert workers.handed[2:] == [("s/1", "c")], "it said so once"


def test_those_that_said_first_that_they_have_room_come_first_and_nobody_gets_what_waits_there() -> None:
    workers = Workers()
    workers.has_room("s/0", "s/1", "s/2")

    workers.offer(run("a"), run("b", holder="s/2"), run("c", holder="s/2"), run("d"))

    assert workers.handed == [("s/1", "a"), ("s/0", "b"), ("s/2", "d")]


def test_apps_take_turns() -> None:
    workers = Workers()
    workers.offer(run("a1"), run("a2"), run("a3"), run("b1", app="other"), run("b2", app="other"))

    for _ in range(5):
        workers.has_room("s/1")

    assert [name for _, name in workers.handed] == ["a1", "b1", "a2", "b2", "a3"]


def test_those_that_are_being_taken_count_until_they_were() -> None:
    workers = Workers()
    runs = [run(str(number)) for number in range(MAX_OFFERS_OF_AN_APP)]
    assert all(workers.offer(*runs))
    workers.has_room("s/1", "s/2")

    assert workers.offer(run("more"), run("more", app="other")) == [False, True]
    workers.answer("s/1", "0", is_done=True)
    assert workers.offer(run("more"), run("and more")) == [True, False]
    workers.answer("s/2", "0", is_done=True)
    assert workers.offer(run("and more")) == [False], "that was the word of another"


def test_what_one_cannot_take_goes_to_the_next_that_has_room() -> None:
    workers = Workers()
    workers.offer(run("a"))
    workers.has_room("s/1", "s/2")

    workers.answer("s/1", "a", is_done=False)

    assert workers.handed == [("s/1", "a"), ("s/2", "a")]


def test_what_one_was_handed_that_died_goes_to_another_and_what_waited_there_to_nobody() -> None:
    workers = Workers()
    workers.offer(run("a"), run("b"), run("c", holder="s/1"))
    workers.has_room("s/1")

    workers.die("s/1")
    workers.has_room("s/2", "s/2", "s/0")

    assert workers.handed == [("s/1", "a"), ("s/2", "b"), ("s/2", "a")]


def test_one_that_died_with_room_is_handed_nothing() -> None:
    workers = Workers()
    workers.has_room("s/1")

    workers.die("s/1")
    workers.offer(run("a"))
    workers.has_room("s/2")

    assert workers.handed == [("s/2", "a")]


def test_what_is_withdrawn_is_handed_to_nobody_wherever_it_is() -> None:
    workers = Workers()
    workers.offer(run("a"), run("b"))
    workers.has_room("s/1")

    for name in ("a", "b", "never offered"):
        workers.runs.withdrawn(name)
    workers.answer("s/1", "a", is_done=False)
    workers.has_room("s/1", "s/2")

    assert workers.handed == [("s/1", "a")]


def test_one_that_is_offered_again_is_there_once_and_one_of_a_later_epoch_is_another() -> None:
    workers = Workers()
    workers.offer(run("a"), run("a"))
    workers.has_room("s/1", "s/2")
    assert workers.offer(run("a")) == [True]
    assert workers.handed == [("s/1", "a")]

    workers.offer(run("a", holder="s/1", epoch=2))

    assert workers.handed == [("s/1", "a"), ("s/2", "a")]


def test_one_that_has_no_room_after_all_is_handed_nothing() -> None:
    workers = Workers()
    workers.has_room("s/1")
    assert workers.runs.has_room("s/1", is_there=False) == []

    workers.offer(run("a"))

    assert workers.handed == []
