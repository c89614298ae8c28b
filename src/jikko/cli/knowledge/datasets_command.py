"""``jikko knowledge list``, ``show``, ``search`` and ``remove``."""

from typing import Any

import click
from msgspec.structs import replace

from jikko.assemble.assembly import Assembly
from jikko.cli.options import providers_option, with_assembly
from jikko.cli.output import show_entry, show_nothing
from jikko.cli.terminal import confirmed
from jikko.knowledge.retrieval.retrieval_model import retrieval_model_of
from jikko.ports.knowledge import SearchFailure


@click.command("list")
@with_assembly
async def list_(assembly: Assembly, as_json: bool) -> None:
    """List datasets, the newest first: id, technique, documents, characters, name."""
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


@click.command()
@click.argument("dataset")
@with_assembly
async def show(assembly: Assembly, dataset: str, as_json: bool) -> None:
    """Show the documents of DATASET (name or id), each with its status, and why it is in error."""
    knowledge = assembly.knowledge
    found = await knowledge.datasets.find(dataset)
    documents = await knowledge.documents.all(found.id)
    counts = await knowledge.documents.counts(documents)
    for document in documents:
        segments = counts[document.id].total
        entry: dict[str, Any] = {"id": document.id, "name": document.name, "status": document.status}
        entry |= {"segments": segments, "words": document.words}
        entry |= {"enabled": document.enabled, "error": document.error}
        why = f"  {document.error}" if document.error else ""
        text = f"{document.id}  {document.status:9}  {segments:5}  {document.name}{why}"
        show_entry(entry, text, as_json=as_json)


@click.command()
@click.argument("dataset")
@click.argument("query")
@click.option("--top", type=click.IntRange(1, 100), default=5, help="How many texts to show.")
@providers_option
@with_assembly
async def search(assembly: Assembly, dataset: str, query: str, top: int, as_json: bool) -> None:
    """Search DATASET (name or id) for QUERY, by its own settings."""
    found = await assembly.knowledge.datasets.find(dataset)
    model = replace(retrieval_model_of(found.retrieval_model), top_k=top)
    try:
        hits = await assembly.knowledge.retrieval.retrieve(found, query, model, None)
    except SearchFailure as failure:
        raise click.ClickException(str(failure)) from None
    for hit in hits:
        entry: dict[str, Any] = {"score": hit.score, "document": hit.document_name, "content": hit.content}
        entry |= {"segment_id": hit.segment_id, "answer": hit.answer}
        text = f"{hit.score:.3f}  {hit.document_name}: {' '.join(hit.content.split())[:300]}"
        show_entry(entry, text, as_json=as_json)


@click.command()
@click.argument("dataset")
@click.argument("documents", nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_assembly
async def remove(assembly: Assembly, dataset: str, documents: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Remove DOCUMENTS (names or ids) of DATASET; without any, the whole dataset with all that is in it."""
    knowledge = assembly.knowledge
    target = await knowledge.datasets.find(dataset)
    if not documents:
        if not yes and not confirmed(f"Remove the dataset {target.name!r} with all its documents?"):
            raise click.Abort
        await knowledge.datasets.delete(target.id)
        line = f"{target.name} removed"
    else:
        there = await knowledge.documents.all(target.id)
        for wanted in documents:
            document = next((each for each in there if wanted in (each.name, each.id)), None)
            if document is None:
                raise click.ClickException(f"{target.name} has no document {wanted!r}.")
            await knowledge.documents.delete(target.id, document.id)
        line = f"{len(documents)} removed"
    await knowledge.indexing.clean()
    show_entry({"dataset_id": target.id, "name": target.name, "documents": list(documents)}, line, as_json=as_json)
