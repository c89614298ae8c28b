"""YAML files of the operator: providers, tools, plugins, triggers. ``${NAME}`` is an environment variable."""

import re
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any, Final, Literal

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.fields import Fields, expected
from jikko.dsl.load import LoadLimits, decoded
from jikko.dsl.text.positions import Positions
from jikko.dsl.text.yaml_text import YamlProblem, parse
from jikko.errors import InvalidFile, InvalidSettings
from jikko.lang.durations import seconds_of
from jikko.values import Json

_LIMITS: Final = LoadLimits(max_bytes=16 << 20)
_MAX_SHOWN: Final = 100
"""Maximum number of listed problems."""


class OperatorFile:
    def __init__(
        self,
        text: bytes | str,
        kind: Literal["providers", "tools", "plugins", "triggers"],
        source: str,
        keys: tuple[str, ...],
    ) -> None:
        """``source``: Its name in errors. ``keys``: Permitted top-level keys. Raises ``InvalidSettings``: not YAML."""
        self._text, self._kind, self._source = text, kind, source
        try:
            raw = parse(decoded(text), _LIMITS)
        except YamlProblem as problem:
            place = f"line {problem.line}: " if problem.line else ""
            raise InvalidSettings(f"The {kind} file {source}, {place}{problem}.") from None
        self.root = Fields("", raw if isinstance(raw, dict) else {}, [])
        if raw is not None and not isinstance(raw, dict):
            wanted = ", ".join(f"{key}:" for key in keys)
            self.root.problem("", Phrase("document.no_mapping"), expected(wanted))
        self.root.check_names(keys)

    def require_no_problems(self) -> None:
        """Raises ``InvalidFile``, with all problems and their lines, if there are any."""
        problems = self.root.problems
        if not problems:
            return
        positions = Positions(self._text)
        listed = [_in_line(problem, positions) for problem in problems[:_MAX_SHOWN]]
        if (more := len(problems) - len(listed)) > 0:
            listed.append(Phrase("part.more_problems", {"count": more}))
        text = reduce(lambda after, each: Phrase("part.next", {"text": each, "next": after}), reversed(listed))
        kind = Phrase(f"part.kind_{self._kind}")
        params = {"kind": kind, "source": self._source, "count": len(problems), "problems": text}
        raise InvalidFile(Phrase("settings.one_problem" if len(problems) == 1 else "settings.problems", params))


def read_operator_file(file: Path, kind: str) -> bytes:
    """Read such a file. Raises ``InvalidSettings``: it cannot be read, or is too large."""
    try:
        with file.open("rb") as opened:
            text = opened.read(_LIMITS.max_bytes + 1)
    except OSError as error:
        raise InvalidSettings(f"The {kind} file {file} cannot be read: {error.strerror}.") from None
    if len(text) > _LIMITS.max_bytes:
        raise InvalidSettings(f"The {kind} file {file} is larger than {_LIMITS.max_bytes} bytes.")
    return text


def filled_in(fields: Fields, environment: Mapping[str, str], unset: list[str], *, but: str = "") -> Fields:
    """Return fields with ``${NAME}`` expanded, except ``but``; problems quote the file. ``unset``: See ``expanded``."""
    values = {name: value if name == but else expanded(value, environment, unset) for name, value in fields.raw.items()}
    return Fields(fields.where, values, fields.problems, fields.raw)


def duration_of(fields: Fields, name: str, default: float) -> float:
    """Parse a duration such as ``30s`` to seconds; problems are added to ``fields``."""
    text = fields.text(name)
    if not text:
        return default
    try:
        return seconds_of(text)
    except ValueError as error:
        fields.problem(name, str(error))
        return default


def _in_line(problem: Diagnostic, positions: Positions) -> Phrase:
    text, position = problem.as_part(), positions.at(problem.where)
    return text if position is None else Phrase("part.at_line", {"line": position.line, "text": text})


_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expanded(value: Json, environment: Mapping[str, str], unset: list[str]) -> Any:
    """Expand every ``${NAME}`` in the texts of a value, except in keys.

    ``unset``: Collects unset and empty names, which expand to nothing. Raises ``RecursionError``: the value is nested
    too deeply, or recursive.
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
    """Return the names in a text; none for other values."""
    return _VARIABLE.findall(value) if isinstance(value, str) else []
