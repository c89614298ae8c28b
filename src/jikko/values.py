"""Values that flow between nodes, and selectors that refer to them.

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
"""Reference to a variable: ``(node id, variable name, key, ...)``, such as ``("1721", "body", "items")``.

With fewer than two parts it refers to nothing. Source: docs/dify-behaviour.md, “Selectors”.
"""
Uuid: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
"""Id, in a struct that is described to clients."""
Seconds: TypeAlias = Annotated[int, msgspec.Meta(description="Seconds since the Unix epoch.")]
"""Time, in a struct that is described to clients."""
Moment: TypeAlias = Annotated[float, msgspec.Meta(description="Seconds since the Unix epoch, with fractions.")]
"""Time in the console's structs."""

FILE_IDENTITY: Final = "__dify__file__"
"""``dify_model_identity`` of file mappings. Source: docs/dify-behaviour.md, “File values”."""


MAX_DEPTH: Final = 256
"""Maximum depth of lists and objects in a value from outside. A recursive function, ours or a library's, may take three
stack frames a level."""


class _Unset(Enum):
    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


Unset: TypeAlias = _Unset
UNSET: Final = _Unset.UNSET
"""The variable does not exist. Distinct from the value ``None``."""


def is_file(value: Json) -> bool:
    return isinstance(value, dict) and value.get("dify_model_identity") == FILE_IDENTITY


def remote_file(
    url: str, kind: str, *, filename: str, extension: str, mime_type: str, size: int = -1, id: Json = None
) -> dict[str, Json]:
    """Return the mapping of a file elsewhere. ``kind``: Its ``type``. ``size``: In bytes, -1 if unknown."""
    return {
        "dify_model_identity": FILE_IDENTITY,
        "id": id,
        "type": kind,
        "transfer_method": "remote_url",
        "remote_url": url,
        "reference": None,
        "filename": filename,
        "extension": extension,
        "mime_type": mime_type,
        "size": size,
        "related_id": None,
        "url": url,
    }


def as_list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else []


def files_in(outputs: dict[str, Json]) -> list[dict[str, Json]]:
    """Return the file mappings found directly in outputs: as a value, or as a list element."""
    found: list[dict[str, Json]] = []
    for value in outputs.values():
        if is_file(value):
            found.append(value)
        elif isinstance(value, list):
            found += [item for item in value if is_file(item)]
    return found


def stored_files(value: Json) -> Iterator[tuple[str, dict[str, Json]]]:
    """Iterate over this server's files in a value, with their ids."""
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
    """Return whether lists and objects are nested deeper than ``MAX_DEPTH``. Linear in the value's size."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [each for each in level if isinstance(each, (dict, list))]
        if not level:
            return False
        level = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
    return True


def has_more_elements(value: Json, than: int) -> bool:
    """Return whether all lists and objects in a value together have more elements than ``than``."""
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
    """Return a value's type, as named by the DSL: ``string``, ``integer``, ``float``, ``boolean``, ``object``,
    ``file``, ``none``, ``array[any]`` or ``array[string|number|object|boolean|file]``.

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
    # Most arrays have elements of one type, which decides unless they are objects.
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
    """Parse JSON; ``otherwise`` if the text is not JSON, or nested too deeply."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return otherwise


_ENCODER: Final = msgspec.json.Encoder()


def encode_json(value: Any) -> bytes:
    """Encode as compact JSON in UTF-8. NaN and infinities become null, lone surrogates question marks."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _ENCODER.encode(without_surrogates(msgspec.to_builtins(value)))


def without_surrogates(value: Json) -> Json:
    """Return the value with question marks for lone surrogates in all its texts."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
        case list() | tuple():
            return [without_surrogates(item) for item in value]
        case _:
            return value
