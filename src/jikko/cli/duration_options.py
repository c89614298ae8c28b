"""Lengths of time on the command line."""

import click

from jikko.lang.durations import seconds_of


def duration(text: str) -> float:
    """The seconds of a number with a unit: ``30d``, ``12h``, ``1.5h``; the type of an option.

    Raises:
        click.BadParameter: It is none.
    """
    try:
        return seconds_of(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None
