"""``jikko knowledge map``: what workflow files of other servers mean."""

import click

from jikko.cli.options import assembled, existing, with_settings
from jikko.cli.output import show_entry
from jikko.settings import Settings


@click.command("map")
@click.argument("text", required=False)
@click.argument("dataset", required=False)
@click.option(
    "--workspace",
    metavar="ID",
    help="Understand ids that this workspace of a Dify has encrypted; datasets with the plain ids are meant by them.",
)
@click.option("--forget", is_flag=True, help="Forget what TEXT means, or the workspace.")
@with_settings
async def map_(
    settings: Settings, text: str | None, dataset: str | None, workspace: str | None, forget: bool, as_json: bool
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
    async with assembled(existing(settings)) as assembly:
        datasets, names = assembly.knowledge.datasets, assembly.knowledge.dataset_names
        if text is not None:
            await names.map(text, None if dataset is None else await datasets.find(dataset))
        if workspace is not None and not forget:
            await names.understand(workspace)
        elif workspace is not None and not await names.forget_workspace(workspace):
            raise click.ClickException(f"Encrypted ids of a workspace {workspace!r} are not understood.")
        for known, target in (await names.mapped()).items():
            fields = {"text": known, "dataset_id": target.id, "name": target.name}
            show_entry(fields, f"{known}  ->  {target.name} ({target.id})", as_json=as_json)
        for known in await names.workspaces():
            show_entry({"workspace_id": known}, f"encrypted by workspace {known}  ->  the plain id", as_json=as_json)
