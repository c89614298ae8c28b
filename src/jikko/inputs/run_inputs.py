"""Validation and conversion of inputs, of runs and forms. Source: docs/dify-behaviour.md, “Input validation”."""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from jikko.concurrency.scheduler import TimeSlice
from jikko.dsl.start_variables import StartVariable
from jikko.errors import InvalidParam
from jikko.events import RunStarted
from jikko.record import all_inputs
from jikko.values import Json

ReadFile = Callable[[Json, StartVariable], Awaitable[Json]]
"""Converts a request's value of a file variable to file mappings, or raises ``InvalidParam``."""

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_OBJECT_TYPES = frozenset({"file", "file-list", "json_object"})


async def prepare(
    variables: Sequence[StartVariable], given: Mapping[str, Json], read_file: ReadFile, read_files: ReadFile
) -> dict[str, Json]:
    """Return the inputs of a run: one per declared variable, converted; others are dropped. Raises ``InvalidParam``: an
    input is missing or invalid."""
    return {
        variable.name: await _prepared(variable, given.get(variable.name), read_file, read_files)
        for variable in variables
    }


async def _prepared(variable: StartVariable, value: Json, read_file: ReadFile, read_files: ReadFile) -> Json:
    name = variable.name
    if value is None:
        if variable.required:
            raise InvalidParam(f"{name} is required in input form")
        value = variable.default
        if value is None or (value == "" and variable.type != "text-input" and variable.type != "paragraph"):
            return None
    if variable.type not in _OBJECT_TYPES and (isinstance(value, dict) or _holds_objects(value)):
        raise InvalidParam(f"(type '{variable.type}') {name} in input form must be a string")
    match variable.type:
        case "text-input" | "paragraph" | "external_data_tool":
            return _text(variable, value)
        case "select":
            if not isinstance(value, str) or value not in variable.options:
                raise InvalidParam(
                    f"{name} in input form must be one of the following: {list(variable.options)}"
                    if isinstance(value, str)
                    else f"(type 'select') {name} in input form must be a string"
                )
            return value.replace("\x00", "")
        case "number":
            return _number(name, value)
        case "checkbox":
            return _checkbox(value)
        case "json_object":
            if value and not isinstance(value, dict):
                raise InvalidParam(f"{name} in input form must be a dict")
            return value
        case _ if value == "" and not variable.required:
            return None
        case "file":
            return await read_file(value, variable)
        case _:
            return await read_files(value, variable)


def _text(variable: StartVariable, value: Json) -> str:
    if not isinstance(value, str):
        raise InvalidParam(f"(type '{variable.type}') {variable.name} in input form must be a string")
    if variable.max_length and len(value) > variable.max_length:
        # Actually at most; the text is Dify's. Source: docs/dify-behaviour.md, “Input validation”.
        raise InvalidParam(f"{variable.name} in input form must be less than {variable.max_length} characters")
    return value.replace("\x00", "")


def _number(name: str, value: Json) -> Json:
    if isinstance(value, (int, float)):
        try:
            # Dify's JSON parser converts integers beyond 64 bits to floats.
            return value if -(2**63) <= value < 2**64 else float(value)
        except OverflowError:
            raise InvalidParam(f"{name} in input form must be a valid number") from None
    if not isinstance(value, str):
        raise InvalidParam(f"{name} in input form must be a valid number")
    text = value.strip()
    if not text:
        return None
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise InvalidParam(f"{name} in input form must be a valid number") from None


def _checkbox(value: Json) -> Json:
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else value
    if not isinstance(value, bool) and value in (0, 1):
        return bool(value)
    return value


def _holds_objects(value: Json) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def form_variables(form: Mapping[str, Any]) -> tuple[StartVariable, ...]:
    """Return the inputs of a form, all required."""
    return tuple(form_variable(entry, entry["output_variable_name"]) for entry in form["inputs"])


def form_variable(definition: Mapping[str, Json], name: str) -> StartVariable:
    source: Any = definition.get("option_source") or {}
    entry: Any = definition
    kind = str(entry["type"])
    return StartVariable(
        name=name,
        label=name,
        type=kind if kind in ("file", "file-list", "select") else "paragraph",
        required=True,
        max_length=entry.get("number_limits") or 0 if kind == "file-list" else 0,
        options=tuple(source.get("value") or ()) if kind == "select" else (),
        allowed_file_types=tuple(entry.get("allowed_file_types") or ()),
        allowed_file_extensions=tuple(entry.get("allowed_file_extensions") or ()),
        allowed_file_upload_methods=tuple(entry.get("allowed_file_upload_methods") or ()),
    )


# Large inputs.

_LARGE_ELEMENTS: Final = 2048
"""Number of elements from which inputs count as large; ``_CHARACTERS_PER_ELEMENT`` characters count as one."""
_CHARACTERS_PER_ELEMENT: Final = 64
CHUNK_CHARACTERS: Final = 1 << 16
"""Characters processed at a time."""
_MAX_ENTRIES: Final = 512
"""Entries of a list or an object processed at a time."""


def has_large_inputs(started: RunStarted) -> bool:
    """Return whether inputs and question are so large that the event loop must be released in between."""
    return _are_large([*started.inputs.values(), started.system.get("query")])


def _is_large(value: Json) -> bool:
    return _are_large([value])


def _are_large(pending: list[Json]) -> bool:
    left = _LARGE_ELEMENTS - len(pending)
    for each in pending:
        if isinstance(each, str):
            left -= len(each) // _CHARACTERS_PER_ELEMENT
        elif isinstance(each, (list, dict)):
            left -= len(each)
            if left >= 0:
                pending += each.values() if isinstance(each, dict) else each
        if left < 0:
            return True
    return False


async def inputs_in_slices(started: RunStarted, share: TimeSlice) -> str:
    """Do the work of ``stored_inputs`` in slices. ``share``: Of the event loop."""
    share.begin()
    parts: list[str] = []
    for part in _parts(all_inputs(started)):
        parts.append(part)
        await share.give_way()
    return "".join(parts)


def _parts(value: Json) -> Iterator[str]:
    if not _is_large(value):
        yield json.dumps(value)
    elif isinstance(value, str):
        yield '"'
        for begin in range(0, len(value), CHUNK_CHARACTERS):
            # Every character is escaped by itself, so a text can be cut anywhere.
            yield json.dumps(value[begin : begin + CHUNK_CHARACTERS])[1:-1]
        yield '"'
    elif isinstance(value, dict):
        entries = iter(value.items())
        yield from _joined("{}", (dict(some) for some in iter(lambda: tuple(islice(entries, _MAX_ENTRIES)), ())))
    else:
        yield from _joined("[]", (value[begin : begin + _MAX_ENTRIES] for begin in range(0, len(value), _MAX_ENTRIES)))


def _joined(brackets: str, pieces: Iterator[Json]) -> Iterator[str]:
    yield brackets[0]
    comma = ""
    for piece in pieces:
        if not _is_large(piece):
            yield comma + json.dumps(piece)[1:-1]
            comma = ", "
            continue
        for entry in piece:
            yield comma
            comma = ", "
            if isinstance(piece, dict):
                yield f"{json.dumps(entry)}: "
                yield from _parts(piece[entry])
            else:
                yield from _parts(entry)
    yield brackets[1]
