"""Having documents indexed by a command, and waiting for it."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import click

from jikko.ports.stores.knowledge.records import UNDER_WAY
from jikko.terminal_text import harmless

_POLL_SECONDS = 0.2


async def finish(knowledge: Any, dataset_id: str, ids: set[str], *, quiet: bool, within: str = "") -> int:
    """Index some documents of a dataset, here or with a server, and wait for it. Those in error are told. ``within``:
    stands before their names. Returns how many are in error."""

    async def open_documents() -> int:
        return sum(each.id in ids and each.status in UNDER_WAY for each in await knowledge.documents.all(dataset_id))

    with click.progressbar(
        length=len(ids), label="Indexing", file=sys.stderr, hidden=quiet or not ids or not sys.stderr.isatty()
    ) as bar:
        working = asyncio.create_task(knowledge.indexing.watch())
        try:
            while (left := await open_documents()) and not working.done():
                bar.update(len(ids) - left - bar.pos)
                await asyncio.sleep(_POLL_SECONDS)
            bar.update(len(ids) - bar.pos)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    ended = [each for each in await knowledge.documents.all(dataset_id) if each.id in ids]
    failed = [each for each in ended if each.status == "error"]
    for document in failed:
        click.echo(harmless(f"{within}{document.name}: {document.error}"), err=True)
    return len(failed)


def summary(dataset: str, counts: Mapping[str, int]) -> str:
    """What became of documents, in a line."""
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return harmless(f"{dataset}: {told or 'nothing to do'}")
