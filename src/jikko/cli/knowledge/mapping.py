"""``jikko knowledge map``: what workflow files of other servers mean."""

import json
from pathlib import Path
from typing import Any

import click

from jikko.cli.options import home_option, json_option, run_async, settings_of


@click.command("map", short_help="Say which dataset a workflow file means.")
@click.argument("text", required=False)
@click.argument("dataset", required=False)
@click.option(
    "--workspace",
    metavar="ID",
    help="Understand ids that this workspace of a Dify has encrypted; datasets with the plain ids are meant by them.",
)
@click.option("--forget", is_flag=True, help="Forget what TEXT means, or the workspace.")
@home_option
@json_option
def map_(
    text: str | None, dataset: str | None, workspace: str | None, forget: bool, home: Path | None, as_json: bool
) -> None:
    """Have TEXT, as a workflow file names a dataset of another server, mean DATASET (name or id) here.

    Without arguments: list what is mapped.
    """
    if text is not None and workspace is not None:
        raise click.UsageError("Either TEXT or --workspace.")
    if text is not None and (dataset is None) != forget:
        raise click.UsageError("Say which DATASET it means, or --forget.")
    if text is None and workspace is None and forget:
        raise click.UsageError("Say what to forget: TEXT or --workspace.")
    run_async(_map(text, dataset, workspace, forget, settings_of(home=home), as_json))


async def _map(
    text: str | None, name: str | None, workspace: str | None, forget: bool, settings: Any, as_json: bool
) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        datasets, names = assembly.knowledge.datasets, assembly.knowledge.dataset_names
        if text is not None:
            await names.map(text, None if name is None else await datasets.find(name))
        if workspace is not None and not forget:
            await names.understand(workspace)
        elif workspace is not None and not await names.forget_workspace(workspace):
            raise click.ClickException(f"Encrypted ids of a workspace {workspace!r} are not understood.")
        for known, target in (await names.mapped()).items():
            fields = {"text": known, "dataset_id": target.id, "name": target.name}
            _show(fields, f"{known}  ->  {target.name} ({target.id})", as_json)
        for known in await names.workspaces():
            _show({"workspace_id": known}, f"encrypted by workspace {known}  ->  the plain id", as_json)


def _show(fields: dict[str, str], line: str, as_json: bool) -> None:
    click.echo(json.dumps(fields, ensure_ascii=False) if as_json else line)
