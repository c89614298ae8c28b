"""Values as text; literals are Python's, as Dify's are. Source: docs/dify-behaviour.md, “Rendering of values”."""

import json

import msgspec

from jikko.long_texts import LongTexts
from jikko.values import Json, is_file, type_of


def to_text(value: Json) -> str:
    """The plain rendering, for prompts, HTTP requests, conditions and tools. Files are invisible in it."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool() | int() | float():
            return str(value)
        case list():
            return _list_to_text(value)
        case _:
            return "" if is_file(value) else json.dumps(value, ensure_ascii=False)


def to_markdown(value: Json) -> str:
    """The Markdown rendering, for answers, streamed text and forms."""
    match value:
        case list():
            if type_of(value) == "array[file]":
                return "\n".join(map(_file_link, value))
            return "\n".join(f"- {item}" for item in value)
        case dict():
            return _file_link(value) if is_file(value) else _indented(value)
        case _:
            return to_text(value)


def _indented(value: Json) -> str:
    # Indenting takes Python's own encoder twenty times as long, and a result may have 200,000 elements. Long texts are
    # encoded apart: each step takes 20 ms for 12 MB.
    texts = LongTexts(value, _encoded)
    try:
        if texts.are_many:
            while texts.encode_piece():
                pass
            return texts.filled(msgspec.json.format(_encoded(texts.marked()), indent=2)).decode()
        return msgspec.json.format(json.dumps(value, ensure_ascii=False), indent=2)
    except (msgspec.DecodeError, UnicodeEncodeError):
        # NaN, infinities and lone surrogates are Python's, not JSON's.
        return json.dumps(value, ensure_ascii=False, indent=2)


def _encoded(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _list_to_text(items: list[Json]) -> str:
    if not items:
        return ""
    match type_of(items):
        case "array[file]":
            return ""
        case "array[string]":
            return json.dumps(items, ensure_ascii=False)
        case _:
            return str(items)


def _file_link(file: Json) -> str:
    name = file.get("filename") or ""
    url = file.get("url") or ""
    return f"![{name}]({url})" if file.get("type") == "image" else f"[{name or url}]({url})"
