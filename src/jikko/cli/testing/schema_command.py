"""``jikko schema``: what may stand in a file, for editors and agents."""

import json

import click

from jikko.graph.document_schema import document_schema, node_schema
from jikko.nodes.registry import BY_TYPE
from jikko.proving.case_file_reader import schema as schema_of_test_files


@click.command()
@click.argument("kind", type=click.Choice(["workflow", "test"]), default="workflow")
@click.option("--node", type=click.Choice(sorted(BY_TYPE)), metavar="TYPE", help="Only the `data` of a type of node.")
def schema(kind: str, node: str | None) -> None:
    """Print the JSON Schema of a KIND of file: workflow, the DSL files that `jikko check` reads; test, the test files
    that `jikko test` runs.
    """
    if node is not None and kind != "workflow":
        raise click.UsageError("--node is of workflow files.")
    found = schema_of_test_files() if kind == "test" else document_schema(BY_TYPE)
    if node is not None:
        found = {"$schema": found["$schema"], "title": f"data of {node} nodes", **node_schema(node, BY_TYPE)}
    click.echo(json.dumps(found, ensure_ascii=False, indent=2))
