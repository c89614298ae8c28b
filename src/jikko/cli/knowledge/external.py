"""``jikko knowledge external``: search services elsewhere, by Dify's contract of external knowledge."""

import sys
from pathlib import Path
from typing import Any

import click

from jikko.cli.options import home_option, json_option, run_async, settings_of
from jikko.cli.shown import show_entry, show_nothing


@click.group(short_help="Search services elsewhere.")
def external() -> None:
    """Search services elsewhere that speak Dify's contract of external knowledge."""


@external.command(short_help="Note where an API is.")
@click.argument("name")
@click.option("--endpoint", required=True, metavar="URL", help="Its address, without /retrieval at the end.")
@click.option("--api-key", metavar="KEY", help="Its key; - to read it from standard input.", required=True)
@home_option
@json_option
def add(name: str, endpoint: str, api_key: str, home: Path | None, as_json: bool) -> None:
    """Note where the API NAME is. Nothing is asked of it.

    A dataset searches it with "provider": "external", and its id as "external_knowledge_api_id".
    """
    key = sys.stdin.readline().strip() if api_key == "-" else api_key
    run_async(_add(name, endpoint, key, settings_of(home=home), as_json))


async def _add(name: str, endpoint: str, api_key: str, settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        _show(await assembly.knowledge.external.add(name, endpoint, api_key), as_json)


def _show(api: Any, as_json: bool) -> None:
    entry = {"id": api.id, "name": api.name, "endpoint": api.endpoint}
    show_entry(entry, f"{api.id}  {api.name}  {api.endpoint}", as_json=as_json)


@external.command("list", short_help="List APIs.")
@home_option
@json_option
def list_(home: Path | None, as_json: bool) -> None:
    """List external knowledge APIs. Their keys are not shown."""
    run_async(_list(settings_of(home=home), as_json))


async def _list(settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        known = await assembly.knowledge.external.all()
        if not known:
            show_nothing("no external knowledge APIs", as_json=as_json)
        for api in known:
            _show(api, as_json)


@external.command(short_help="Forget an API.")
@click.argument("name")
@home_option
@json_option
def remove(name: str, home: Path | None, as_json: bool) -> None:
    """Forget the API NAME (or id). Datasets that are searched there find nothing from then on."""
    run_async(_remove(name, settings_of(home=home), as_json))


async def _remove(name: str, settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        await assembly.knowledge.external.delete(name)
    show_entry({"removed": name}, f"{name} removed", as_json=as_json)
