"""Keys of the knowledge API: they begin with ``dataset-`` and open all datasets."""

import secrets
import string
from typing import Final

from jikko.apps.keys import digest
from jikko.concurrency.rate_limit import SharedRequestRate
from jikko.errors import NotFound
from jikko.ids import new_id
from jikko.ports.clock import Clock
from jikko.ports.stores.knowledge_records import DatasetKey
from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge

_ALPHABET: Final = string.ascii_letters + string.digits
_LENGTH: Final = 32
"""190 random bits."""
_HINT: Final = len("dataset-") + 4


class DatasetKeys:
    """Issues and verifies keys."""

    def __init__(self, knowledge: OpenKnowledge, clock: Clock, rate: SharedRequestRate | None = None) -> None:
        """``rate``: Rate limit of a key."""
        self._knowledge = knowledge
        self._rate = rate
        self._clock = clock

    async def create(self) -> tuple[str, DatasetKey]:
        """Issue a key. Returns it, only here, and its stored entry."""
        key = "dataset-" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        kept = DatasetKey(id=new_id(), digest=digest(key), hint=f"{key[:_HINT]}…", created_at=self._clock())
        await (await self._knowledge.made()).datasets.add_key(kept)
        return key, kept

    async def all(self) -> list[DatasetKey]:
        """Return all keys, oldest first."""
        stores = await self._knowledge.existing()
        return [] if stores is None else await stores.datasets.keys()

    async def delete(self, key_id: str) -> None:
        """Raises ``NotFound``."""
        stores = await self._knowledge.existing()
        if stores is None or not await stores.datasets.delete_key(key_id):
            raise NotFound(f"No key {key_id}.")

    async def open(self, key_digest: bytes) -> bool:
        """Return whether a key with that SHA-256 is valid. Counts the request; raises ``TooManyRequests``."""
        stores = await self._knowledge.existing()
        if stores is None or not await stores.datasets.has_key(key_digest):
            return False
        if self._rate is not None:
            await self._rate.take(key_digest)
        return True
