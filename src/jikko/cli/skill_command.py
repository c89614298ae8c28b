"""Commands ``jikko skill|schema``: the guide for coding agents as a skill file, and JSON Schemas, also for editors."""

import json
import re
from pathlib import Path
from typing import Final

import click

import jikko
from jikko.cli.output import whole_file
from jikko.graph.document_schema import document_schema, node_schema
from jikko.nodes.registry import BY_TYPE
from jikko.proving.case_file_reader import schema as schema_of_test_files

_HEAD: Final = """\
---
name: jikko
description: Read, change, check, test and publish workflows of the Dify DSL (YAML) with the command `jikko`.
---

"""
_LINK: Final = re.compile(r"\[([^\]]+)\]\(([\w-]+\.md)(?:#[\w-]+)?\)")


@click.command()
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write `jikko/SKILL.md` below this folder of skills.",
)
def skill(to: Path | None) -> None:
    """Print the guide for coding agents on changing a workflow and proving that it works."""
    text = _HEAD + _LINK.sub(_named, _page())
    if to is None:
        click.echo(text, nl=False)
        return
    path = to / "jikko" / "SKILL.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(text.encode())
    click.echo(f"written: {path}")


def _page() -> str:
    """Return the page of the documentation; a wheel has it beside the package (scripts/hatch_hook.py)."""
    package = Path(jikko.__file__).parent
    packed = package / "for-coding-agents.md"
    return (packed if packed.exists() else package.parents[1] / "docs" / packed.name).read_text(encoding="utf-8")


def _named(link: re.Match[str]) -> str:
    """Replace a link of the documentation by the page's name: a skill stands alone."""
    text, page = link.groups()
    return f"docs/{page}" if text == page else f"{text} (docs/{page})"


@click.command()
@click.argument("kind", type=click.Choice(["workflow", "test"]), default="workflow")
@click.option("--node", type=click.Choice(sorted(BY_TYPE)), metavar="TYPE", help="Only the `data` of a node type.")
def schema(kind: str, node: str | None) -> None:
    """Print the JSON Schema of a KIND of file: workflow, DSL files for `jikko check`; test, test files for `jikko
    test`."""
    if node is not None and kind != "workflow":
        raise click.UsageError("--node is only for workflow files.")
    found = schema_of_test_files() if kind == "test" else document_schema(BY_TYPE)
    if node is not None:
        found = {"$schema": found["$schema"], "title": f"data of {node} nodes", **node_schema(node, BY_TYPE)}
    click.echo(json.dumps(found, ensure_ascii=False, indent=2))
