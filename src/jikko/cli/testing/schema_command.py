"""``jikko schema``: what may stand in a file, for editors."""

import json

import click

from jikko.proving.case_file_reader import schema as schema_of_test_files


@click.command()
@click.argument("kind", type=click.Choice(["test"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of a KIND of file: test, the test files that `jikko test` runs."""
    click.echo(json.dumps(schema_of_test_files(), ensure_ascii=False, indent=2))
