"""Environment variables of workflows with values from outside of the file.

Precedence: an option of the command, the process environment, ``jikko.toml``, the value set for the app in the data
folder, the file itself. Within each of the first three, a value that names the app (``APP_NAME``) precedes one that
does not (``NAME``).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase, PhraseError
from jikko.dsl.declared_variables import environment_value
from jikko.dsl.document import Variable
from jikko.dsl.fields import did_you_mean
from jikko.errors import InvalidEnvironment, InvalidParam, NotFound
from jikko.repositories.app_store import App
from jikko.values import Json

OPTION: Final = "--env "
VARIABLE: Final = "JIKKO_ENV_"
FILE: Final = "jikko.toml: env."


class EnvLayer(Struct, frozen=True):
    """Values of one source."""

    place: str
    """Prefix of its names in messages: ``OPTION``, ``VARIABLE`` or ``FILE``."""
    values: Mapping[str, str]
    """Values by ``folded`` name."""


def layer(place: str, values: Mapping[str, str]) -> EnvLayer:
    """Return the layer of a source. ``values``: By names in any case."""
    return EnvLayer(place, {folded(name): value for name, value in values.items()})


def folded(name: str) -> str:
    """Fold the name of an app or variable for use in names of values: ``Triage (EU)`` becomes ``TRIAGE_EU``.

    Letters and digits of any script, in upper case; everything between them becomes one underscore.
    """
    groups = groupby(name.upper(), key=str.isalnum)
    return "".join("".join(group) if kept else "_" for kept, group in groups).strip("_")


def with_values(variables: Sequence[Variable], app: App, layers: Sequence[EnvLayer]) -> tuple[Variable, ...]:
    """Return a version's environment variables with their current values. Raises ``InvalidEnvironment`` if a value from
    outside does not fit the variable's type."""
    if not variables or not (layers or app.environment):
        return tuple(variables)
    return tuple(variable for variable, _ in with_places(variables, app, layers))


class Outside(Struct, frozen=True):
    """Values from outside of a file, whose app may not exist yet."""

    layers: Sequence[EnvLayer] = ()
    """In order of precedence."""
    stored: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """Values set in the data folder, by app and variable."""

    def values_of(self, variables: Iterable[Variable], app_name: str) -> list[tuple[Variable, str]]:
        """Return the variables with their values, each with the source of its value, ``""`` for the file. Raises
        ``InvalidEnvironment`` if a value from outside does not fit the variable's type."""
        stored = self.stored.get(app_name, {})
        return [_with_value(variable, app_name, self.layers, stored) for variable in variables]


def with_places(variables: Iterable[Variable], app: App, layers: Sequence[EnvLayer]) -> list[tuple[Variable, str]]:
    """As ``with_values``, each with the source of its value, ``""`` for the file."""
    stored: Mapping[str, Json] = json.loads(app.environment) if app.environment else {}
    return [_with_value(variable, app.name, layers, stored) for variable in variables]


def _with_value(
    variable: Variable, app_name: str, layers: Sequence[EnvLayer], stored: Mapping[str, Json]
) -> tuple[Variable, str]:
    if outer := _of_layers(variable.name, app_name, layers):
        place, text = outer
        return replace(variable, value=typed(variable, text, place, app_name)), place
    if variable.name in stored:
        # Another version may have declared the name with another type.
        place = f"jikko apps env {app_name!r} {variable.name}"
        return replace(variable, value=typed(variable, stored[variable.name], place, app_name)), place
    return variable, ""


def _of_layers(name: str, app_name: str, layers: Sequence[EnvLayer]) -> tuple[str, str] | None:
    """Return source and text of a variable's value in the layers."""
    for each in layers:
        for written in (folded(f"{app_name} {name}"), folded(name)):
            if (text := each.values.get(written)) is not None:
                return f"{each.place}{written}", text
    return None


def overruled_by(name: str, app_name: str, layers: Sequence[EnvLayer]) -> str:
    """Return the source whose value precedes the data folder's and the file's, such as ``JIKKO_ENV_TRIAGE_MODE``;
    ``""`` if there is none."""
    outer = _of_layers(name, app_name, layers)
    return "" if outer is None else outer[0]


def typed(variable: Variable, given: Json, place: str, app_name: str) -> Json:
    """Convert a value to the variable's declared type: a string or a number. ``place``: Its source, for the message,
    which does not quote the value: it may be a secret. Raises ``InvalidEnvironment``: not a number, or too long."""
    try:
        return environment_value(given, variable.value_type)
    except PhraseError as error:
        params = {"place": place, "name": repr(variable.name), "app": repr(app_name), "reason": error.phrase}
        raise InvalidEnvironment(Phrase("environment.value_at" if place else "environment.value", params)) from None


def empty_secrets(variables: Iterable[Variable]) -> list[str]:
    """Return the names of secrets without a value, in the file's order. Dify exports none of their values."""
    return [variable.name for variable in variables if variable.value_type == "secret" and variable.value == ""]


def how_to_fill(app_name: str, name: str) -> Phrase:
    """Explain how to set an environment variable."""
    command = f"jikko apps env {app_name!r} {name}=…"
    return Phrase("remedy.fill_variable", {"variable": f"{VARIABLE}{folded(f'{app_name} {name}')}", "command": command})


def declared(variables: Iterable[Variable], name: str, app_name: str) -> Variable:
    """Return the variable of exactly that name. Raises ``NotFound`` if the file has none."""
    known = {variable.name: variable for variable in variables}
    if name not in known:
        hint = did_you_mean(name, list(known))
        raise NotFound(f"App {app_name!r} has no environment variable {name!r}{f' ({hint})' if hint else ''}.")
    return known[name]


def unused(values: EnvLayer, apps: Iterable[tuple[App, Sequence[Variable]]]) -> Iterator[tuple[str, str]]:
    """Yield the names of a layer that match no variable of the apps, each with a hint in brackets, or ``""``."""
    known = {
        name
        for app, variables in apps
        for variable in variables
        for name in (folded(f"{app.name} {variable.name}"), folded(variable.name))
    }
    for name in values.values:
        if name not in known:
            hint = did_you_mean(name, sorted(known))
            yield f"{values.place}{name}", f" ({hint})" if hint else ""


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Parse ``NAME=VALUE`` arguments; the last of a name counts. Raises ``InvalidParam``: no name, or no sign."""
    values = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not folded(name):
            # Not quoted: without its name it may be a secret.
            raise InvalidParam("A value for an environment variable is written NAME=VALUE.")
        values[name.strip()] = value
    return values


def parse_env_file(text: str, source: str) -> dict[str, str]:
    """Parse ``NAME=VALUE`` lines, with comments and quotes as in ``.env`` files.

    ``$NAME`` in a value is not expanded. Raises ``InvalidParam`` for an invalid line, with its number but not its text.
    """
    from io import StringIO

    from dotenv.parser import parse_stream

    values = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and (binding.value is None or not folded(binding.key))):
            raise InvalidParam(f"{source}: line {binding.original.line} is not NAME=VALUE.")
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values
