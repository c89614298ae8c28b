"""What kind of file something is."""

import pytest

from jikko.ports.files.file_types import detect_type, extension_for, extension_of, mime_type_of


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.TXT", "txt"), ("a.tar.gz", "gz"), ("a", ""), (".profile", ""), ("日本.漢", "漢"), ("a.", ""), ("", "")],
)
def test_the_extension_of_a_name(name: str, expected: str) -> None:
    assert extension_of(name) == expected


@pytest.mark.parametrize(("name", "expected"), [("a.txt", "text/plain"), ("a.png", "image/png"), ("a", ""), ("", "")])
def test_the_mime_type_that_a_name_suggests(name: str, expected: str) -> None:
    assert mime_type_of(name) == expected


@pytest.mark.parametrize(("mime_type", "expected"), [("text/plain", ".txt"), ("image/jpeg", ".jpg"), ("x/y", "")])
def test_the_extension_for_a_mime_type(mime_type: str, expected: str) -> None:
    assert extension_for(mime_type) == expected
