"""``jikko knowledge list``, ``show``, ``search`` and ``remove``."""

from pathlib import Path
from typing import Any

import click

from jikko.cli.options import home_option, json_option, providers_option, run_async, settings_of
from jikko.cli.shown import show_entry, show_nothing


@click.command("list", short_help="List datasets.")
@home_option
@json_option
def list_(home: Path | None, as_json: bool) -> None:
    """List datasets, the newest first: id, technique, documents, characters, name."""
    run_async(_list(settings_of(home=home), as_json))


async def _list(settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        views = await assembly.knowledge.datasets.all_views()
        if not views:
            show_nothing("no datasets yet; `jikko knowledge add NAME FILES` makes one", as_json=as_json)
        for view in views:
            dataset, counts = view.dataset, view.counts
            technique = "external" if dataset.provider == "external" else dataset.technique or "-"
            entry: dict[str, Any] = {"id": dataset.id, "name": dataset.name, "technique": technique}
            entry |= {"documents": counts.documents, "words": counts.words}
            text = f"{dataset.id}  {technique:12}  {counts.documents:5}  {counts.words:9}  {dataset.name}"
            show_entry(entry, text, as_json=as_json)


@click.command(short_help="Show the documents of a dataset.")
@click.argument("dataset")
@home_option
@json_option
def show(dataset: str, home: Path | None, as_json: bool) -> None:
    """Show the documents of DATASET (name or id), each with its status, and why it is in error."""
    run_async(_show(dataset, settings_of(home=home), as_json))


async def _show(name: str, settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        knowledge = assembly.knowledge
        dataset = await knowledge.datasets.find(name)
        documents = await knowledge.documents.all(dataset.id)
        counts = await knowledge.documents.counts(documents)
        for document in documents:
            segments = counts[document.id].total
            entry: dict[str, Any] = {
                "id": document.id,
                "name": document.name,
                "status": document.status,
                "segments": segments,
            }
            entry |= {"words": document.words, "enabled": document.enabled, "error": document.error}
            why = f"  {document.error}" if document.error else ""
            text = f"{document.id}  {document.status:9}  {segments:5}  {document.name}{why}"
            show_entry(entry, text, as_json=as_json)


@click.command(short_help="Search a dataset.")
@click.argument("dataset")
@click.argument("query")
@click.option("--top", type=click.IntRange(1, 100), default=5, help="How many texts to show.")
@home_option
@providers_option
@json_option
def search(dataset: str, query: str, top: int, home: Path | None, providers: Path | None, as_json: bool) -> None:
    """Search DATASET (name or id) for QUERY, by its own settings."""
    run_async(_search(dataset, query, top, settings_of(home=home, providers=providers), as_json))


async def _search(name: str, query: str, top: int, settings: Any, as_json: bool) -> None:
    from msgspec.structs import replace

    from jikko.assemble import assemble
    from jikko.knowledge.retrieval.model import retrieval_model_of
    from jikko.ports.knowledge import SearchFailure

    async with assemble(settings) as assembly:
        dataset = await assembly.knowledge.datasets.find(name)
        model = replace(retrieval_model_of(dataset.retrieval_model), top_k=top)
        try:
            hits = await assembly.knowledge.retrieval.retrieve(dataset, query, model, None)
        except SearchFailure as failure:
            raise click.ClickException(str(failure)) from None
        for hit in hits:
            entry: dict[str, Any] = {"score": hit.score, "document": hit.document_name, "content": hit.content}
            entry |= {"segment_id": hit.segment_id, "answer": hit.answer}
            text = f"{hit.score:.3f}  {hit.document_name}: {' '.join(hit.content.split())[:300]}"
            show_entry(entry, text, as_json=as_json)


@click.command(short_help="Remove a dataset, or some of its documents.")
@click.argument("dataset")
@click.argument("documents", nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
@json_option
def remove(dataset: str, documents: tuple[str, ...], yes: bool, home: Path | None, as_json: bool) -> None:
    """Remove DOCUMENTS (names or ids) of DATASET; without any, the whole dataset with all that is in it."""
    run_async(_remove(dataset, documents, yes, settings_of(home=home), as_json))


async def _remove(name: str, documents: tuple[str, ...], yes: bool, settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        knowledge = assembly.knowledge
        dataset = await knowledge.datasets.find(name)
        if not documents:
            if not yes:
                click.confirm(f"Remove the dataset {dataset.name!r} with all its documents?", abort=True, err=True)
            await knowledge.datasets.delete(dataset.id)
            line = f"{dataset.name} removed"
        else:
            there = await knowledge.documents.all(dataset.id)
            for wanted in documents:
                found = next((each for each in there if wanted in (each.name, each.id)), None)
                if found is None:
                    raise click.ClickException(f"{dataset.name} has no document {wanted!r}.")
                await knowledge.documents.delete(dataset.id, found.id)
            line = f"{len(documents)} removed"
        await knowledge.indexing.clean()
    show_entry({"dataset_id": dataset.id, "name": dataset.name, "documents": list(documents)}, line, as_json=as_json)
