"""Command ``jikko tools``, which lists, tests and calls tools."""

import json
from collections.abc import Sequence
from typing import Any

import click
from msgspec.structs import replace

from jikko.assemble.assembly import Assembly
from jikko.cli.checking.dsl_sources import workflows_of
from jikko.cli.command_failure import Failure
from jikko.cli.options import assembled, record_exists, tools_option, with_settings
from jikko.cli.output import show_entry, some
from jikko.cli.running.given_inputs import pairs_of
from jikko.dsl.fields import did_you_mean
from jikko.errors import NotFound
from jikko.nodes.tools.conversion import NotConvertible, all_converted
from jikko.nodes.tools.tool import ToolNode
from jikko.ports.tools import ToolCall, ToolFailure, ToolNotFound
from jikko.settings import Settings


@click.group()
def tools() -> None:
    """Show, test and call the tools that workflows name."""


@tools.command("list", short_help="Show which workflows need which.")
@click.argument("files", nargs=-1, type=click.Path())
@click.option("--ask", is_flag=True, help="Ask MCP servers for their tools.")
@tools_option
@with_settings
async def list_(settings: Settings, files: tuple[str, ...], ask: bool, as_json: bool) -> int:
    """List the configured tools, and which workflow needs which.

    Reads the imported apps, or DSL FILES and folders if given. The exit code is 1 if a workflow needs a missing tool,
    or is unreadable.
    """
    missing = 0
    async with assembled(settings, in_memory=bool(files) or not record_exists(settings)) as assembly:
        for provider in assembly.tools.providers():
            if provider.provider_type == "mcp" and not ask:
                line = f"{_label(provider)}  (--ask asks for its tools)"
                show_entry({**_entry(provider), "tools": None}, line, as_json=as_json)
                continue
            try:
                found = await assembly.tools.offered(provider)
            except ToolNotFound as failure:
                entry = {**_entry(provider), "error": str(failure)}
                show_entry(entry, f"{_label(provider)}  {failure}", as_json=as_json)
                continue
            for tool in found:
                takes = [{"name": one.name, "type": one.type, "required": one.required} for one in tool.parameters]
                entry = {**_entry(provider), "tool": tool.name.tool, "description": tool.description, "takes": takes}
                show_entry(entry, f"{_label(provider)}/{tool.name.tool}  {tool.description}".rstrip(), as_json=as_json)
        for served in assembly.served_apps.all_served():
            address = f"/mcp/server/{served.code}/mcp"
            entry = {"type": "mcp_server", "app": served.app, "address": address, "active": served.active}
            line = f"{served.app}  is an MCP server at {address}{'' if served.active else ', which is not active'}"
            show_entry(entry, line, as_json=as_json)
        async for workflow, nodes in workflows_of(files, assembly, _tool_nodes):
            missing += nodes is None
            for title, name in nodes or ():
                what, hint = _lack(assembly.tools, name)
                missing += bool(what)
                entry = {"workflow": workflow, "node": title, "tool": str(name), "ok": not what}
                entry |= {"problem": what, "hint": hint} if what else {}
                line = f"{'MISSING' if what else 'ok     '}  {workflow}: {title}: {name}"
                line += f"\n         {what}\n         {hint}".rstrip() if what else ""
                show_entry(entry, line, as_json=as_json)
    return 1 if missing else 0


def _lack(tools: Any, name: Any) -> tuple[str, str]:
    """Return why a tool is not callable, as far as known without a call, and what to do; empty if it is."""
    try:
        tools.known(name)
    except ToolNotFound as failure:
        return failure.what.text(), "" if failure.remedy is None else failure.remedy.text()
    return "", ""


def _tool_nodes(workflow: Any) -> list[tuple[str, Any]]:
    """Return the titles of tool nodes, and their tools."""
    nodes = workflow.graph.nodes.values()
    return [(node.title or node.id, node.node.name) for node in nodes if isinstance(node.node, ToolNode)]


@tools.command(short_help="Ask each provider for its tools.")
@click.argument("names", nargs=-1)
@tools_option
@with_settings
async def test(settings: Settings, names: tuple[str, ...], as_json: bool) -> int:
    """Test each provider of the tools file (or those with these NAMES): its keys are set, its document is readable, its
    MCP server answers, its app exists; and the apps that are MCP servers. No tool is called.

    The exit code is 0 if all is well.
    """
    async with assembled(settings, in_memory=not record_exists(settings)) as assembly:
        return await _tried(assembly, names, as_json)


async def _tried(assembly: Assembly, names: tuple[str, ...], as_json: bool) -> int:
    failed = 0

    def show(entry: dict[str, Any], name: str, what: str = "", failure: Exception | None = None, **more: Any) -> None:
        nonlocal failed
        failed += failure is not None
        entry = {**entry, "ok": failure is None, "error": failure and str(failure), **more}
        show_entry(entry, f"FAILED  {name}: {failure}" if failure else f"ok      {name}: {what}", as_json=as_json)

    providers = [one for one in assembly.tools.providers() if one.provider_type not in ("builtin", "plugin")]
    chosen = [_chosen(name, assembly.tools.providers()) for name in names] or providers
    for provider in chosen:
        try:
            found = [tool.name.tool for tool in await assembly.tools.offered(provider)]
            show(_entry(provider), _label(provider), ", ".join(some(found)), tools=found)
        except ToolNotFound as failure:
            show(_entry(provider), _label(provider), failure=failure)
    served = [] if names else assembly.served_apps.all_served()
    for one in served:
        entry = {"type": "mcp_server", "app": one.app}
        try:
            await assembly.apps.find(one.app)
            show(entry, one.app, "an MCP server")
        except NotFound as failure:
            show(entry, one.app, failure=failure)
    if not chosen and not served:
        click.echo("No tools are set up. Set JIKKO_TOOLS to the path of a tools file.", err=True)
    return 1 if failed else 0


@tools.command(short_help="Call one tool and show its answer.")
@click.argument("tool", metavar="PROVIDER/TOOL")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--app", help="Call it with the credentials of this app.")
@tools_option
@with_settings
async def call(settings: Settings, tool: str, values: tuple[str, ...], app: str | None, as_json: bool) -> int:
    """Call a tool as a node would, and print each of its messages.

    PROVIDER is the key or the name of an entry of the tools file, or a built-in provider. Values are texts, and
    converted to the declared types: time/weekday year=2024 month=2 day=29
    """
    given = dict(pairs_of(values, "NAME=VALUE", "NAME=VALUE"))
    async with assembled(settings, in_memory=not record_exists(settings)) as assembly:
        provider_name, _, tool_name = tool.rpartition("/")
        app_id = (await assembly.apps.find(app)).id if app else ""
        try:
            provider = _chosen(provider_name, assembly.tools.providers())
            found = await assembly.tools.find(replace(provider, tool=tool_name), app_id=app_id)
            parameters = all_converted(given, found)
            unknown = [name for name in given if found.parameter(name) is None]
            if unknown:
                raise Failure(f"{tool} has no parameter {', '.join(unknown)}", code="invalid_param")
            call = ToolCall(tool=found, parameters=parameters, app_id=app_id, user="jikko tools call", key="call")
            await assembly.tools.call(call, lambda message: _echo_message(message, as_json))
        except (ToolNotFound, ToolFailure, NotConvertible) as failure:
            raise Failure(str(failure), code="tool_failed") from None
        finally:
            await assembly.runs.close(0)
    return 0


def _chosen(name: str, providers: Sequence[Any]) -> Any:
    """Return the provider with this key or name."""
    for provider in (*(one for one in providers if one.provider == name), *providers):
        if name in (provider.provider, provider.provider_name):
            return provider
    known = [one.provider_name or one.provider for one in providers]
    raise Failure(f"no provider {name!r}", code="not_found", hint=did_you_mean(name, known))


def _echo_message(message: Any, as_json: bool) -> None:
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    if "content" in fields:
        fields = {**fields, "content": f"{len(fields['content'])} bytes"}
    kind = type(message).__name__.removesuffix("Message").lower()
    if as_json:
        click.echo(json.dumps({"message": kind, **fields}, ensure_ascii=False, default=str))
        return
    text = fields["text"] if kind == "text" else json.dumps(fields, ensure_ascii=False, default=str)
    click.echo(text if kind == "text" else f"[{kind}] {text}")


def _entry(provider: Any) -> dict[str, Any]:
    return {"type": provider.provider_type, "provider": provider.provider, "name": provider.provider_name}


def _label(provider: Any) -> str:
    name = provider.provider_name or provider.provider
    return name if name == provider.provider else f"{name} ({provider.provider})"
