"""``jikko runs``: all that can be done with runs."""

import click

from jikko.cli.runs.acts import follow, retry, stop
from jikko.cli.runs.forms import forms, submit
from jikko.cli.runs.listing import list_, show
from jikko.cli.runs.pruning import prune
from jikko.cli.runs.tracing import trace
from jikko.cli.runs.transfer import export_runs, import_runs


@click.group()
def runs() -> None:
    """Look at runs, answer, stop, repeat, carry and remove them. RUN is an id, or the beginning of one."""


for command in (list_, show, follow, forms, submit, stop, retry, prune, trace, export_runs, import_runs):
    runs.add_command(command)
