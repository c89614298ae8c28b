"""``jikko knowledge import``: datasets of a Dify become datasets of here, with their ids."""

import json
import sys
from typing import Any

import aiohttp
import click

from jikko.cli.failure import Failure
from jikko.cli.knowledge.dify_service import DifyKnowledge
from jikko.cli.knowledge.given import ThereDataset, ThereDocument, fields_of, given_document
from jikko.cli.knowledge.waiting import finish
from jikko.cli.options import (
    assembled,
    home_option,
    json_option,
    providers_option,
    with_settings,
)
from jikko.errors import InvalidParam, JikkoError
from jikko.ports.stores.knowledge.records import UNDER_WAY
from jikko.settings import Settings
from jikko.terminal_text import harmless


@click.command("import")
@click.argument("datasets", nargs=-1, metavar="[DATASETS]...")
@click.option("--from-dify", "url", metavar="URL", required=True, help="Where it is, such as https://dify.example.")
@click.option(
    "--key",
    metavar="KEY",
    required=True,
    envvar="JIKKO_DIFY_KEY",
    show_envvar=True,
    help="A key of its knowledge API, which begins with dataset-; - to read it from standard input.",
)
@click.option("--model", metavar="PROVIDER/MODEL", help="Embed by this model here, instead of those that it has there.")
@home_option
@providers_option
@json_option
@with_settings
async def import_(
    settings: Settings,
    datasets: tuple[str, ...],
    url: str,
    key: str,
    model: str | None,
    as_json: bool,
) -> int:
    """Copy DATASETS (names or ids; by default all) with documents, segments, metadata and tags, over the API of a Dify.

    Datasets keep their ids, so that workflow files find them; texts are cut as they are there, and embedded here. Once
    more, it takes only what has changed. The exit code is 1 if something could not be taken.
    """
    provider, _, name = (model or "").rpartition("/")
    if model is not None and not (provider and name):
        raise click.UsageError("--model: say PROVIDER/MODEL.")
    key = sys.stdin.readline().strip() if key == "-" else key
    instead = (provider, name) if model else None
    failed = 0
    timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=120)
    async with aiohttp.ClientSession(timeout=timeout) as session, assembled(settings) as assembly:
        service = DifyKnowledge(session, url, key)
        there = [each async for each in service.each("/datasets", ThereDataset)]
        named = {text for each in there for text in (each.id, each.name)}
        if unknown := [each for each in datasets if each not in named]:
            raise Failure(f"There is no dataset {', '.join(map(repr, unknown))} at {url}.", code="not_found")
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
    """Copy one dataset. Returns how many of its documents are in error, or could not be taken."""

    fields, built_in = await fields_of(service, there.id)
    dataset = await knowledge.imports.dataset(there.wishes(model), [tag.name for tag in there.tags], fields)
    own = {each.name: each for each in await knowledge.documents.all(dataset.id)}
    listed = [each async for each in service.each(f"/datasets/{there.id}/documents", ThereDocument)]
    taken: dict[str, str] = {}
    changed = passed = 0
    # The newest is listed first; here they are to have the order that they have there.
    for each in reversed(listed):
        if each.indexing_status != "completed":
            click.echo(harmless(f"left out: {there.name}/{each.name} (is {each.indexing_status} there)"), err=True)
            passed += 1
            continue
        given = await given_document(service, there.id, each)
        while given.name in taken:
            given.name += f" ({each.id[:8]})"
        taken[given.name] = given.id
        try:
            changed += await knowledge.imports.document(dataset, given, own.get(given.name))
        except InvalidParam as error:
            click.echo(harmless(f"{there.name}/{each.name}: {error}"), err=True)
            passed += 1
    await knowledge.imports.finish(dataset, built_in_fields=built_in)
    waits = {each.id for each in await knowledge.documents.all(dataset.id) if each.status in UNDER_WAY}
    await finish(knowledge, dataset.id, waits, quiet=as_json)
    ended = [each for each in await knowledge.documents.all(dataset.id) if each.id in waits]
    failed = [each for each in ended if each.status == "error"]
    for document in failed:
        click.echo(harmless(f"{there.name}/{document.name}: {document.error}"), err=True)
    counts = {"added": changed, "unchanged": len(taken) - changed, "failed": len(failed) + passed}
    if as_json:
        click.echo(json.dumps({"dataset_id": dataset.id, "name": dataset.name, **counts}, ensure_ascii=False))
    else:
        summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        click.echo(harmless(f"{dataset.name}: {summary or 'nothing to do'}"))
    return counts["failed"]
