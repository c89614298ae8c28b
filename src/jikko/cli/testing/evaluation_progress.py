"""Progress of an evaluation, on standard error."""

import os
from typing import Final

import click

from jikko.cli.running.run_progress import LiveLine
from jikko.cli.terminal import is_live
from jikko.embedded.evaluating import journal_of
from jikko.proving.case_plan import CasePlan
from jikko.terminal_text import printable

_BAR: Final = 24


class EvaluationProgress:
    """A bar, and how many rows an evaluation that was killed had done."""

    def __init__(self, plan: CasePlan) -> None:
        self._plan = plan
        self._line = LiveLine() if is_live(os.environ) else None
        self._has_begun = False

    def __call__(self, done: int, of: int) -> None:
        if done and not self._has_begun:
            text = f"{self._plan.path}: {done} of {of} rows were done before; {journal_of(self._plan)} has them"
            click.echo(printable(text), err=True)
        elif self._line is not None and self._has_begun:
            part = done * _BAR // of
            self._line.draw(f"{self._plan.path} {'█' * part}{'░' * (_BAR - part)}", f"{done} of {of}")
            if done == of:
                self._line.clear()
        self._has_begun = True
