"""``jikko runs diff``: what two runs did differently."""

import json
from typing import Any

import click
import msgspec

from jikko.assemble.assembly import Assembly
from jikko.cli.completion import complete_run
from jikko.cli.options import with_assembly
from jikko.cli.output import show_entry
from jikko.exit_codes import ExitCode
from jikko.proving.run_difference import RunDifference, compare_runs
from jikko.runs.reading.field_changes import ChangedField
from jikko.runs.reading.short_ids import run_of
from jikko.terminal_text import printable

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_MAX_SHOWN = 200
"""Characters of a value."""


@click.command()
@click.argument("first", metavar="RUN", shell_complete=complete_run)
@click.argument("second", metavar="RUN", shell_complete=complete_run)
@with_assembly
async def diff(assembly: Assembly, first: str, second: str, as_json: bool) -> int:
    """Show what the second RUN did otherwise than the first: status, inputs, outputs, answers and tokens, of both and
    of each node.

    Nodes go by their ids and rounds. Ids, times and how long it took are no difference. The exit code is 1 if there is
    a difference, else 0.
    """
    runs = await run_of(assembly.store, first), await run_of(assembly.store, second)
    found = await compare_runs(assembly.store, assembly.conversations, *runs)
    show_entry(msgspec.to_builtins(found), _text(found), as_json=as_json)
    return ExitCode.FAILED if found.fields or found.nodes else ExitCode.OK


def _text(found: RunDifference) -> str:
    lines = [_line(each) for each in found.fields]
    for node in found.nodes:
        sign, color = _SIGNS[node.change]
        rounds = "".join(f" [{index}]" for index in node.rounds)
        took = f"  {node.seconds[0]:.3f} s → {node.seconds[1]:.3f} s" if node.change == "changed" else ""
        lines.append(click.style(f"{sign} {printable(node.title)}{rounds}", fg=color) + took)
        lines += [f"    {_line(each)}" for each in node.fields]
    same = f"{found.same} node execution{'' if found.same == 1 else 's'} did the same"
    return "\n".join([*lines, same])


def _line(change: ChangedField) -> str:
    return printable(f"{change.path.lstrip('/')}: {_value(change.before)} → {_value(change.after)}")


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}… ({len(text)} characters)"
