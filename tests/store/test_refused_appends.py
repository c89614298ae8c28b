"""Grouping of appends into statements, and results of refused ones."""

from typing import Any

import pytest

from jikko.errors import KeyTaken, LogConflict, LogForgotten
from jikko.ports.stores.messages import MessageAnswer
from jikko.ports.stores.run_store import CallbackRequest, KeyClaim, Projection, TurnChanged
from jikko.repositories.shared_sql import id_text
from jikko.store.postgres.runs import appends, batch
from jikko.store.postgres.runs.batch import write_batch
from jikko.store.postgres.runs.key_claims import Claims
from jikko.store.postgres.runs.run_rows import RunWrite

pytestmark = pytest.mark.anyio

RUN = bytes(15) + b"\1"
OPEN, PAUSED, SUCCEEDED, FAILED = 0, 1, 2, 3


def write(
    number: int = 1, *, at: int = 5, status: int = OPEN, mark: int = 7, projections: tuple[Projection, ...] = ()
) -> RunWrite:
    """An append of one event by ``here`` in epoch 2."""
    moving = (status, 2, at + 1, mark)
    return RunWrite(number.to_bytes(16, "big"), at, b"[]", b"app", 0.0, "here", (), moving, projections)


def head(
    *, status: int = OPEN, log_end: int = 5, epoch: int = 2, mark: int = 9, holder: str = "here"
) -> tuple[Any, ...]:
    """How the log is."""
    return RUN, status, log_end, epoch, mark, holder


@pytest.mark.parametrize(
    ("at", "status", "statement"),
    [
        (0, OPEN, appends.BEGUN),
        (0, PAUSED, appends.BEGUN),
        (0, SUCCEEDED, appends.WHOLE),
        (1, OPEN, appends.GROWN),
        (1, PAUSED, appends.GROWN),
        (1, SUCCEEDED, appends.ENDED),
        (5, FAILED, appends.ENDED),
    ],
)
def test_an_append_goes_by_one_of_four_statements(at: int, status: int, statement: str) -> None:
    assert appends.statement_of(write(at=at, status=status)) == statement


@pytest.mark.parametrize("has_gone_back", [True, False])
def test_one_that_is_there_already_was_not_refused(has_gone_back: bool) -> None:
    for status in (OPEN, SUCCEEDED):
        found = head(status=status, log_end=6, mark=7, holder="other")
        assert appends.conflict(write(), found, has_gone_back=has_gone_back) is None


@pytest.mark.parametrize(
    "found", [head(log_end=6), head(log_end=7, mark=7), head(log_end=5, mark=7), head(log_end=6, mark=7, epoch=3)]
)
def test_another_of_the_same_place_epoch_or_mark_is_not_this_one(found: tuple[Any, ...]) -> None:
    assert isinstance(appends.conflict(write(), found, has_gone_back=False), LogConflict)


def test_without_a_mark_nobody_knows_it_again() -> None:
    found = head(log_end=6, mark=0)

    assert isinstance(appends.conflict(write(mark=0), found, has_gone_back=False), LogConflict)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (None, "has 0 events, not 5."),
        (head(log_end=4), "has 4 events, not 5."),
        (head(log_end=6), "has 6 events, not 5."),
        (head(status=PAUSED, log_end=6), "has 6 events, not 5."),
        (head(status=SUCCEEDED, log_end=6), "has 6 events, not 5."),
        (head(status=SUCCEEDED), "is closed: the run has succeeded."),
        (head(status=FAILED), "is closed: the run has failed."),
        (head(status=PAUSED, epoch=3), "was taken over: epoch 3, not 2."),
        (head(epoch=3), "was taken over: epoch 3, not 2."),
        (head(holder="other"), "was taken over: epoch 2, not 2."),
    ],
)
def test_why_one_was_refused_is_told(found: tuple[Any, ...] | None, told: str) -> None:
    refusal = appends.conflict(write(), found, has_gone_back=False)

    assert type(refusal) is LogConflict
    assert str(refusal).endswith(told)
    assert id_text(RUN) in str(refusal)


@pytest.mark.parametrize(
    ("found", "length"),
    [
        (None, 0),
        (head(log_end=4), 4),
        (head(log_end=0), 0),
        (head(status=PAUSED, log_end=4), 4),
        (head(log_end=4, epoch=1, holder="other"), 4),
        (head(log_end=4, holder=""), 4),
    ],
)
def test_a_copy_that_lagged_has_forgotten_what_is_missing(found: tuple[Any, ...] | None, length: int) -> None:
    refusal = appends.conflict(write(), found, has_gone_back=True)

    assert isinstance(refusal, LogForgotten)
    assert refusal.log_end == length
    assert str(refusal) == f"The log of run {id_text(RUN)} has {length} events, not 5."


@pytest.mark.parametrize(
    "found",
    [
        head(log_end=4, holder="other"),
        head(log_end=4, epoch=3),
        head(log_end=4, epoch=3, holder=""),
        head(log_end=4, status=SUCCEEDED),
        head(log_end=5),
        head(log_end=6),
    ],
)
def test_it_has_not_forgotten_what_another_has_written_or_what_is_there(found: tuple[Any, ...]) -> None:
    assert type(appends.conflict(write(), found, has_gone_back=True)) is LogConflict


def test_a_run_that_never_was_is_not_forgotten() -> None:
    assert type(appends.conflict(write(at=0), None, has_gone_back=True)) is LogConflict


class Session:
    """A connection that counts its transactions."""

    def __init__(self) -> None:
        self.depth = 0
        self.transactions: list[int] = []
        """How deep each began."""

    def transaction(self) -> "Session":
        return self

    async def __aenter__(self) -> None:
        self.transactions.append(self.depth)
        self.depth += 1

    async def __aexit__(self, *_: object) -> None:
        self.depth -= 1


class Steps:
    """What is done in a transaction, in the order in which it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[str, list[int]]] = []
        self.claims = Claims(set(), set(), {})
        self.refuses: set[int] = set()
        self.free: set[int] = set()
        """Those whose keys are free, so that they begin in one round trip."""
        self.taken: set[int] = set()
        monkeypatch.setattr(appends, "perform", self.perform)
        monkeypatch.setattr(batch, "begin_with_keys", self.begin_with_keys)
        monkeypatch.setattr(batch, "claim_together", self.claim_together)
        monkeypatch.setattr(batch, "claim_keys", self.claim_keys)
        for name in ("free_keys", "forget_keys", "project"):
            monkeypatch.setattr(batch, name, self.step(name))

    def note(self, what: str, writes: Any) -> list[int]:
        numbers = [each.run_id[-1] for each in ([writes] if isinstance(writes, RunWrite) else writes)]
        self.done.append((what, numbers))
        return numbers

    def step(self, name: str) -> Any:
        async def done(_: object, writes: Any) -> None:
            self.note(name, writes)

        return done

    async def perform(self, _: object, statement: str, writes: list[RunWrite]) -> set[bytes]:
        names = {appends.BEGUN: "begun", appends.WHOLE: "whole", appends.GROWN: "grown", appends.ENDED: "ended"}
        self.note(names[statement], writes)
        return {each.run_id for each in writes if each.run_id[-1] not in self.refuses}

    async def begin_with_keys(self, _: object, claims: list[tuple[RunWrite, KeyClaim]]) -> set[bytes]:
        if self.free:
            self.note("begun with keys", [each for each, _ in claims])
        return {each.run_id for each, _ in claims if each.run_id[-1] in self.free}

    async def claim_together(self, _: object, writes: list[RunWrite]) -> Claims:
        self.note("claimed", writes)
        return self.claims

    async def claim_keys(self, _: object, each: RunWrite) -> None:
        [number] = self.note("claimed alone", each)
        if number in self.taken:
            raise KeyTaken("other", b"")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


def keyed(number: int, key: str, **more: Any) -> RunWrite:
    return write(number, projections=(KeyClaim(key=key, fingerprint=b"", at=1.0, lifetime=9.0),), **more)


async def written(session: Session, *writes: RunWrite) -> tuple[list[int], list[int]]:
    """The numbers of the runs that were written, and of those that failed by themselves."""
    done, failed = await write_batch(session, writes)
    return sorted(each[-1] for each in done), sorted(each[-1] for each in failed)


async def test_appends_of_one_kind_go_by_one_statement_without_more(steps: Steps) -> None:
    session = Session()

    assert await written(session, write(1), write(2), write(3)) == ([1, 2, 3], [])
    assert steps.done == [("grown", [1, 2, 3])]
    assert session.transactions == []


async def test_those_of_several_kinds_go_by_a_statement_each_in_one_transaction(steps: Steps) -> None:
    session = Session()
    steps.refuses = {3}

    assert await written(session, write(1), write(2, at=0), write(3)) == ([1, 2], [])
    assert steps.done == [("grown", [1, 3]), ("begun", [2]), ("forget_keys", [])]
    assert session.transactions == [0]


async def test_starts_with_keys_that_are_free_begin_in_one_round_trip(steps: Steps) -> None:
    session = Session()
    steps.free = {1, 2}

    assert await written(session, keyed(2, "b", at=0), keyed(1, "a", at=0)) == ([1, 2], [])
    assert steps.done == [("begun with keys", [1, 2])]
    assert session.transactions == []


async def test_starts_that_have_begun_are_not_refused_since_old_keys_cannot_be_removed(
    steps: Steps, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refused(_: object, writes: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(batch, "forget_keys", refused)
    steps.free = {16}

    assert await written(Session(), keyed(16, "a", at=0)) == ([16], [])
    assert "cannot be removed, trying again: the disk is full" in caplog.text


async def test_a_start_whose_key_is_there_is_looked_at_once_the_others_have_begun(steps: Steps) -> None:
    session = Session()
    steps.free = {1}
    taken = keyed(2, "b", at=0)
    steps.claims = Claims(set(), set(), {taken.run_id: KeyTaken("other", b"")})

    assert await written(session, keyed(1, "a", at=0), taken) == ([1], [2])
    assert steps.done[:2] == [("begun with keys", [1, 2]), ("claimed", [2])]
    assert session.transactions == [0]


async def test_those_with_keys_are_written_as_far_as_they_have_them(steps: Steps) -> None:
    session = Session()
    one, two, three, four = (keyed(number, str(number), at=0) for number in range(1, 5))
    # The first has its key, so has the second from before; the third's is another's, the fourth's was just forgotten.
    steps.claims = Claims({one.run_id, two.run_id}, {one.run_id}, {three.run_id: KeyTaken("other", b"")})

    assert await written(session, one, two, three, four) == ([1, 2, 4], [3])
    assert steps.done == [
        ("claimed", [1, 2, 3, 4]),
        ("begun", [1, 2]),
        ("claimed alone", [4]),
        ("begun", [4]),
        ("project", [4]),
        ("forget_keys", [1, 2, 3, 4, 4]),
    ]
    assert session.transactions == [0, 1]


async def test_who_is_refused_gives_a_new_key_back_and_no_other(steps: Steps) -> None:
    one, two = keyed(1, "a", at=0), keyed(2, "b", at=0)
    steps.claims = Claims({one.run_id, two.run_id}, {one.run_id}, {})
    steps.refuses = {1, 2}

    assert await written(Session(), one, two) == ([], [])
    assert ("free_keys", [1]) in steps.done


async def test_of_two_with_one_key_the_second_comes_alone_and_so_does_a_kind_beside_one_that_does(
    steps: Steps,
) -> None:
    one, two = keyed(1, "a", at=0), keyed(2, "a", at=0)
    steps.claims = Claims({one.run_id}, {one.run_id}, {})
    steps.taken = {2}
    session = Session()

    assert await written(session, one, two, write(3, at=0)) == ([1, 3], [2])
    assert [step for step in steps.done if step[0] != "forget_keys"] == [
        ("claimed", [1]),
        ("begun", [3, 1]),
        ("claimed alone", [2]),
    ]
    assert session.transactions == [0, 1]


async def test_what_comes_with_several_is_written_together_and_without_those_that_were_refused(steps: Steps) -> None:
    one, two, three = (
        write(number, at=0, projections=(CallbackRequest(url="https://example.com"), *keyed(number, key).projections))
        for number, key in ((1, "a"), (2, "b"), (3, "c"))
    )
    steps.claims = Claims({one.run_id, two.run_id}, {one.run_id, two.run_id}, {three.run_id: KeyTaken("other", b"")})
    steps.refuses = {2}
    four = write(4, projections=(TurnChanged(answer=MessageAnswer()),))
    session = Session()

    assert await written(session, one, two, three, four) == ([1, 4], [3])
    assert steps.done == [
        ("claimed", [1, 2, 3]),
        ("grown", [4]),
        ("begun", [1, 2]),
        ("free_keys", [2]),
        ("project", [1, 4]),
        ("forget_keys", [1, 2, 3]),
    ]
    assert session.transactions == [0]


async def test_what_goes_with_one_that_is_refused_is_not_written_and_the_next_is(steps: Steps) -> None:
    both = (
        KeyClaim(key="b", fingerprint=b"", at=1.0, lifetime=9.0),
        KeyClaim(key="z", fingerprint=b"", at=1.0, lifetime=9.0),
    )
    others = (
        KeyClaim(key="a", fingerprint=b"", at=1.0, lifetime=9.0),
        KeyClaim(key="y", fingerprint=b"", at=1.0, lifetime=9.0),
    )
    steps.refuses = {2}

    assert await written(Session(), write(1, projections=both), write(2, projections=others)) == ([1], [])
    assert steps.done == [
        ("claimed alone", [2]),
        ("grown", [2]),
        ("claimed alone", [1]),
        ("grown", [1]),
        ("project", [1]),
        ("forget_keys", [1, 2]),
    ]
