"""``jikko knowledge``: the datasets of a data folder."""

import click

from jikko.cli.knowledge.add import add
from jikko.cli.knowledge.datasets import list_, remove, search, show
from jikko.cli.knowledge.external import external
from jikko.cli.knowledge.importing import import_
from jikko.cli.knowledge.keys import keys
from jikko.cli.knowledge.mapping import map_


@click.group()
def knowledge() -> None:
    """Fill datasets with documents, search them, and say who may."""


for command in (add, list_, show, search, remove, map_, keys, external, import_):
    knowledge.add_command(command)
