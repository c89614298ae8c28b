"""Commands ``jikko knowledge add|import``: documents from files, and datasets of a Dify server with their ids."""

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import click
from msgspec import Struct, field

from jikko.cli.command_failure import Failure
from jikko.cli.dify_service import TIMEOUT, DifyService
from jikko.cli.options import assembled, providers_option, variable_option, with_settings
from jikko.cli.output import show_entry
from jikko.cli.terminal import key_given
from jikko.errors import InvalidParam, JikkoError, NotFound
from jikko.knowledge.datasets import DatasetWishes
from jikko.knowledge.documents import NewSource, source_of
from jikko.knowledge.files import EXTENSIONS, is_readable
from jikko.knowledge.imports import GivenChild, GivenDocument, GivenField, GivenSegment, GivenValue
from jikko.knowledge.retrieval.retrieval_model import checked_retrieval_model
from jikko.ports.stores.knowledge_records import UNDER_WAY
from jikko.repositories.knowledge.dataset_repository import DatasetNameTaken
from jikko.settings import Settings
from jikko.terminal_text import harmless


class LocalSource(NamedTuple):
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
                wishes.technique = "high_quality" if model else knowledge.datasets.usual_technique
            with suppress(DatasetNameTaken):  # a concurrent command has just created it
                await knowledge.datasets.create(wishes)
            found = await knowledge.datasets.find(dataset)
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
            with suppress(NotFound):  # a concurrent command has just removed it
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


@click.command("import")
@click.argument("datasets", nargs=-1, metavar="[DATASETS]...")
@click.option(
    "--from-dify",
    "--url",
    "url",
    metavar="URL",
    required=True,
    help="Address of the server, such as https://dify.example.",
)
@variable_option(
    "--key",
    variable="DIFY_KEY",
    metavar="KEY",
    required=True,
    help="A key of its knowledge API, dataset-…; - to read it from standard input.",
)
@click.option("--model", metavar="PROVIDER/MODEL", help="Embed with this model here, instead of those used there.")
@providers_option
@with_settings
async def import_(
    settings: Settings, datasets: tuple[str, ...], url: str, key: str, model: str | None, as_json: bool
) -> int:
    """Copy DATASETS (names or ids; by default all) with documents, segments, metadata and tags, through the API of a
    Dify server.

    Datasets keep their ids, so that workflow files find them; segments stay as they are there, and are embedded here. A
    repeated import copies only what has changed. The exit code is 1 if something could not be copied.
    """
    provider, _, name = (model or "").rpartition("/")
    if model is not None and not (provider and name):
        raise click.UsageError("--model: expected PROVIDER/MODEL.")
    key = key_given(key, "--key")
    instead = (provider, name) if model else None
    failed = 0
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session, assembled(settings) as assembly:
        takes = "a key of the knowledge API, which begins with dataset-"
        service = DifyService(session, assembly.ports.http, url, key, takes=takes)
        there = [each async for each in service.numbered("/datasets", ThereDataset)]
        named = {text for each in there for text in (each.id, each.name)}
        if unknown := [each for each in datasets if each not in named]:
            raise Failure(f"No dataset {', '.join(map(repr, unknown))} at {url}.", code="not_found")
        for each in there:
            if datasets and each.id not in datasets and each.name not in datasets:
                continue
            if each.provider == "external":
                click.echo(
                    harmless(f"left out: {each.name} (its texts are elsewhere: see knowledge external)"), err=True
                )
                continue
            try:
                failed += await _one(assembly.knowledge, service, each, instead, as_json)
            except JikkoError as error:
                click.echo(harmless(f"{each.name}: {error}"), err=True)
                failed += 1
    return 1 if failed else 0


async def _one(knowledge: Any, service: Any, there: Any, model: tuple[str, str] | None, as_json: bool) -> int:
    """Copy one dataset. Returns the number of documents that failed, or could not be copied."""
    fields, built_in = await fields_of(service, there.id)
    dataset = await knowledge.imports.dataset(there.wishes(model), [tag.name for tag in there.tags], fields)
    own = {each.name: each for each in await knowledge.documents.all(dataset.id)}
    listed = [each async for each in service.numbered(f"/datasets/{there.id}/documents", ThereDocument)]
    taken: dict[str, str] = {}
    changed: set[str] = set()
    failed: set[str] = set()
    left_out = 0
    # The newest is first; here they get their original order.
    for each in reversed(listed):
        if each.indexing_status != "completed":
            click.echo(harmless(f"left out: {there.name}/{each.name} (is {each.indexing_status} there)"), err=True)
            left_out += 1
            continue
        given = await given_document(service, there.id, each)
        while given.name in taken:
            given.name += f" ({each.id[:8]})"
        taken[given.name] = given.id
        try:
            if await knowledge.imports.document(dataset, given, own.get(given.name)):
                changed.add(given.name)
        except InvalidParam as error:
            click.echo(harmless(f"{there.name}/{each.name}: {error}"), err=True)
            failed.add(given.name)
    await knowledge.imports.finish(dataset, built_in_fields=built_in)
    waits = {each.id for each in await knowledge.documents.all(dataset.id) if each.status in UNDER_WAY}
    failed |= await finish(knowledge, dataset.id, waits, quiet=as_json, within=f"{there.name}/")
    unchanged = len(taken.keys() - changed - failed)
    counts = {"added": len(changed - failed), "unchanged": unchanged, "failed": left_out + len(failed)}
    entry = {"dataset_id": dataset.id, "name": dataset.name, **counts}
    show_entry(entry, summary(dataset.name, counts), as_json=as_json)
    return counts["failed"]


class ThereTag(Struct):
    name: str


class ThereDataset(Struct):
    id: str
    name: str
    description: str | None = None
    provider: str = "vendor"
    permission: str | None = None
    indexing_technique: str | None = None
    embedding_model: str | None = None
    embedding_model_provider: str | None = None
    retrieval_model_dict: dict[str, Any] | None = None
    tags: list[ThereTag] = field(default_factory=list)

    def wishes(self, model: tuple[str, str] | None) -> DatasetWishes:
        """Return its settings here. ``model``: Provider and embedding model to use instead."""
        provider, name = model or (self.embedding_model_provider, self.embedding_model)
        by_vectors = self.indexing_technique == "high_quality"
        try:
            retrieval_model = checked_retrieval_model(self.retrieval_model_dict)
        except InvalidParam:
            retrieval_model = None
        return DatasetWishes(
            id=self.id,
            name=self.name,
            description=self.description,
            permission=self.permission,
            technique=self.indexing_technique,
            embedding_provider=provider if by_vectors else None,
            embedding_model=name if by_vectors else None,
            retrieval_model=retrieval_model,
        )


class ThereDocument(Struct):
    id: str
    name: str
    indexing_status: str


class _Detail(Struct):
    doc_form: str
    enabled: bool
    archived: bool
    word_count: int = 0
    doc_language: str | None = None
    document_process_rule: dict[str, Any] | None = None
    doc_metadata: list[GivenValue] | None = None
    data_source_info: dict[str, Any] | None = None


class _Fields(Struct):
    doc_metadata: list[GivenField]
    built_in_field_enabled: bool = False


async def fields_of(service: DifyService, dataset_id: str) -> tuple[list[GivenField], bool]:
    """Return the metadata fields of a dataset, and whether the built-in ones are on. Raises ``Failure``."""
    found = await service.one(f"/datasets/{dataset_id}/metadata", _Fields)
    return found.doc_metadata, found.built_in_field_enabled


async def given_document(service: DifyService, dataset_id: str, document: ThereDocument) -> GivenDocument:
    """Return a document with all its segments. Raises ``Failure``."""
    at = f"/datasets/{dataset_id}/documents/{document.id}"
    detail = await service.one(at, _Detail)
    segments = [each async for each in service.numbered(f"{at}/segments", GivenSegment)]
    segments.sort(key=lambda each: each.position)
    if detail.doc_form == "hierarchical_model":
        for each in segments:
            # Lists show the children of parents that are not whole documents.
            children = service.numbered(f"{at}/segments/{each.id}/child_chunks", GivenChild)
            each.children = each.children or [child async for child in children]
    return GivenDocument(
        id=document.id,
        name=document.name,
        form=detail.doc_form,
        language=detail.doc_language or "English",
        rule=detail.document_process_rule,
        enabled=detail.enabled,
        archived=detail.archived,
        words=detail.word_count or sum(len(each.content) for each in segments),
        values=[each for each in detail.doc_metadata or () if each.id != "built-in"],
        segments=segments,
        source=await _source(service, at, detail.data_source_info or {}),
    )


async def _source(service: DifyService, at: str, info: dict[str, Any]) -> NewSource | None:
    """Return the file behind a document, if the server provides it."""
    file = info.get("upload_file")
    if not isinstance(file, dict) or not isinstance(file.get("name"), str):
        return None
    url = (await service.one(f"{at}/download", dict[str, Any])).get("url")
    content = await service.file(url) if isinstance(url, str) else None
    if content is None:
        return None
    extension, mime_type = str(file.get("extension") or "txt"), str(file.get("mime_type") or "text/plain")
    return NewSource(file["name"], content, mime_type, extension)
