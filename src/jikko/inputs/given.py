"""Inputs given as texts, such as on a command line, converted to the types of their variables.

Decides only: files to read or upload are returned, and the caller does it.
"""

import json
import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field

from jikko.dsl.fields import did_you_mean
from jikko.dsl.start_variables import StartVariable
from jikko.values import MAX_DEPTH, Json, is_too_deep

_TEXTS: Final = ("text-input", "paragraph", "external_data_tool")
_FILES: Final = ("file", "file-list")
_WORDS: Final = {**dict.fromkeys(("true", "yes", "on", "1"), True), **dict.fromkeys(("false", "no", "off", "0"), False)}
_WHOLE: Final = re.compile(r"[+-]?\d+")
_KINDS: Final = {"text-input": "text", "paragraph": "text", "external_data_tool": "text", "file-list": "files"}
_SAMPLES: Final = {"number": "1", "checkbox": "true", "json_object": "'{}'", "file": "@PATH", "file-list": "@PATH"}


class Upload(Struct, frozen=True):
    """A local file to be uploaded for the run."""

    path: str


class NoInput(Exception):
    """A text is invalid for its variable. The message completes "input 'x' …"."""


class GivenInputs(Struct):
    values: dict[str, Any] = field(default_factory=dict)
    """By name; a file input holds ``Upload``, or a file object of the API, or a list of these."""
    missing: list[StartVariable] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """A sentence per missing or invalid input."""
    unknown: list[str] = field(default_factory=list)
    """A sentence per unknown name, whose value is dropped."""

    @property
    def problems(self) -> list[str]:
        """Return all reasons why no run can start; empty if it can."""
        if not self.missing:
            return self.wrong
        names = ", ".join(f"{variable.name} ({described(variable)})" for variable in self.missing)
        return [f"missing input{'s' if len(self.missing) > 1 else ''}: {names}", *self.wrong]

    @property
    def example(self) -> str:
        """Return options that would supply what is missing; empty if nothing is."""
        return " ".join(f"-i {variable.name}={sample(variable)}" for variable in self.missing)


def given_inputs(
    variables: Sequence[StartVariable],
    pairs: Sequence[tuple[str, str]],
    document: Mapping[str, Json],
    read: Callable[[str], str],
) -> GivenInputs:
    """Convert the inputs of a run.

    Args:
        variables: Inputs of the workflow.
        pairs: Names with texts, in order. ``@path`` stands for the content of a file, or for the file itself where the
            variable is a file; ``@@`` is an ``@``. Only names of file lists may be repeated.
        document: Inputs as for the API; ``pairs`` override them.
        read: Reads a text file; raises ``OSError``, or ``ValueError`` if it is not text.
    """
    given = GivenInputs()
    known = {variable.name: variable for variable in variables}
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        texts.setdefault(name, []).append(text)
    for name in {**document, **texts}:
        if name not in known:
            hint = did_you_mean(name, list(known))
            given.unknown.append(f"no input {name!r}" + (f" ({hint})" if hint else ""))
    for variable in variables:
        try:
            if variable.name in texts:
                given.values[variable.name] = _of_texts(variable, texts[variable.name], read)
            elif document.get(variable.name) is not None:
                given.values[variable.name] = _of_json(variable, document[variable.name])
            elif variable.required:
                given.missing.append(variable)
        except NoInput as error:
            given.wrong.append(f"input {variable.name!r} {error}")
    return given


def described(variable: StartVariable) -> str:
    """Describe an input in a few words: ``text, at most 2 characters``."""
    kind = _KINDS.get(variable.type, variable.type.replace("_", " "))
    if variable.options:
        return f"one of {', '.join(variable.options)}"
    if variable.max_length and kind in ("text", "files"):
        return f"{kind}, at most {variable.max_length}" + (" characters" if kind == "text" else "")
    return kind


def sample(variable: StartVariable) -> str:
    """Return a sample value for a shell."""
    if variable.options:
        option = variable.options[0]
        return option if re.fullmatch(r"[\w.-]+", option) else shlex.quote("@" * option.startswith("@") + option)
    text = _SAMPLES.get(variable.type, "text")
    return text[: variable.max_length] if variable.max_length and variable.type in _TEXTS else text


def _of_texts(variable: StartVariable, texts: Sequence[str], read: Callable[[str], str]) -> Any:
    if variable.type == "file-list":
        return _checked_files(variable, [file for text in texts for file in _files(text)])
    if len(texts) > 1:
        raise NoInput(f"is given {len(texts)} times")
    [text] = texts
    if variable.type == "file":
        files = _files(text)
        if len(files) != 1:
            raise NoInput("is one file, not a list")
        return files[0]
    return _value(variable, _content(text, read))


def _content(text: str, read: Callable[[str], str]) -> str:
    if text.startswith("@@"):
        return text[1:]
    if not text.startswith("@"):
        return text
    try:
        return read(text[1:])
    except OSError as error:
        raise NoInput(
            f"cannot be read from {text[1:]}: {error.strerror or error} (a text that begins with @ is written @@)"
        ) from None
    except ValueError:
        raise NoInput(f"cannot be read from {text[1:]}: it is not UTF-8 text") from None


def _files(text: str) -> list[Any]:
    if text.startswith("@") and len(text) > 1 and not text.startswith("@@"):
        return [Upload(text[1:])]
    if text.startswith(("http://", "https://")):
        return [{"transfer_method": "remote_url", "url": text}]
    if text[:1] in ("{", "["):
        value = _json(text)
        return value if isinstance(value, list) else [value]
    raise NoInput("is a file: give its path behind an @, as in -i NAME=@report.pdf, or an http address")


def _value(variable: StartVariable, text: str) -> Json:
    match variable.type:
        case "number":
            plain = text.strip()
            try:
                number = int(plain) if _WHOLE.fullmatch(plain) else float(plain)
                if math.isfinite(number):
                    return number
            except (ValueError, OverflowError):
                pass
            raise NoInput(f"is {_short(text)}, expected a number")
        case "checkbox":
            word = text.strip().lower()
            if word not in _WORDS:
                raise NoInput(f"is {_short(text)}, expected true or false")
            return _WORDS[word]
        case "json_object":
            value = _json(text)
            if not isinstance(value, dict):
                raise NoInput(f"is {_short(text)}, expected a JSON object")
            return value
        case _:
            return _of_json(variable, text)


def _of_json(variable: StartVariable, value: Json) -> Any:
    """Convert a value of a JSON document. Numbers and booleans may be strings, as in the API."""
    if is_too_deep(value):
        raise NoInput(f"is nested deeper than {MAX_DEPTH} levels")
    match variable.type:
        case kind if kind in _TEXTS:
            if not isinstance(value, str):
                raise NoInput(f"is {_short(value)}, expected a text")
            if variable.max_length and len(value) > variable.max_length:
                raise NoInput(f"is longer than {variable.max_length} characters")
        case "select" if value not in variable.options:
            hint = did_you_mean(value, list(variable.options)) if isinstance(value, str) else ""
            raise NoInput(
                f"is {_short(value)}, expected one of {', '.join(variable.options)}" + (f" ({hint})" if hint else "")
            )
        case "number" | "checkbox" if isinstance(value, str):
            return _value(variable, value)
        case "number" if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise NoInput(f"is {_short(value)}, expected a number")
        case "checkbox" if not isinstance(value, bool) and value not in (0, 1):
            raise NoInput(f"is {_short(value)}, expected true or false")
        case "json_object" if not isinstance(value, dict):
            raise NoInput(f"is {_short(value)}, expected a JSON object")
        case "file" if not isinstance(value, dict):
            raise NoInput("is a file: give it as -i NAME=@PATH, or as a file object of the API")
        case "file-list":
            if not isinstance(value, list):
                raise NoInput("is a list of files: give each as -i NAME=@PATH, or file objects of the API")
            return _checked_files(variable, value)
    return value


def _checked_files(variable: StartVariable, files: list[Any]) -> list[Any]:
    if variable.max_length and len(files) > variable.max_length:
        raise NoInput(f"has {len(files)} files, expected at most {variable.max_length}")
    if not all(isinstance(file, (dict, Upload)) for file in files):
        raise NoInput("contains something that is not a file object")
    return files


def _json(text: str) -> Json:
    try:
        value = json.loads(text)
        if is_too_deep(value):
            raise RecursionError
    except RecursionError:
        raise NoInput(f"is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise NoInput(f"is not JSON: {error}") from None
    return value


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"
