"""Values for the environment variables of workflows that come from outside of the file.

The first place that has a value wins: an option of the command, the environment of the process, ``jikko.toml``, what
was set for the app in the data folder, and last the file itself. In each of the first three, a value that names the app
(``APP_NAME``) wins over one that does not (``NAME``).
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
    """What one place says."""

    place: str
    """What stands before a name of it in messages: ``OPTION``, ``VARIABLE`` or ``FILE``."""
    values: Mapping[str, str]
    """By ``folded`` name."""


def layer(place: str, values: Mapping[str, str]) -> EnvLayer:
    """What one place says, by names in any case."""
    return EnvLayer(place, {folded(name): value for name, value in values.items()})


def folded(name: str) -> str:
    """The name of an app or a variable as it stands in the names of values: ``Triage (EU)`` is ``TRIAGE_EU``.

    Letters and digits, of any script, in capitals; whatever is between them is one underscore.
    """
    groups = groupby(name.upper(), key=str.isalnum)
    return "".join("".join(group) if kept else "_" for kept, group in groups).strip("_")


def with_values(variables: Sequence[Variable], app: App, layers: Sequence[EnvLayer]) -> tuple[Variable, ...]:
    """The environment variables of a version of an app, with the values that hold for it now.
    Raises ``InvalidEnvironment``: a value from outside is not of the variable's type."""
    if not variables or not (layers or app.environment):
        return tuple(variables)
    return tuple(variable for variable, _ in with_places(variables, app, layers))


class Outside(Struct, frozen=True):
    """What is known outside of a file whose app need not be there."""

    layers: Sequence[EnvLayer] = ()
    """The first that has a value wins."""
    stored: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """What was set in the data folder, by app and variable."""

    def values_of(self, variables: Iterable[Variable], app_name: str) -> list[tuple[Variable, str]]:
        """The variables with the values that hold; with each the place of its value, ``""`` for the file.
        Raises ``InvalidEnvironment``: a value from outside is not of the variable's type."""
        stored = self.stored.get(app_name, {})
        return [_with_value(variable, app_name, self.layers, stored) for variable in variables]


def with_places(variables: Iterable[Variable], app: App, layers: Sequence[EnvLayer]) -> list[tuple[Variable, str]]:
    """As ``with_values``; with each variable the place of its value, ``""`` for the file."""
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
    """The place and the text of the value that the layers have for a variable."""
    for each in layers:
        for written in (folded(f"{app_name} {name}"), folded(name)):
            if (text := each.values.get(written)) is not None:
                return f"{each.place}{written}", text
    return None


def overruled_by(name: str, app_name: str, layers: Sequence[EnvLayer]) -> str:
    """The place whose value for a variable wins over that of the data folder and the file, such as
    ``JIKKO_ENV_TRIAGE_MODE``; ``""`` for none."""
    outer = _of_layers(name, app_name, layers)
    return "" if outer is None else outer[0]


def typed(variable: Variable, given: Json, place: str, app_name: str) -> Json:
    """A value as the variable's declared type has it: a text or a number.
    ``place``: where it was given, for the message, which does not quote the value: it may be a secret. Raises
    ``InvalidEnvironment``: it is no number, or too long."""
    try:
        return environment_value(given, variable.value_type)
    except PhraseError as error:
        params = {"place": place, "name": repr(variable.name), "app": repr(app_name), "reason": error.phrase}
        raise InvalidEnvironment(Phrase("environment.value_at" if place else "environment.value", params)) from None


def empty_secrets(variables: Iterable[Variable]) -> list[str]:
    """The names of the secrets that have no value, in the order of the file. Dify leaves values out of an export."""
    return [variable.name for variable in variables if variable.value_type == "secret" and variable.value == ""]


def how_to_fill(app_name: str, name: str) -> Phrase:
    """Says how an environment variable gets a value."""
    command = f"jikko apps env {app_name!r} {name}=…"
    return Phrase("remedy.fill_variable", {"variable": f"{VARIABLE}{folded(f'{app_name} {name}')}", "command": command})


def declared(variables: Iterable[Variable], name: str, app_name: str) -> Variable:
    """The variable with exactly that name. Raises ``NotFound``: the file has none."""
    known = {variable.name: variable for variable in variables}
    if name not in known:
        hint = did_you_mean(name, list(known))
        raise NotFound(f"App {app_name!r} has no environment variable {name!r}{f' ({hint})' if hint else ''}.")
    return known[name]


def unused(values: EnvLayer, apps: Iterable[tuple[App, Sequence[Variable]]]) -> Iterator[tuple[str, str]]:
    """The names of a place that no variable of the apps has; each with a hint in brackets, or ``""``."""
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
    """``NAME=VALUE`` of a command line, by name; the last of a name counts.
    Raises ``InvalidParam``: one has no name or no sign."""
    values = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not folded(name):
            # Not quoted: without its name it may be a secret.
            raise InvalidParam("A value for an environment variable is written NAME=VALUE.")
        values[name.strip()] = value
    return values


def parse_env_file(text: str, source: str) -> dict[str, str]:
    """The values of a file of ``NAME=VALUE`` lines, with comments and quotes as ``.env`` files have them.

    ``$NAME`` in a value stays as it is.
    Raises ``InvalidParam``: a line is not understood. The message tells its number, and nothing of it."""
    from io import StringIO

    from dotenv.parser import parse_stream

    values = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and (binding.value is None or not folded(binding.key))):
            raise InvalidParam(f"{source}: line {binding.original.line} is not NAME=VALUE.")
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values
