"""Idempotent starts of runs: requests with an idempotency key."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from jikko.errors import Conflict, InvalidParam, KeyTaken, NotFound, StartRefused
from jikko.ports.stores.projections import KeyClaim, StartOptions
from jikko.ports.stores.run_store import RunStore
from jikko.repositories.app_store import App
from jikko.runs.following.run_reader import RunReader
from jikko.runs.run_log import RunLog
from jikko.values import Json

if TYPE_CHECKING:
    from jikko.runs.runs import Runs

_KEY_LENGTH = 255
_encode = msgspec.json.Encoder(order="sorted").encode

Started: TypeAlias = RunLog | RunReader


class StartOutcome(msgspec.Struct, frozen=True):
    run: Started
    repeated: bool = False
    """Whether an earlier request with the same key started the run."""


class IdempotentStarts:
    """Starts runs by idempotency key.

    A key is claimed in the transaction that creates the run. So of two concurrent requests, in any processes, one
    creates it; and after a crash there are either both or neither.
    """

    def __init__(self, runs: "Runs", store: RunStore) -> None:
        self._runs = runs
        self._store = store

    async def start(
        self, app: App, options: StartOptions | None, begin: Callable[[StartOptions | None], Awaitable[RunLog]]
    ) -> StartOutcome:
        """Start a run, or find the one that has the key.

        Args:
            begin: Starts it with the given options.

        Raises:
            Conflict: The key was used for another request.
            StartRefused: The run did not become durable in time; or the one that has the key is being removed.
        """
        claim = None if options is None else options.claim
        if claim is None:
            return StartOutcome(self._runs.control.followed(await begin(options)))
        claimed = await self._store.claimed(app.id, claim.key, now=claim.at)
        if claimed is None:
            try:
                return StartOutcome(self._runs.control.followed(await begin(options)))
            except KeyTaken as taken:
                claimed = taken.run_id, taken.fingerprint
        run_id, fingerprint = claimed
        if fingerprint != claim.fingerprint:
            raise Conflict(f"Idempotency-Key {claim.key!r} was used for another request; use a new key for this one.")
        try:
            record = await self._runs.records.record(app.id, run_id)
        except NotFound:
            record = None
        if record is None or self._runs.executor.refused.has(record):
            raise StartRefused("The key belongs to a run that is being removed. Send the request again.")
        return StartOutcome(self._runs.control.reader(record), repeated=True)

    async def known(self, app: App, claim: KeyClaim) -> str:
        """Return the run that has a key, or an empty string."""
        claimed = await self._store.claimed(app.id, claim.key, now=claim.at)
        return "" if claimed is None else claimed[0]


def fingerprint(operation: str, body: Json) -> bytes:
    """Return the digest of a request: its operation and its JSON body, regardless of key order."""
    return hashlib.sha256(operation.encode() + b"\0" + _encode(body)).digest()


def checked_key(key: str) -> str:
    """Return a client's idempotency key. Raises ``InvalidParam``: it is empty or too long."""
    key = key.strip()
    if not key or len(key) > _KEY_LENGTH:
        raise InvalidParam(f"Idempotency-Key must have 1 to {_KEY_LENGTH} characters.")
    return key
