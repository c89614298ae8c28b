"""Delivery of callbacks: webhooks that report ended runs.

Source of the signature: Standard Webhooks 1.0 (symmetric, ``v1``).
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import random
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec

from jikko.concurrency.alarm import Alarm
from jikko.concurrency.background_tasks import end_tasks
from jikko.errors import InvalidParam, JikkoError, LogDamaged, NotFound
from jikko.events import RunStarted
from jikko.log_context import LogContext
from jikko.measures import Counter
from jikko.ports.clock import Clock
from jikko.ports.http import HttpClient, HttpFailure, OutgoingRequest, Timeouts
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord
from jikko.repositories.callback_store import Callback, CallbackStore
from jikko.trace_context import headers_of


class KeyedLimiter:
    """Concurrency limiter by receiver: at most ``total`` tasks at once, and at most ``each`` for one receiver."""

    def __init__(self, *, total: int = 256, each: int = 8) -> None:
        self.total = total
        self.each = each
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._receivers: defaultdict[str, int] = defaultdict(int)

    @property
    def under_way(self) -> frozenset[str]:
        return frozenset(self._tasks)

    def begin(self, name: str, receiver: str, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Start a task, if there is room and none of that name is running. ``work`` must not raise. Returns whether it
        was started."""
        if name in self._tasks or len(self._tasks) >= self.total or self._receivers[receiver] >= self.each:
            return False
        self._receivers[receiver] += 1
        task = self._tasks[name] = asyncio.ensure_future(work())
        task.add_done_callback(lambda _: self._ended(name, receiver))
        return True

    def _ended(self, name: str, receiver: str) -> None:
        del self._tasks[name]
        self._receivers[receiver] -= 1
        if not self._receivers[receiver]:
            del self._receivers[receiver]

    async def moved(self) -> None:
        """Wait until a running task ends, if there is one."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)

    async def moved_or(self, other: Coroutine[Any, Any, None]) -> None:
        """Wait until a running task or ``other`` ends; ``other`` is cancelled otherwise."""
        task = asyncio.get_running_loop().create_task(other)
        try:
            await asyncio.wait((task, *self._tasks.values()), return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Cancel running tasks, and wait for their end."""
        await end_tasks(self._tasks.values())


log = logging.getLogger(__name__)

Render = Callable[[RunRecord], bytes]
"""Makes the body of a callback: the run detail."""

_PREFIX = "whsec_"
_URL_LENGTH = 2000
_HOST_LENGTH = 253
"""Maximum length of host names; databases truncate receivers there."""
_DAY = 86_400.0
_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS = 5.0, 3600.0
"""Seconds until the second attempt, and at most between later ones."""
_POLL_SECONDS = 10.0
"""Poll interval, in seconds: ``jikko callbacks resend`` notifies no server."""
_RETRY_SECONDS = 5.0
"""Delay after a failed read of due callbacks, in seconds."""


class Callbacks:
    """Delivers callbacks, retries for a day, and then gives up."""

    def __init__(self, store: CallbackStore, runs: RunStore, http: HttpClient, clock: Clock = time.time) -> None:
        self._store = store
        self._runs = runs
        self._http = http
        self._clock = clock
        self._limiter = KeyedLimiter()
        self.failed = Counter(())
        self.alarm = Alarm(clock, look_seconds=_POLL_SECONDS)
        """Set it when a run with a callback has ended."""

    async def watch(self, render: Render) -> None:
        """Deliver due callbacks until cancelled. With several processes, one may be delivered twice."""
        try:
            while True:
                now = self._clock()
                try:
                    await self._begin(render)
                    next_at = await self._store.next_due(now)
                except JikkoError as error:
                    log.error("callbacks cannot be delivered, trying again later: %s", error)
                    next_at = now + _RETRY_SECONDS
                await self._limiter.moved_or(self.alarm.wait(next_at))
        finally:
            await self._limiter.close()

    async def deliver(self, render: Render) -> int:
        """Deliver until nothing is due. Returns the number of attempts."""
        attempts = 0
        while (begun := await self._begin(render)) or self._limiter.under_way:
            attempts += begun
            await self._limiter.moved()
        return attempts

    async def undelivered(self, app_id: str | None = None) -> AsyncIterator[Callback]:
        """Yield pending and abandoned callbacks of ended runs, oldest first."""
        last: Callback | None = None
        while page := await self._store.undelivered(app_id=app_id, after=last):
            for entry in page:
                yield entry
            last = page[-1]

    async def resend(self, run_id: str) -> Callback:
        """Schedule a callback for immediate delivery, whatever its state. Raises ``NotFound`` if the run has none."""
        found = await self._store.find(run_id)
        if found is None:
            raise NotFound(f"Run {run_id!r} has no callback.")
        again = msgspec.structs.replace(found, state="pending", first_at=None, next_at=0.0, finished_at=None)
        await self._store.save(again)
        return again

    async def secret(self, app_id: str) -> str:
        """Return the signing secret of an app's callbacks: ``whsec_`` and base64."""
        return await self._store.secret(app_id, _new_secret())

    async def new_secret(self, app_id: str) -> str:
        secret = _new_secret()
        await self._store.set_secret(app_id, secret)
        return secret

    async def _begin(self, render: Render) -> int:
        """Start deliveries that are due and have room. Returns how many."""
        limiter = self._limiter
        # Before the query: what ends during it may appear as pending.
        under_way = limiter.under_way
        due = await self._store.due(self._clock(), each=limiter.each, limit=limiter.total)
        new = [entry for entry in due if entry.run_id not in under_way]
        return sum(limiter.begin(entry.run_id, entry.receiver, partial(self._deliver, entry, render)) for entry in new)

    async def _deliver(self, entry: Callback, render: Render) -> None:
        """Make one attempt, and store its result."""
        try:
            after = await self._attempt(entry, render)
        except Exception:
            # For example, an unreadable run. Others go on.
            log.exception("the callback of run %s cannot be sent", entry.run_id)
            await asyncio.sleep(_FIRST_WAIT_SECONDS)
            return
        while True:
            try:
                return await self._store.save(after)
            except JikkoError as error:
                # Kept for later, or a full disk would have the receiver get it again and again.
                log.error("the outcome of the callback of run %s is not saved yet: %s", entry.run_id, error)
                await asyncio.sleep(_FIRST_WAIT_SECONDS)

    async def _attempt(self, entry: Callback, render: Render) -> Callback:
        """Make one attempt. Returns the updated callback."""
        record = await self._runs.record(entry.run_id)
        now = self._clock()
        if record is None:
            return msgspec.structs.replace(entry, state="failed", finished_at=now, error="The run was removed.")
        error = await self._post(entry, render(record), int(now), await self._trace(entry.run_id))
        first_at = now if entry.first_at is None else entry.first_at
        changes: dict[str, object] = {"attempts": entry.attempts + 1, "first_at": first_at, "error": error}
        if error is None:
            changes |= {"state": "delivered", "finished_at": self._clock()}
        else:
            self.failed.add()
            next_at = now + _wait(now - first_at)
            changes["next_at"] = next_at
            given_up = next_at > first_at + _DAY
            if given_up:
                changes |= {"state": "failed", "finished_at": self._clock()}
            then = "it is given up after a day" if given_up else f"it is tried again in {next_at - now:.0f} s"
            fields = {"run": entry.run_id, "app": entry.app_id, "attempt": entry.attempts + 1}
            log.warning("a callback was not delivered, and %s: %s", then, error, extra={"fields": fields})
        return msgspec.structs.replace(entry, **changes)

    async def _trace(self, run_id: str) -> tuple[tuple[str, str], ...]:
        """Return the headers that continue the run's trace at the receiver."""
        try:
            log = await self._runs.events(run_id)
        except LogDamaged:
            return ()
        came = log[0].trace if log and isinstance(log[0], RunStarted) else ""
        return headers_of(LogContext(run=run_id, came=came).trace)

    async def _post(
        self, entry: Callback, body: bytes, timestamp: int, trace: tuple[tuple[str, str], ...]
    ) -> str | None:
        """Return the error of the attempt; ``None`` if it was delivered."""
        secret = await self.secret(entry.app_id)
        message_id = f"msg_{entry.run_id}"
        request = OutgoingRequest(
            method="POST",
            url=entry.url,
            headers=(
                ("Content-Type", "application/json"),
                ("User-Agent", "Jikko/1"),
                ("webhook-id", message_id),
                ("webhook-timestamp", str(timestamp)),
                ("webhook-signature", signature(secret, message_id, timestamp, body)),
                *trace,
            ),
            body=body,
            timeouts=Timeouts(connect=10.0, read=20.0, write=20.0, total=30.0),
            max_bytes=1 << 20,
            # A redirect becomes a GET of another page, whose 200 means nothing here.
            follow_redirects=False,
        )
        try:
            answer = await self._http.send(request)
        except HttpFailure as failure:
            return str(failure)
        return None if 200 <= answer.status < 300 else f"The address answered with status {answer.status}."


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header ``webhook-signature``: ``v1,`` and the base64 HMAC-SHA256 of id, time and body. ``secret``:
    ``whsec_`` and the key in base64."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + binascii.b2a_base64(hmac.digest(key, signed, hashlib.sha256), newline=False).decode()


def checked_url(url: object) -> str:
    """Validate a callback's URL. Raises ``InvalidParam`` if it is not an HTTP(S) URL."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        host = "" if parts is None else parts.hostname or ""
        usable = parts is not None and parts.scheme in ("http", "https") and parts.port != 0
        usable = usable and 0 < len(host) <= _HOST_LENGTH
    except ValueError:
        usable = False
    if not usable or not isinstance(url, str) or len(url) > _URL_LENGTH:
        raise InvalidParam(f"callback_url: must be an http or https address of at most {_URL_LENGTH} characters")
    return url


def _wait(elapsed: float) -> float:
    """Return the delay before the next attempt: about the time since the first, within bounds.

    With jitter, so that a recovering server is not hit by all at once.
    """
    return min(max(_FIRST_WAIT_SECONDS, elapsed), _MAX_WAIT_SECONDS) * random.uniform(1.0, 1.2)


def _new_secret() -> str:
    return _PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()
