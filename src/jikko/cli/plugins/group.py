"""``jikko plugins``: install plugins, and see what they do."""

import click

from jikko.cli.plugins.install import install, remove
from jikko.cli.plugins.listing import list_
from jikko.cli.plugins.trying import call, test


@click.group()
def plugins() -> None:
    """Install Dify's plugins, whose tools and agent strategies workflows use, and try them."""


for command in (install, list_, test, call, remove):
    plugins.add_command(command)
