"""Indexing of a server that began without datasets: it begins with the first, and takes no time before."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jikko.concurrency.alarm import Alarm
from jikko.concurrency.lazy_proxy import is_made, lazy_proxy
from jikko.knowledge.lazy_indexing import LazyIndexing
from jikko.store.sqlite.knowledge.sqlite_knowledge import SqliteKnowledge
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


async def test_it_begins_with_the_first_dataset_and_nothing_of_it_is_made_before(tmp_path: Path) -> None:
    began, prepared = asyncio.Event(), []

    async def lead() -> None:
        began.set()

    async def prepare() -> None:
        prepared.append(1)

    def make() -> Any:
        return SimpleNamespace(indexing=SimpleNamespace(lead=lead), retrieval=SimpleNamespace(prepare=prepare))

    stores, knowledge = SqliteKnowledge(tmp_path / "knowledge.db"), lazy_proxy(make)
    awaited = LazyIndexing(stores, knowledge, Alarm(lambda: 0.0, look_seconds=3600.0))
    try:
        await awaited.prepare()
        leading = asyncio.ensure_future(awaited.lead())
        # An alarm for nothing: it looks, and waits on.
        await asyncio.sleep(0)
        awaited.alarm.set(0.0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not is_made(knowledge)

        await stores.made()
        awaited.alarm.set(0.0)
        async with asyncio.timeout(PATIENCE):
            await began.wait()
            await leading
        await awaited.prepare()
    finally:
        stores.close()

    assert prepared == [1]
