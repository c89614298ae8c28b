"""``${NAME}`` in files of settings: what the environment has under that name."""

import re
from collections.abc import Mapping
from typing import Any, Final

from jikko.values import Json

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expanded(value: Json, environment: Mapping[str, str], unset: list[str]) -> Any:
    """A value with every ``${NAME}`` in its texts replaced; keys of mappings are left alone. All else keeps its place.

    ``unset``: Takes the names that are not set, or empty; they read as nothing. Raises ``RecursionError``: the value
    is nested too deeply, or holds itself.
    """
    match value:
        case str():

            def replaced(match: re.Match[str]) -> str:
                name = match.group(1)
                if not environment.get(name):
                    unset.append(name)
                return environment.get(name, "")

            return _VARIABLE.sub(replaced, value)
        case dict():
            return {key: expanded(item, environment, unset) for key, item in value.items()}
        case list():
            return [expanded(item, environment, unset) for item in value]
        case _:
            return value


def names_in(value: Json) -> list[str]:
    """The names that a text mentions; none of anything else."""
    return _VARIABLE.findall(value) if isinstance(value, str) else []
