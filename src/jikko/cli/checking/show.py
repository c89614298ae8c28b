"""Command ``jikko show``, which summarises a DSL file."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from jikko.apps.versions import check
from jikko.cli.apps.environment_options import env_of, env_options
from jikko.cli.checking.dsl_sources import DslSource, base_of, command_line, curl_line, dsl_sources, outside_of
from jikko.cli.options import home_option, json_option, settings_of
from jikko.cli.terminal import padded, width
from jikko.dsl.text.positions import Positions
from jikko.errors import InvalidEnvironment
from jikko.forecast.description import describe
from jikko.forecast.forecast import app_name
from jikko.nodes.registry import BY_TYPE
from jikko.terminal_text import printable, shown

_COUNTED = {"text-input": "characters", "paragraph": "characters", "file-list": "files"}
"""Units of inputs' limits. Other types have no limit, whatever the file says."""
_LIMITS = (
    ("options", "one of {}"),
    ("allowed_file_types", "files of type {}"),
    ("allowed_file_extensions", "with the ending {}"),
    ("allowed_file_upload_methods", "given as {}"),
)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@env_options
@home_option
@json_option
def show(files: tuple[str, ...], env: tuple[str, ...], env_file: Path | None, home: Path | None, as_json: bool) -> None:
    """Show the inputs, nodes and outputs of DSL FILES.

    Inputs with their types and limits, outputs with their sources, nodes, models, environment variables, hosts of
    requests, forms, and commands that start a run. A folder stands for all *.yml and *.yaml files below it, and - for
    standard input. Outside values for environment variables count: options, JIKKO_ENV_…, jikko.toml, and values that
    `jikko apps env` has set in the data folder for the app of that name. The commands are for the server of the data
    folder; if none is running, for one with these settings.

    The exit code is 1 if a file cannot be imported; `jikko check` shows why.
    """
    settings = settings_of(env=env_of(env, env_file), home=home)
    outside, base = outside_of(settings), base_of(settings)
    failed = False
    for number, source in enumerate(dsl_sources(files)):
        entry = _entry(source, outside, base)
        failed = failed or bool(entry["error"])
        if as_json:
            click.echo(shown(json.dumps(entry, ensure_ascii=False)))
        elif entry["error"]:
            click.echo(printable(f"{source.name}: {entry['error']}"), err=True)
        else:
            click.echo(shown("\n".join([""] * bool(number) + [printable(line) for line in _lines(entry)])))
    if failed:
        sys.exit(1)


def _entry(source: DslSource, outside: Any, base: str) -> dict[str, Any]:
    """Return one file's summary, as printed with ``--json``; docs/check.md describes the fields."""
    import msgspec

    if source.error:
        return {"file": source.name, "error": source.error.text()}
    checked = check(source.text, source=source.name, node_classes=BY_TYPE)
    if checked.document is None or checked.graph is None:
        return {"file": source.name, "error": "cannot be imported; `jikko check` shows why"}
    try:
        environment = outside.values_of(checked.document.environment, app_name(checked.document, source.name))
    except InvalidEnvironment as error:
        return {"file": source.name, "error": str(error)}
    found = msgspec.to_builtins(describe(checked.document, checked.graph, environment))
    positions = Positions(source.text)
    for node in found["nodes"]:
        node["line"], _ = positions.at(node.pop("where")) or (0, 0)
    sample = found.pop("sample")
    needs = [dict(zip(("provider", "model", "node"), need, strict=True)) for need in found["models"]]
    curl = curl_line(base, sample, mode=checked.document.mode)
    example = {"inputs": sample, "command": command_line(source.name, sample, mode=checked.document.mode), "curl": curl}
    return {"file": source.name, "error": "", **found, "models": needs, "example": example}


def _lines(entry: dict[str, Any]) -> Iterator[str]:
    yield f"{entry['file']}: {entry['name'] or 'without a name'} ({entry['mode']}, DSL {entry['version']})"
    if entry["description"]:
        yield f"  {' '.join(entry['description'].split())}"
    yield from _section("inputs", [(each["name"], _of_input(each)) for each in entry["inputs"]])
    yield from _section("outputs", [(each["name"], f"from {each['source']}") for each in entry["outputs"]])
    titles = {each["id"]: each["title"] or each["id"] for each in entry["nodes"]}
    yield from _section("nodes", [(titles[each["id"]], _of_node(each, titles)) for each in entry["nodes"]])
    yield from _section("models", [(f"{each['provider']} {each['model']}", each["node"]) for each in entry["models"]])
    yield from _section("environment", [(each["name"], _of_variable(each)) for each in entry["environment"]])
    yield from _section("hosts", [(host, "") for host in entry["hosts"]])
    yield from _section("forms", [(each["title"], _of_form(each)) for each in entry["forms"]])
    yield from _section("to run it", [(entry["example"]["command"], ""), (entry["example"]["curl"], "")])


def _section(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield f"  {title}"
        columns = min(max(width(name) for name, _ in rows), 40)
        for name, text in rows:
            yield f"    {padded(name, columns)}  {text}".rstrip()


def _of_input(each: dict[str, Any]) -> str:
    parts = [each["type"], "required" if each["required"] else "optional"]
    counted = _COUNTED.get(each["type"])
    if each["max_length"] and counted is not None:
        parts.append(f"at most {each['max_length']} {counted}")
    parts += [pattern.format(", ".join(each[name])) for name, pattern in _LIMITS if each[name]]
    if each["default"] not in (None, ""):
        parts.append(f"default {json.dumps(each['default'], ensure_ascii=False)}")
    if each["json_schema"]:
        parts.append("with a JSON schema")
    return ", ".join(parts)


def _of_node(each: dict[str, Any], titles: dict[str, str]) -> str:
    inside = f", in {titles[each['container']]}" if each["container"] else ""
    return f"{each['type']}, line {each['line']}{inside}"


def _of_variable(each: dict[str, Any]) -> str:
    place = f" by {each['place']}" if each["place"] else ""
    if each["type"] == "secret":
        return f"secret, {'set' if each['is_set'] else 'EMPTY'}{place}"
    value = json.dumps(each["value"], ensure_ascii=False)
    return f"{each['type']}, {value if len(value) <= 60 else value[:60] + '…'}{f', set{place}' if place else ''}"


def _of_form(each: dict[str, Any]) -> str:
    inputs = ", ".join(each["inputs"]) or "no inputs"
    return f"{inputs}; actions {', '.join(each['actions'])}; open for {each['seconds'] / 3600:g} h"
