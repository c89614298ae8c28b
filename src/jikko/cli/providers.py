"""Command ``jikko providers``, which shows and tests the providers of language models."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from jikko.apps.model_needs import Need, needs_of
from jikko.assemble import make_embedder, models_alone, providers_of
from jikko.cli.checking.dsl_sources import workflows_of
from jikko.cli.options import assembled, providers_option, record_exists, with_settings
from jikko.cli.output import show_entry, show_nothing, some
from jikko.ports.models import ModelFailure, ModelRequest, PromptMessage
from jikko.ports.other_models import EmbeddingRequest
from jikko.settings import Settings
from jikko.terminal_text import harmless


@click.group()
def providers() -> None:
    """Show and try the providers of language models."""


@providers.command("list", short_help="Show which workflows need which.")
@click.argument("files", nargs=-1, type=click.Path())
@providers_option
@with_settings
async def list_(settings: Settings, files: tuple[str, ...], as_json: bool) -> int:
    """List the configured providers, and which workflow needs which.

    Reads the imported apps, or DSL FILES and folders if given; prints a line for each needed provider, with --json for
    each node. The exit code is 1 if a workflow needs a missing provider, or is unreadable.
    """
    found = providers_of(settings)
    for config in found.entries.values():
        has_key = bool(config.api_key or config.credentials)
        entry = {
            "provider": config.id,
            "type": config.type,
            "base_url": config.base_url,
            "plugin": config.plugin,
            "has_key": has_key,
            "unset": list(config.unset),
            "max_concurrent": config.max_concurrent,
            "requests_per_minute": config.requests_per_minute,
        }
        key = "key set" if has_key else "no key"
        key = f"{' and '.join(config.unset)} not set in the environment" if config.unset else key
        where = config.base_url or config.plugin or Path(str(config.options.get("path", ""))).name
        about = ", ".join(filter(None, (f"{config.type} {where}".strip(), "" if config.type == "llama_cpp" else key)))
        show_entry(entry, f"{config.id}  ({about})", as_json=as_json)
    if not as_json:
        for purpose, (provider, name) in found.defaults.items():
            click.echo(harmless(f"default {purpose}: {provider} {name}"))
    if not found.entries:
        show_nothing("no providers: JIKKO_PROVIDERS or --providers names the file that has them", as_json=as_json)
    missing = 0
    wanted: dict[str, list[tuple[str, Need]]] = {}
    async for workflow, needs in _workflows(files, settings):
        missing += needs is None
        for need in needs or ():
            reached = found.find(need.provider)
            ok = reached is not None and not reached.unset
            missing += not ok
            wanted.setdefault(need.provider, []).append((workflow, need))
            if as_json:
                click.echo(json.dumps({"workflow": workflow, **need._asdict(), "ok": ok}, ensure_ascii=False))
    for provider, of in ({} if as_json else wanted).items():
        reached = found.find(provider)
        ok = reached is not None and not reached.unset
        models = ", ".join(some(list(dict.fromkeys(need.model for _, need in of)), "models", 5))
        places = list(dict.fromkeys(f"{workflow}: {need.node}" for workflow, need in of))
        where = ", ".join(some(places, "nodes", 2))
        click.echo(harmless(f"{'ok     ' if ok else 'MISSING'}  {provider} {models} ({where})"))
        if reached is None:
            click.echo(f"         add under 'providers:'\n       {found.line_to_add(provider)}")
    return 1 if missing else 0


@providers.command(short_help="Print a providers file for workflows.")
@click.argument("files", nargs=-1, type=click.Path())
@with_settings
async def init(settings: Settings, files: tuple[str, ...]) -> int:
    """Print the providers file that workflows need: jikko providers init FILES > providers.yml

    Reads the imported apps, or DSL FILES and folders if given. Keys, and addresses that only you know, are names of
    environment variables. The exit code is 1 if a workflow is unreadable.
    """
    found, unread = providers_of(replace(settings, providers=None)), 0
    needed: dict[str, None] = {}
    async for _, needs in _workflows(files, settings):
        unread += needs is None
        needed |= {need.provider: None for need in needs or ()}
    lines = [found.line_to_add(provider) for provider in needed]
    click.echo("\n".join(["providers:", *lines]) if lines else "providers: {}")
    variables = [name for line in lines for name in re.findall(r"\$\{(\w+)\}", line)]
    if variables:
        click.echo(f"Set {', '.join(variables)}, and JIKKO_PROVIDERS to the path of this file.", err=True)
    return 1 if unread else 0


async def _workflows(files: tuple[str, ...], settings: Settings) -> AsyncIterator[tuple[str, Any]]:
    """Iterate over names of workflows and their needs; ``None``, after an error line, for unreadable ones."""

    def needs(workflow: Any) -> Any:
        return needs_of((node.id, node.data) for node in workflow.document.nodes)

    async with AsyncExitStack() as stack:
        assembly = None
        if not files:
            services = assembled(settings, in_memory=not record_exists(settings))
            assembly = await stack.enter_async_context(services)
        async for each in workflows_of(files, assembly, needs):
            yield each


@providers.command(short_help="Try the key of each provider.")
@click.argument("names", nargs=-1)
@click.option("--model", help="Also ask this model for one word; it costs a few tokens.")
@click.option("--embedding", metavar="MODEL", help="Also ask this model for the vector of one word.")
@providers_option
@with_settings
async def test(
    settings: Settings, names: tuple[str, ...], model: str | None, embedding: str | None, as_json: bool
) -> int:
    """Test the key of each provider (or of those with these NAMES) by listing its models.

    The exit code is 0 if all answered.
    """
    failed = 0
    async with models_alone(settings) as models:
        found = models.connections.providers
        for name in names or tuple(found.entries):
            entry: dict[str, Any] = {"provider": name, "ok": True, "error": None}
            try:
                entry["models"] = await models.offered(name)
                if model:
                    asked = (PromptMessage("user", ("Say yes.",)),)
                    request = ModelRequest(provider=name, model=model, messages=asked, parameters={"max_tokens": 16})
                    entry["answer"] = (await models.complete(request)).text
                if embedding:
                    texts = EmbeddingRequest(provider=name, model=embedding, texts=("yes",))
                    entry["dimensions"] = len((await make_embedder(models).embed(texts)).vectors[0])
            except ModelFailure as failure:
                entry |= {"ok": False, "error": str(failure), "kind": failure.kind}
                failed += 1
            _show(entry, as_json)
    if not found.entries and not names:
        click.echo("No providers are set up. Set JIKKO_PROVIDERS to the path of a providers file.", err=True)
    return 1 if failed else 0


def _show(entry: dict[str, Any], as_json: bool) -> None:
    answer = f", answered {entry['answer']!r}" if "answer" in entry else ""
    answer += f", vectors of {entry['dimensions']} numbers" if "dimensions" in entry else ""
    line = harmless(f"FAILED  {entry['provider']}: {entry['error']}")
    if entry["ok"]:
        line = f"ok      {entry['provider']}: {', '.join(some(entry['models'], 'models', 5))}{answer}"
    show_entry(entry, line, as_json=as_json)
