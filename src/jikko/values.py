"""The values that flow between nodes, and how a node points at one.

Values are plain JSON. They are shared, never copied: code that changes one makes a new one.
"""

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Final, TypeAlias

import msgspec

Json: TypeAlias = Any
"""``None``, bool, int, float (NaN and infinities included), str, or a list or str-keyed dict of them."""

Selector: TypeAlias = tuple[str, ...]
"""A pointer to one variable: ``(node id, variable name, key, ...)``, such as ``("1721", "body", "items")``.

Shorter than two parts it points at nothing. Source: docs/dify-behaviour.md, “Selectors”.
"""
Uuid: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
"""The id of something, in a struct that is described to clients."""
Seconds: TypeAlias = Annotated[int, msgspec.Meta(description="Seconds since the Unix epoch.")]
"""A moment, in a struct that is described to clients."""
Moment: TypeAlias = Annotated[float, msgspec.Meta(description="Seconds since the Unix epoch, with fractions.")]
"""The same, as the console tells it."""

FILE_IDENTITY: Final = "__dify__file__"
"""The value of a file mapping's ``dify_model_identity``. Source: docs/dify-behaviour.md, “File values”."""


MAX_DEPTH: Final = 256
"""Levels of lists and objects in a value that comes from outside.

A function that walks through one, ours or a library's, may take three frames of the stack for a level.
"""


class _Unset(Enum):
    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


Unset: TypeAlias = _Unset
UNSET: Final = _Unset.UNSET
"""The variable does not exist. Distinct from ``None``, which is a value."""


def is_file(value: Json) -> bool:
    """Whether a value is a file mapping."""
    return isinstance(value, dict) and value.get("dify_model_identity") == FILE_IDENTITY


def files_in(outputs: dict[str, Json]) -> list[dict[str, Json]]:
    """The file mappings found directly in outputs: as a value, or as an element of a list."""
    found: list[dict[str, Json]] = []
    for value in outputs.values():
        if is_file(value):
            found.append(value)
        elif isinstance(value, list):
            found += [item for item in value if is_file(item)]
    return found


def stored_files(value: Json) -> Iterator[tuple[str, dict[str, Json]]]:
    """Files of this server in a value, with their ids."""
    if is_file(value):
        if value.get("related_id"):
            yield str(value["related_id"]), value
    elif isinstance(value, dict):
        for item in value.values():
            yield from stored_files(item)
    elif isinstance(value, list):
        for item in value:
            yield from stored_files(item)


def is_too_deep(value: Json) -> bool:
    """Whether lists and objects are nested deeper in a value than ``MAX_DEPTH`` levels. Linear in its size."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [each for each in level if isinstance(each, (dict, list))]
        if not level:
            return False
        level = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
    return True


def has_more_elements(value: Json, than: int) -> bool:
    """Whether lists and objects in a value have more elements than a number, all together."""
    pending, seen = [value], 0
    while pending:
        each = pending.pop()
        if isinstance(each, (dict, list)):
            seen += len(each)
            if seen > than:
                return True
            pending.extend(each.values() if isinstance(each, dict) else each)
    return False


def type_of(value: Json) -> str:
    """The type of a value, as the DSL names it: ``string``, ``integer``, ``float``, ``boolean``, ``object``, ``file``,
    ``none``, ``array[any]`` or ``array[string|number|object|boolean|file]``.

    Source: docs/dify-behaviour.md, “Types of values” (inference).
    """
    match value:
        case None:
            return "none"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "float"
        case list():
            return _array_type(value)
        case _:
            return "file" if is_file(value) else "object"


_ELEMENTS: Final[Mapping[type, str]] = {
    str: "array[string]",
    int: "array[number]",
    float: "array[number]",
    bool: "array[boolean]",
    list: "array[any]",
}


def _array_type(items: list[Json]) -> str:
    # Most arrays are of one type, and all but objects tell theirs without being looked into.
    if len(types := set(map(type, items))) == 1 and (kind := _ELEMENTS.get(types.pop())):
        return kind
    kinds = {type_of(item) if not isinstance(item, list) else "array" for item in items}
    kinds = {"number" if kind in ("integer", "float") else kind for kind in kinds}
    if len(kinds) == 1:
        kind = kinds.pop()
        if kind in ("string", "number", "object", "boolean", "file"):
            return f"array[{kind}]"
    return "array[any]"


def json_value(text: str | bytes | bytearray, otherwise: Json = None) -> Json:
    """The value that a JSON text is; ``otherwise`` of a text that is not JSON, or nested too deeply to be read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return otherwise


_ENCODER: Final = msgspec.json.Encoder()


def encode_json(value: Any) -> bytes:
    """Compact JSON in UTF-8. NaN and infinities become null, and lone surrogates, which UTF-8 lacks, question marks."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _ENCODER.encode(without_surrogates(msgspec.to_builtins(value)))


def without_surrogates(value: Json) -> Json:
    """The value with question marks for lone surrogates, in all of its texts."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
        case list() | tuple():
            return [without_surrogates(item) for item in value]
        case _:
            return value
