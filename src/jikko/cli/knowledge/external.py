"""``jikko knowledge external``: search services elsewhere, by Dify's contract of external knowledge."""

import sys
from typing import Any

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.options import with_assembly, with_new_assembly
from jikko.cli.output import show_entry, show_nothing


@click.group()
def external() -> None:
    """Search services elsewhere that speak Dify's contract of external knowledge."""


@external.command(short_help="Note where an API is.")
@click.argument("name")
@click.option("--endpoint", required=True, metavar="URL", help="Its address, without /retrieval at the end.")
@click.option("--api-key", metavar="KEY", help="Its key; - to read it from standard input.", required=True)
@with_new_assembly
async def add(assembly: Assembly, name: str, endpoint: str, api_key: str, as_json: bool) -> None:
    """Note where the API NAME is. Nothing is asked of it.

    A dataset searches it with "provider": "external", and its id as "external_knowledge_api_id".
    """
    key = sys.stdin.readline().strip() if api_key == "-" else api_key
    _show(await assembly.knowledge.external.add(name, endpoint, key), as_json)


def _show(api: Any, as_json: bool) -> None:
    entry = {"id": api.id, "name": api.name, "endpoint": api.endpoint}
    show_entry(entry, f"{api.id}  {api.name}  {api.endpoint}", as_json=as_json)


@external.command("list", short_help="List APIs.")
@with_assembly
async def list_(assembly: Assembly, as_json: bool) -> None:
    """List external knowledge APIs. Their keys are not shown."""
    known = await assembly.knowledge.external.all()
    if not known:
        show_nothing("no external knowledge APIs", as_json=as_json)
    for api in known:
        _show(api, as_json)


@external.command(short_help="Forget an API.")
@click.argument("name")
@with_assembly
async def remove(assembly: Assembly, name: str, as_json: bool) -> None:
    """Forget the API NAME (or id). Datasets that are searched there find nothing from then on."""
    await assembly.knowledge.external.delete(name)
    show_entry({"removed": name}, f"{name} removed", as_json=as_json)
