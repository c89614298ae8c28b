"""``jikko knowledge add``: files become documents of a dataset."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from jikko.cli.knowledge.sources import SourceFile, files_below
from jikko.cli.knowledge.waiting import finish
from jikko.cli.options import home_option, json_option, providers_option, run_async, settings_of
from jikko.terminal_text import harmless


@click.command(short_help="Add files to a dataset.")
@click.argument("dataset")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--technique",
    type=click.Choice(["high_quality", "economy"]),
    help="Of a new dataset: high_quality finds by vectors (an embedding model), economy by keywords.",
)
@click.option("--model", metavar="PROVIDER/MODEL", help="Of a new dataset: the embedding model, if not the default.")
@click.option("--separator", help="Where texts are cut; \\n for a line break. By default they are cut automatically.")
@click.option("--size", type=click.IntRange(50, 4000), help="Characters of a chunk, with --separator.  [default: 500]")
@click.option("--sync", is_flag=True, help="Remove documents of the dataset that are not among the files.")
@home_option
@providers_option
@json_option
def add(
    dataset: str,
    paths: tuple[Path, ...],
    technique: str | None,
    model: str | None,
    separator: str | None,
    size: int | None,
    sync: bool,
    home: Path | None,
    providers: Path | None,
    as_json: bool,
) -> None:
    """Have files, and those in folders, become documents of DATASET (name or id), which is made if it is missing.

    Files that are there already, and have not changed, are left alone. What has begun is finished even if this is
    stopped: by the server, or by the next command. The exit code is 1 if a document is in error.
    """
    if size is not None and separator is None:
        raise click.UsageError("--size goes with --separator.")
    files, passed = files_below(paths)
    for path in passed:
        click.echo(f"left out: {path} (not a kind of file that is read)", err=True)
    rule = None
    if separator is not None:
        segmentation = {"separator": separator, "max_tokens": size or 500, "chunk_overlap": 0}
        rules = {"pre_processing_rules": [{"id": "remove_extra_spaces", "enabled": True}], "segmentation": segmentation}
        rule = {"mode": "custom", "rules": rules}
    settings = settings_of(home=home, providers=providers)
    failed = run_async(_add(dataset, files, technique, model, rule, sync, settings, as_json))
    sys.exit(1 if failed else 0)


async def _add(
    name: str,
    files: Sequence[SourceFile],
    technique: str | None,
    model: str | None,
    rule: Any,
    sync: bool,
    settings: Any,
    as_json: bool,
) -> int:
    from jikko.assemble import assemble
    from jikko.errors import NotFound
    from jikko.knowledge.datasets import DatasetWishes
    from jikko.knowledge.sources import source_of

    provider, _, model_name = (model or "").rpartition("/")
    wishes = DatasetWishes(
        name=name, technique=technique, embedding_provider=provider or None, embedding_model=model_name or None
    )
    async with assemble(settings) as assembly:
        knowledge = assembly.knowledge
        try:
            dataset = await knowledge.datasets.find(name)
        except NotFound:
            if technique is None:
                wishes.technique = "high_quality" if "embedding" in assembly.default_models or model else "economy"
            dataset = await knowledge.datasets.create(wishes)
        there = {each.name: each for each in await knowledge.documents.all(dataset.id)}
        added = []
        for file in files:
            content = await asyncio.to_thread(file.path.read_bytes)
            old = there.pop(file.name, None)
            if old is not None and old.status != "error" and await knowledge.documents.source(old) == content:
                continue
            source = source_of(file.name, content, "")
            added.append(await knowledge.documents.add(dataset.id, source, wishes, rule=rule))
        removed = list(there.values()) if sync else []
        for document in removed:
            await knowledge.documents.delete(dataset.id, document.id)
        ids = {document.id for document in added}
        await finish(knowledge, dataset.id, ids, quiet=as_json)
        ended = [each for each in await knowledge.documents.all(dataset.id) if each.id in ids]
        failed = [each for each in ended if each.status == "error"]
        for document in failed:
            click.echo(harmless(f"{document.name}: {document.error}"), err=True)
        entry = {
            "dataset_id": dataset.id,
            "added": len(added),
            "unchanged": len(files) - len(added),
            "removed": len(removed),
            "failed": len(failed),
        }
    if as_json:
        click.echo(json.dumps(entry))
    else:
        counts = ", ".join(
            f"{entry[each]} {each}" for each in ("added", "unchanged", "removed", "failed") if entry[each]
        )
        click.echo(harmless(f"{dataset.name}: {counts or 'nothing to do'}"))
    return len(failed)
