"""Lengths of time on the command line."""

import re

import click

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def duration(text: str) -> float:
    """The seconds of a number with a unit: ``30d``, ``12h``, ``1.5h``; the type of an option.

    Raises:
        click.BadParameter: It is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    if found is None:
        raise click.BadParameter(f"{text!r} is no length of time such as 30d, 12h or 90m (units: s, m, h, d, w).")
    return float(found[1]) * _UNITS[found[2]]
