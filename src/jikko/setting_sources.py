"""Sources of settings: command line, environment, and settings file."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from jikko.apps.environment import FILE, OPTION, VARIABLE, folded, layer
from jikko.default_home import default_home
from jikko.dsl.fields import did_you_mean
from jikko.errors import InvalidSettings
from jikko.settings import FILE_NAME, PREFIX, Settings

_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_EXPECTED = {int: "a whole number from 0 up", bool: "true or false", Path: "a path", Path | None: "a path"}


def read_settings(environment: Mapping[str, str], **given: Any) -> Settings:
    """Read and combine the settings.

    Args:
        environment: Such as ``os.environ``.
        given: Settings from the command line, by field; ``None`` counts as not given. ``env`` by name.

    Raises:
        InvalidSettings: A value has the wrong type or is out of range, or the settings file is unreadable or has
            unknown names. Reports all problems, one a line.
    """
    wrong: list[str] = []
    values: dict[str, Any] = {}
    known = {entry.name: entry for entry in fields(Settings)}
    home = given.get("home") or environment.get(f"{PREFIX}HOME")
    file = Path(home or default_home()) / FILE_NAME
    in_file = _file(file)
    env = [
        layer(OPTION, given.pop("env", None) or {}),
        layer(VARIABLE, {name.removeprefix(VARIABLE): value for name, value in environment.items() if is_value(name)}),
        layer(FILE, _env_table(in_file.pop("env", {}), file)),
    ]
    values["env"] = tuple(each for each in env if each.values)
    del known["env"]
    for name, value in in_file.items():
        if name not in known:
            hint = did_you_mean(name, [*known, "env"])
            wrong.append(f"{file}: unknown setting {name!r}{f' ({hint})' if hint else ''}.")
            continue
        _take(values, wrong, name, value, known[name].type, str(file))
    for name, entry in known.items():
        text = environment.get(PREFIX + name.upper())
        if text and given.get(name) is None:
            _take(values, wrong, name, text, entry.type, f"environment variable {PREFIX}{name.upper()}")
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        settings = Settings(**values)
    except InvalidSettings as error:
        wrong.append(str(error))
    if wrong:
        raise InvalidSettings("\n".join(wrong))
    return settings


def _take(values: dict[str, Any], wrong: list[str], name: str, value: Any, kind: Any, where: str) -> None:
    """Convert a value into ``values``, or add an error to ``wrong``."""
    try:
        values[name] = _convert(name, value, kind, where)
    except InvalidSettings as error:
        wrong.append(str(error))


def _file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{file} cannot be read: {error}") from None


def is_value(variable: str) -> bool:
    """Return whether a process environment variable sets a value for a workflow's environment variable."""
    return variable.startswith(VARIABLE) and bool(folded(variable.removeprefix(VARIABLE)))


def _env_table(table: Any, file: Path) -> dict[str, str]:
    if not isinstance(table, dict) or not all(
        isinstance(value, (str, int, float)) and not isinstance(value, bool) for value in table.values()
    ):
        raise InvalidSettings(f"{file}: env is a table of texts and numbers, by the name of an environment variable.")
    return {name: str(value) for name, value in table.items()}


def _convert(name: str, value: Any, kind: Any, where: str) -> Any:
    """Convert a value of the settings file or of the environment to its field's type."""
    text = str(value).strip()
    try:
        if kind in (Path, Path | None):
            return Path(text).expanduser()
        if kind == tuple[str, ...]:
            parts = value if isinstance(value, list) else text.split(",")
            return tuple(part for entry in parts if (part := str(entry).strip()))
        if kind is bool:
            return _WORDS[text.lower()]
        if kind in (int, float, float | None):
            number = int(text) if kind is int else float(text)
            if not 0 <= number < math.inf:
                raise ValueError
            return number
        return text
    except (ValueError, KeyError, RuntimeError):  # the last: the path's ``~user`` does not exist
        expected = _EXPECTED.get(kind, "a number from 0 up")
        raise InvalidSettings(f"{where}: {value!r} is not a valid {name}; expected {expected}.") from None
