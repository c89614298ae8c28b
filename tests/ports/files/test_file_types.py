"""Detection of file types."""

import re
from pathlib import Path

import pytest

from jikko.ports.files.file_types import (
    FILE_TYPES,
    best_type,
    detect_type,
    extension_for,
    extension_of,
    is_text,
    mime_type_of,
)


@pytest.mark.parametrize(
    ("extension", "mime_type", "expected"),
    [
        (".png", "", "image"),
        ("SVG", "text/plain", "image"),
        (".mpga", "", "audio"),
        ("webm", "", "video"),
        (".md", "application/octet-stream", "document"),
        ("epub", "", "document"),
        (".json", "application/json", "custom"),
        ("", "image/heic", "image"),
        (".heic", "IMAGE/HEIC", "image"),
        (".x", "audio/x-y", "audio"),
        (".x", "video/x-y", "video"),
        ("", "text/plain", "custom"),
        ("", "", "custom"),
    ],
)
def test_the_extension_decides_and_then_the_mime_type(extension: str, mime_type: str, expected: str) -> None:
    assert detect_type(extension, mime_type) == expected


def test_the_extensions_of_each_type_are_those_of_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "dify-behaviour.md").read_text("utf-8")
    [listed] = re.findall(r"Type by extension: ([^.]+)", page)
    kinds = {words[0]: words[1:] for each in listed.split(";") if (words := re.findall(r"\w+", each))}
    assert kinds.keys() >= {"image", "video", "audio", "document"}
    for kind, extensions in kinds.items():
        if kind in FILE_TYPES:
            assert {name: detect_type(name, "") for name in extensions} == dict.fromkeys(extensions, kind)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.TXT", "txt"), ("a.tar.gz", "gz"), ("a", ""), (".profile", ""), ("日本.漢", "漢"), ("a.", ""), ("", "")],
)
def test_the_extension_of_a_name(name: str, expected: str) -> None:
    assert extension_of(name) == expected


OFFICE = "application/vnd.openxmlformats-officedocument"
FILES = [
    ("docx", f"{OFFICE}.wordprocessingml.document"),
    ("xlsx", f"{OFFICE}.spreadsheetml.sheet"),
    ("pptx", f"{OFFICE}.presentationml.presentation"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("epub", "application/epub+zip"),
    ("rtf", "application/rtf"),
    ("md", "text/markdown"),
    ("webp", "image/webp"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("m4a", "audio/mp4"),
    ("mp3", "audio/mpeg"),
    ("jpg", "image/jpeg"),
    ("txt", "text/plain"),
    ("ipynb", "application/x-ipynb+json"),
]


@pytest.mark.parametrize(("extension", "mime_type"), FILES)
def test_an_extension_and_a_mime_type_belong_together(extension: str, mime_type: str) -> None:
    assert mime_type_of(f"日本.{extension.upper()}") == mime_type
    assert extension_for(f"{mime_type.upper()} ; charset=binary") == f".{extension}"


@pytest.mark.parametrize("name", ["a", "", ".docx", "a.xyz9", "a.docx/b"])
def test_other_names_suggest_no_mime_type(name: str) -> None:
    assert mime_type_of(name) == ""


@pytest.mark.parametrize(
    ("mime_type", "name", "expected"),
    [
        ("audio/wave", "", ".wav"),
        ("image/pjpeg", "a.tmp", ".jpg"),
        ("x/y", "", ".bin"),
        ("x/y", "a.HWP", ".hwp"),
        ("application/octet-stream", "a.docx", ".docx"),
        ("", "a.日本", ".bin"),
        ("", "a.b/c", ".bin"),
        ("", "a." + "x" * 17, ".bin"),
        ("application/x-www-form-urlencoded", "", ".bin"),
    ],
)
def test_the_extension_for_a_file(mime_type: str, name: str, expected: str) -> None:
    assert extension_for(mime_type, name) == expected


@pytest.mark.parametrize(
    ("header", "name", "expected"),
    [
        ("Text/CSV; charset=utf-8", "a.docx", "text/csv"),
        ("application/octet-stream", "a.docx", f"{OFFICE}.wordprocessingml.document"),
        ("Binary/Octet-Stream; x=y", "a.PDF", "application/pdf"),
        ("application/force-download", "a", "application/octet-stream"),
        ("", "", "application/octet-stream"),
    ],
)
def test_a_name_decides_where_the_content_type_says_nothing(header: str, name: str, expected: str) -> None:
    assert best_type(header, name) == expected


@pytest.mark.parametrize(
    ("mime_type", "expected"),
    [
        (f"{OFFICE}.spreadsheetml.sheet", False),
        ("application/xhtml+xml", True),
        ("text/x-odd", True),
        ("font/x-odd", False),
        ("application/x-odd", None),
        ("", None),
    ],
)
def test_what_is_text(mime_type: str, expected: bool | None) -> None:
    assert is_text(mime_type) is expected
