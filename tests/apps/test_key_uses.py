"""When keys were used last: kept in memory, and written together."""

from collections.abc import Mapping

import pytest

from jikko.apps.app_keys import KeyUses
from jikko.errors import StoreUnavailable

pytestmark = pytest.mark.anyio


class Written:
    """What was kept."""

    def __init__(self) -> None:
        self.uses: list[Mapping[bytes, float]] = []

    async def __call__(self, used: Mapping[bytes, float]) -> None:
        self.uses.append(used)


async def test_uses_are_written_together_and_each_key_once() -> None:
    written = Written()
    uses = KeyUses(written, lambda: 7.0, seconds=60.0)
    for key in (b"a", b"b", b"a", b"a"):
        uses.note(key)
    assert written.uses == []
    await uses.close()
    assert written.uses == [{b"a": 7.0, b"b": 7.0}]
    uses.note(b"a")
    await uses.close()
    assert written.uses[1:] == [{b"a": 7.0}]


async def test_a_database_that_cannot_be_written_is_no_matter() -> None:
    async def refused(used: Mapping[bytes, float]) -> None:
        raise StoreUnavailable("full")

    uses = KeyUses(refused, lambda: 7.0)
    uses.note(b"a")
    await uses.close()
    await uses.close()
