"""Command ``jikko knowledge add``, which turns files into documents of a dataset."""

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from jikko.cli.options import assembled, providers_option, with_settings
from jikko.cli.output import show_entry
from jikko.errors import NotFound
from jikko.knowledge.datasets import DatasetWishes
from jikko.knowledge.documents import source_of
from jikko.knowledge.readable import EXTENSIONS, is_readable
from jikko.ports.stores.knowledge_records import UNDER_WAY
from jikko.settings import Settings
from jikko.terminal_text import harmless


class LocalSource(NamedTuple):
    """File, and the name of its document."""

    path: Path
    name: str


def files_below(paths: Sequence[Path]) -> tuple[list[LocalSource], list[Path]]:
    """Return the files below some paths, and unsupported files in folders.

    A file in a folder is named by its path in it; hidden ones are skipped. Raises ``click.UsageError``: a file given
    directly is unsupported, or two have one name.
    """
    found: list[LocalSource] = []
    passed: list[Path] = []
    for path in paths:
        if path.is_dir():
            for file in _below(path):
                if is_readable(file.name):
                    found.append(LocalSource(file, file.relative_to(path).as_posix()))
                else:
                    passed.append(file)
        elif is_readable(path.name):
            found.append(LocalSource(path, path.name))
        else:
            raise click.UsageError(f"{path} cannot be a document. Files can be: {', '.join(sorted(EXTENSIONS))}.")
    names: dict[str, Path] = {}
    for each in found:
        if each.name in names:
            raise click.UsageError(f"{names[each.name]} and {each.path} would both be called {each.name!r}.")
        names[each.name] = each.path
    return found, passed


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


@click.command()
@click.argument("dataset")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--technique",
    type=click.Choice(["high_quality", "economy"]),
    help="For a new dataset: high_quality searches by vectors (an embedding model), economy by keywords.",
)
@click.option("--model", metavar="PROVIDER/MODEL", help="For a new dataset: the embedding model, if not the default.")
@click.option("--sync", is_flag=True, help="Remove documents of the dataset that are not among the files.")
@providers_option
@with_settings
async def add(
    settings: Settings,
    dataset: str,
    paths: tuple[Path, ...],
    technique: str | None,
    model: str | None,
    sync: bool,
    as_json: bool,
) -> int:
    """Add files, and those in folders, to DATASET (name or id), which is made if missing.

    Unchanged files are skipped. Indexing continues even if this command is stopped: in the server, or with the next
    command. The exit code is 1 if a document failed.
    """
    files, passed = files_below(paths)
    for path in passed:
        click.echo(f"skipped: {path} (unsupported file type)", err=True)
    provider, _, model_name = (model or "").rpartition("/")
    wishes = DatasetWishes(
        name=dataset, technique=technique, embedding_provider=provider or None, embedding_model=model_name or None
    )
    async with assembled(settings) as assembly:
        knowledge = assembly.knowledge
        try:
            found = await knowledge.datasets.find(dataset)
        except NotFound:
            if technique is None:
                wishes.technique = "high_quality" if "embedding" in assembly.default_models or model else "economy"
            found = await knowledge.datasets.create(wishes)
        there = {each.name: each for each in await knowledge.documents.all(found.id)}
        added = []
        for file in files:
            content = await asyncio.to_thread(file.path.read_bytes)
            old = there.pop(file.name, None)
            if old is not None and old.status != "error" and await knowledge.documents.source(old) == content:
                continue
            source = source_of(file.name, content, "")
            added.append(await knowledge.documents.add(found.id, source, wishes))
        removed = list(there.values()) if sync else []
        for document in removed:
            await knowledge.documents.delete(found.id, document.id)
        ids = {document.id for document in added}
        failed = len(await finish(knowledge, found.id, ids, quiet=as_json))
    unchanged = len(files) - len(added)
    counts = {"added": len(added) - failed, "unchanged": unchanged, "removed": len(removed), "failed": failed}
    show_entry({"dataset_id": found.id, **counts}, summary(found.name, counts), as_json=as_json)
    return 1 if failed else 0


_POLL_SECONDS = 0.2


async def finish(knowledge: Any, dataset_id: str, ids: set[str], *, quiet: bool, within: str = "") -> set[str]:
    """Index documents of a dataset, here or in a server, and wait for the end. Failed ones are printed. ``within``:
    Prefix of their names. Returns their names."""

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
    return {document.name for document in failed}


def summary(dataset: str, counts: Mapping[str, int]) -> str:
    """Summarise the documents' outcomes in a line."""
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return harmless(f"{dataset}: {told or 'nothing to do'}")
