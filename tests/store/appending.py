"""Process that appends until it is killed. It prints a line for each acknowledged append."""

import asyncio
import itertools
import sys
from pathlib import Path

from jikko.store.sqlite import Database, SqliteRunStore
from runs import chain, steps, whole  # type: ignore[import-not-found]  # run as a script


async def append_for_ever(store: SqliteRunStore) -> None:
    for count in itertools.count():
        record, events = chain(5)
        appends = [whole(record, events)] if count % 2 else steps(record.identity, events, 3)
        for append in appends:
            await store.append(append)
            sys.stdout.write(f"{append.run_id} {append.at + len(append.events)}\n")
            sys.stdout.flush()


async def main() -> None:
    store = SqliteRunStore(Database.open(Path(sys.argv[1])))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(append_for_ever(store))


asyncio.run(main())
