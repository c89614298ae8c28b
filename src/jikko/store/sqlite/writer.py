"""Writer thread: takes all queued operations, and commits them together.

A commit costs one disk flush regardless of its size; so the more callers wait, the less each pays.

===========  ==================================================  =====================================================
operation    what it means                                       what becomes of it
===========  ==================================================  =====================================================
queued       ``submit`` has returned its future                  the thread takes it, with all others that wait
running      it is part of the open transaction                  committed, refused, or failed with the transaction
committed    it is on the disk                                   its future gets the result
refused      it raised a ``JikkoError`` and changed nothing      its future gets the error; the transaction goes on
failed       the database refuses the transaction: rolled back   all futures get ``StoreUnavailable``
             another error, of several operations: rolled back   each runs once more, in a transaction of its own
             another error, of this operation alone              its future gets that error
===========  ==================================================  =====================================================

Invariants: operations run in the order of ``submit``, from any threads. A future has a result only once the operation
is on the disk. Failures leave nothing behind, in the database and in the participants' state. Only this thread uses the
connection. The lock between processes is held for one transaction at a time. After ``close`` nothing can be queued, and
everything queued before is done.

Threads: requests come through a thread-safe queue. Results return to the waiting event loops by one call to each loop;
futures are touched on their own loop only.
"""

import asyncio
import logging
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from jikko.errors import JikkoError, StoreUnavailable
from jikko.ports.measures import RecordMeasures
from jikko.private import opener
from jikko.store.sqlite.checkpoints import Checkpoints
from jikko.store.sqlite.connection import unavailable
from jikko.store.sqlite.database_file_guard import DatabaseFileGuard

if sys.platform != "win32":
    import fcntl


class WriteLock:
    """Write lock, held by one process at a time, and released if that dies.

    SQLite also lets one process write at a time, but a waiting one sleeps, retries, and sleeps longer: two busy writers
    keep each other out for tens of milliseconds. A file lock wakes the waiting process.
    """

    def __init__(self, database: Path) -> None:
        """Raises ``OSError``: the lock file, beside the database, cannot be created."""
        self._file = open(database.with_name(f"{database.name}-turn"), "ab", opener=opener)  # noqa: SIM115

    def try_to_acquire(self) -> bool:
        """Acquire the lock if it is free. Returns whether it was acquired. Raises ``OSError``: the file system cannot
        lock, now or ever. So do ``acquire`` and ``release``."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        self._file.close()


WriterTask: TypeAlias = Callable[[sqlite3.Connection], Any]
"""Operation within a transaction. It may refuse by raising a ``JikkoError`` before changing anything."""

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_MAX_BATCH_OPERATIONS: Final = 512
"""Maximum operations of one transaction, so that the first does not wait too long for the last."""
POLL_SECONDS: Final = 1.0
"""Seconds between checks that the database files are still in place."""


_INTERVAL_SECONDS: Final = 0.001
"""Seconds between two pauses; also before the first, so that none delays a commit on an idle loop."""
_MOMENT_SECONDS: Final = 0.0005
"""Maximum seconds of a pause, which ends when the writer is done."""


class GilHandoff:
    """Pauses that hand the GIL to the writer thread. One loop at a time.

    A busy loop releases the GIL for a microsecond at every system call, and has it back before a waiting thread wakes
    up. Commits beside a loop that is never idle took up to two seconds (docs/decisions/0002): while writes are pending,
    the loop pauses at intervals, long enough for the thread to wake.
    """

    def __init__(self) -> None:
        self._waiting = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop with a scheduled pause."""
        self._paused = False
        self._done = threading.Lock()
        self._done.acquire()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note a pending write. On the loop's thread."""
        self._waiting += 1
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(_INTERVAL_SECONDS, self._yield_gil, loop)

    def end(self, count: int) -> None:
        """Note ``count`` completed writes. On the loop's thread."""
        self._waiting -= count

    def done(self) -> None:
        """End a pause after a transaction. On the writer's thread."""
        if self._done.locked():
            self._done.release()

    def pause(self) -> None:
        """Suspend pauses while the writer waits for something else. On the writer's thread."""
        self._paused = True

    def go_on(self) -> None:
        """Resume pauses. On the writer's thread."""
        self._paused = False

    def _yield_gil(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting <= 0 or self._loop is not loop:
            self._loop = None
            return
        if not self._paused:
            self._done.acquire(timeout=_MOMENT_SECONDS)
        loop.call_later(_INTERVAL_SECONDS, self._yield_gil, loop)


class Participant(Protocol):
    """Object with state outside the database that follows transactions."""

    def before_commit(self, connection: sqlite3.Connection) -> None:
        """Write what was deferred to the end of the transaction."""

    def rolled_back(self) -> None:
        """Drop all changes since the last commit."""


_Request: TypeAlias = "tuple[WriterTask, asyncio.Future[Any]]"
_Outcome: TypeAlias = "tuple[asyncio.Future[Any], Any, BaseException | None]"


def transact(
    connection: sqlite3.Connection, requests: Sequence[_Request], participants: Sequence[Participant]
) -> "list[_Outcome]":
    """Perform operations in one transaction, and commit it. If this raises, the caller must roll back."""
    outcomes: list[_Outcome] = []
    connection.execute("BEGIN IMMEDIATE")
    for operation, future in requests:
        try:
            outcomes.append((future, operation(connection), None))
        except JikkoError as refusal:
            outcomes.append((future, None, refusal))
    for participant in participants:
        participant.before_commit(connection)
    connection.execute("COMMIT")
    return outcomes


class Writer:
    """Runs operations in the order of submission."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        lock: WriteLock | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """Args:
        lock: Held for each transaction, where several processes write.
        checkpoints: Notified of each transaction.
        """
        self._checkpoints = checkpoints
        self._lock = lock
        self._in_place = DatabaseFileGuard(path, connection)
        self._looked = (-POLL_SECONDS, "")
        """Time and result of the last check that the database is in place."""
        self._connection = connection
        self._path = path
        self._participants: list[Participant] = []
        self._queue: SimpleQueue[_Request | None] = SimpleQueue()
        self.measures = RecordMeasures(waiting=self._queue.qsize)
        self._give_way = GilHandoff()
        self._closing = False
        # Held while queueing: nothing may follow the end mark.
        self._gate = threading.Lock()
        # Daemon: a caller that forgot to close must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="jikko-writer", daemon=True)
        self._thread.start()

    def join(self, participant: Participant) -> None:
        """Add a participant to all further transactions."""
        self._participants.append(participant)

    def submit(self, operation: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Queue an operation. The future has its result once it is durable.

        The future raises:
            JikkoError: The operation refused, without effect on others of its transaction.
            StoreUnavailable: The transaction could not be committed, and was rolled back.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._gate:
            if self._closing:
                future.set_exception(StoreUnavailable(f"The database {self._path.name} is closed."))
                return future
            self._queue.put((operation, future))
        self._give_way.begin(loop)
        return future

    def close(self) -> None:
        """Commit submitted operations, then stop. May be called twice, from any thread; blocks."""
        with self._gate:
            if not self._closing:
                self._closing = True
                self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        queue = self._queue
        going_on = True
        while going_on:
            waiting = [queue.get()]
            while len(waiting) < _MAX_BATCH_OPERATIONS and not queue.empty():
                waiting.append(queue.get_nowait())
            if waiting[-1] is None:
                going_on = False
            requests = [request for request in waiting if request is not None]
            if requests:
                outcomes = self._under_lock(requests)
                self._hand_back(outcomes)
                self._give_way.done()
        self._in_place.close()

    def _under_lock(self, requests: Sequence[_Request]) -> "list[_Outcome]":
        if self._lock is None:
            return self._perform(requests)
        try:
            self._acquire(self._lock)
        except OSError as error:
            reason = StoreUnavailable(f"The database {self._path.name} cannot be locked: {error.strerror}.")
            return [(future, None, reason) for _, future in requests]
        outcomes = self._perform(requests)
        try:
            self._lock.release()
        except OSError:
            # The commit stands. The lock is still held, and released after the next transaction.
            _LOG.exception("The lock of the database %s could not be released.", self._path)
        return outcomes

    def _acquire(self, lock: WriteLock) -> None:
        if lock.try_to_acquire():
            return
        self._give_way.pause()
        try:
            lock.acquire()
        finally:
            self._give_way.go_on()

    def _perform(self, requests: Sequence[_Request]) -> "list[_Outcome]":
        """Run one transaction. Never raises."""
        if diagnosis := self._diagnose():
            self.measures.errors.add()
            # SQLite would keep writing to files that no process will open again.
            lost = StoreUnavailable(f"The database {self._path.name} cannot be used: {diagnosis}.")
            return [(future, None, lost) for _, future in requests]
        began = time.perf_counter()
        try:
            outcomes = transact(self._connection, requests, self._participants)
            self._check_checkpoints()
            self.measures.seconds.observe(time.perf_counter() - began)
            self.measures.writes.observe(len(requests))
            return outcomes
        except sqlite3.Error as error:
            self.measures.errors.add()
            self._roll_back()
            if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
                reason = unavailable(self._path.name, error)
                return [(future, None, reason) for _, future in requests]
            failure: Exception = error
        except Exception as error:
            self._roll_back()
            failure = error
        if len(requests) == 1:
            _LOG.error("A write to the database failed unexpectedly.", exc_info=failure)
            return [(requests[0][1], None, failure)]
        # One of them is to blame. Alone, each fails or succeeds by itself.
        return [outcome for request in requests for outcome in self._perform([request])]

    def _diagnose(self) -> str:
        now, (at, before) = time.monotonic(), self._looked
        if now - at < POLL_SECONDS and (before or not self._in_place.is_suspicious()):
            return before
        diagnosis = self._in_place.diagnose()
        self._looked = now, diagnosis
        if diagnosis and not before:
            _LOG.error("Nothing is written to %s: %s.", self._path, diagnosis)
        elif before and not diagnosis:
            _LOG.warning("The database is back in place, and is written again.")
        return diagnosis

    def _check_checkpoints(self) -> None:
        """Check for checkpoints after a commit. Under load, not after each: see ``Checkpoints.is_due``."""
        checkpoints = self._checkpoints
        is_due = checkpoints is not None and checkpoints.is_due()
        if is_due or self._queue.empty():
            self._in_place.wrote()
        else:
            self._in_place.writes_on()
        if checkpoints is not None and is_due:
            checkpoints.look(self._in_place)

    def _roll_back(self) -> None:
        try:
            # After some errors SQLite has already rolled back.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            _LOG.exception("A transaction could not be rolled back.")
        self._in_place.wrote()
        for participant in self._participants:
            participant.rolled_back()

    def _hand_back(self, outcomes: "list[_Outcome]") -> None:
        for loop in {future.get_loop() for future, _, _ in outcomes}:
            own = [outcome for outcome in outcomes if outcome[0].get_loop() is loop]
            try:
                loop.call_soon_threadsafe(self._settle, own)
            except RuntimeError:
                # The loop was closed: no caller is left.
                _LOG.debug("The event loop of a transaction was closed.")

    def _settle(self, outcomes: "list[_Outcome]") -> None:
        self._give_way.end(len(outcomes))
        for future, result, error in outcomes:
            if future.done():  # the caller was cancelled
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
