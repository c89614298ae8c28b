"""Commands ``jikko knowledge list|show|search|remove|keys|external|map``."""

import sys
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from jikko.apps.key_files import write_key
from jikko.assemble.assembly import Assembly
from jikko.cli.apps.apps import or_revoked
from jikko.cli.command_failure import Failure
from jikko.cli.options import (
    assembled,
    existing,
    providers_option,
    to_option,
    with_assembly,
    with_new_assembly,
    with_settings,
)
from jikko.cli.output import ago, show_entry, show_nothing, show_table
from jikko.cli.terminal import confirmed, key_given
from jikko.errors import NotFound
from jikko.knowledge.retrieval.retrieval_model import retrieval_model_of
from jikko.ports.knowledge import SearchFailure
from jikko.settings import Settings


@click.command("list")
@with_assembly
async def list_(assembly: Assembly, as_json: bool) -> None:
    """List datasets, the newest first."""
    views = await assembly.knowledge.datasets.all_views()
    if not views:
        show_nothing("no datasets yet; `jikko knowledge add NAME FILES` makes one", as_json=as_json)
    rows = []
    for view in views:
        dataset, counts = view.dataset, view.counts
        technique = "external" if dataset.provider == "external" else dataset.technique or "-"
        entry: dict[str, Any] = {"id": dataset.id, "name": dataset.name, "technique": technique}
        entry |= {"documents": counts.documents, "words": counts.words}
        rows.append((entry, (dataset.id, technique, str(counts.documents), str(counts.words), dataset.name)))
    show_table(("DATASET", "TECHNIQUE", "DOCUMENTS", "CHARACTERS", "NAME"), rows, as_json=as_json)


@click.command()
@click.argument("dataset")
@with_assembly
async def show(assembly: Assembly, dataset: str, as_json: bool) -> None:
    """Show the documents of DATASET (name or id), each with its status, and its error if it failed."""
    knowledge = assembly.knowledge
    found = await knowledge.datasets.find(dataset)
    documents = await knowledge.documents.all(found.id)
    counts = await knowledge.documents.counts(documents)
    rows = []
    for document in documents:
        segments = counts[document.id].total
        entry: dict[str, Any] = {"id": document.id, "name": document.name, "status": document.status}
        entry |= {"segments": segments, "words": document.words}
        entry |= {"enabled": document.enabled, "error": document.error}
        rows.append((entry, (document.id, document.status, str(segments), document.name, document.error or "")))
    show_table(("DOCUMENT", "STATUS", "SEGMENTS", "NAME", "ERROR"), rows, as_json=as_json)


@click.command()
@click.argument("dataset")
@click.argument("query")
@click.option("--top", type=click.IntRange(1, 100), default=5, show_default=True, help="Number of segments to show.")
@providers_option
@with_assembly
async def search(assembly: Assembly, dataset: str, query: str, top: int, as_json: bool) -> None:
    """Search DATASET (name or id) for QUERY, with its own settings."""
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
    """Remove DOCUMENTS (names or ids) of DATASET; without any, the whole dataset."""
    knowledge = assembly.knowledge
    target = await knowledge.datasets.find(dataset)
    if not documents:
        if not yes and not confirmed(f"Remove the dataset {target.name!r} with all its documents?"):
            raise Failure("nothing was removed", code="declined")
        await knowledge.datasets.delete(target.id)
        line = f"{target.name} removed"
    else:
        there = await knowledge.documents.all(target.id)
        for wanted in documents:
            document = next((each for each in there if wanted in (each.name, each.id)), None)
            if document is None:
                raise NotFound(f"{target.name} has no document {wanted!r}.")
            await knowledge.documents.delete(target.id, document.id)
        line = f"{len(documents)} removed"
    await knowledge.indexing.clean()
    show_entry({"dataset_id": target.id, "name": target.name, "documents": list(documents)}, line, as_json=as_json)


@click.group()
def keys() -> None:
    """Keys that start with `dataset-`. Each opens all datasets, through /v1/datasets."""


@keys.command(short_help="Make a key.")
@to_option("Write the key to FILE, readable only by its owner, and do not show it.")
@with_settings
async def create(settings: Settings, file: Path | None, as_json: bool) -> None:
    """Make a key. It is shown only now: on a terminal and with --json. Otherwise name a file for it."""
    if file is None and not as_json and not sys.stdout.isatty():
        raise click.UsageError("Choose where the key goes: --to FILE, or --json.")
    async with assembled(settings) as assembly:
        key, kept = await assembly.knowledge.keys.create()
        if file is not None:
            async with or_revoked("key", lambda: assembly.knowledge.keys.delete(kept.id)):
                write_key(file, key)
    entry = {"id": kept.id, "api_key": key if file is None else None, "file": file and str(file)}
    show_entry(entry, f"{key}  (shown only now)" if file is None else f"in {file}", as_json=as_json)


@keys.command("list", short_help="List keys.")
@with_assembly
async def list_keys(assembly: Assembly, as_json: bool) -> None:
    """List keys, the oldest first. Only the beginning of each is known."""
    known = await assembly.knowledge.keys.all()
    if not known:
        show_nothing("no keys yet; `jikko knowledge keys create` makes one", as_json=as_json)
    rows = [
        ({"id": key.id, "hint": key.hint, "created_at": key.created_at}, (key.id, key.hint, ago(key.created_at)))
        for key in known
    ]
    show_table(("KEY", "BEGINS WITH", "MADE"), rows, as_json=as_json)


@keys.command(short_help="Remove a key.")
@click.argument("key_id")
@with_assembly
async def revoke(assembly: Assembly, key_id: str, as_json: bool) -> None:
    """Remove the key with this KEY_ID (see `list`). It opens nothing from now on."""
    await assembly.knowledge.keys.delete(key_id)
    show_entry({"revoked": key_id}, f"{key_id} revoked", as_json=as_json)


@click.group()
def external() -> None:
    """External search services with Dify's external knowledge API."""


@external.command(short_help="Add an API.")
@click.argument("name")
@click.option("--endpoint", required=True, metavar="URL", help="Its address, without /retrieval at the end.")
@click.option("--api-key", metavar="KEY", help="Its key; - to read it from standard input.", required=True)
@with_new_assembly
async def add(assembly: Assembly, name: str, endpoint: str, api_key: str, as_json: bool) -> None:
    """Store the address of the API NAME, without calling it.

    A dataset searches it with "provider": "external", and its id as "external_knowledge_api_id".
    """
    key = key_given(api_key, "--api-key")
    _show(await assembly.knowledge.external.add(name, endpoint, key), as_json)


def _show(api: Any, as_json: bool) -> None:
    entry = {"id": api.id, "name": api.name, "endpoint": api.endpoint}
    show_entry(entry, f"{api.id}  {api.name}  {api.endpoint}", as_json=as_json)


@external.command("list", short_help="List APIs.")
@with_assembly
async def list_apis(assembly: Assembly, as_json: bool) -> None:
    """List external knowledge APIs. Their keys are not shown."""
    known = await assembly.knowledge.external.all()
    if not known:
        show_nothing("no external knowledge APIs", as_json=as_json)
    for api in known:
        _show(api, as_json)


@external.command("remove", short_help="Remove an API.")
@click.argument("name")
@with_assembly
async def remove_api(assembly: Assembly, name: str, as_json: bool) -> None:
    """Remove the API NAME (or id). Its datasets find nothing from now on."""
    await assembly.knowledge.external.delete(name)
    show_entry({"removed": name}, f"{name} removed", as_json=as_json)


@click.command("map")
@click.argument("text", required=False)
@click.argument("dataset", required=False)
@click.option(
    "--workspace", metavar="ID", help="Decrypt dataset ids that this workspace of a Dify server has encrypted."
)
@click.option("--forget", is_flag=True, help="Remove the mapping of TEXT, or the workspace.")
@with_settings
async def map_(
    settings: Settings, text: str | None, dataset: str | None, workspace: str | None, forget: bool, as_json: bool
) -> None:
    """Map TEXT, the name of another server's dataset in workflow files, to DATASET (name or id) here.

    Without arguments: list the mappings.
    """
    if text is not None and workspace is not None:
        raise click.UsageError("Either TEXT or --workspace.")
    if text is not None and (dataset is None) != forget:
        raise click.UsageError("Give the DATASET that it means, or --forget.")
    if text is None and workspace is None and forget:
        raise click.UsageError("Give what to forget: TEXT or --workspace.")
    async with assembled(existing(settings)) as assembly:
        datasets, names = assembly.knowledge.datasets, assembly.knowledge.dataset_names
        if text is not None:
            await names.map(text, None if dataset is None else await datasets.find(dataset))
        if workspace is not None and not forget:
            await names.understand(workspace)
        elif workspace is not None and not await names.forget_workspace(workspace):
            raise click.ClickException(f"Encrypted ids of a workspace {workspace!r} are not understood.")
        mapped, workspaces = await names.mapped(), await names.workspaces()
        if not mapped and not workspaces:
            show_nothing("no mappings yet; `jikko knowledge map TEXT DATASET` makes one", as_json=as_json)
        for known, target in mapped.items():
            fields = {"text": known, "dataset_id": target.id, "name": target.name}
            show_entry(fields, f"{known}  ->  {target.name} ({target.id})", as_json=as_json)
        for known in workspaces:
            show_entry({"workspace_id": known}, f"encrypted by workspace {known}  ->  the plain id", as_json=as_json)
