"""Metadata of a remote file without fetching it."""

import pytest

from jikko.inputs.file_inputs import RemoteFile, name_in_disposition, probe
from jikko.ports.http import HttpFailure, HttpResponse
from tests.inputs.file_parts import Answer, Web

pytestmark = pytest.mark.anyio

URL = "http://web.example/a/report.pdf"


async def probed(head: Answer, url: str = URL, get: Answer | None = None) -> RemoteFile:
    return await probe(url, Web({("HEAD", url): head, ("GET", url): get or HttpResponse(500, (), b"")}))


async def test_the_server_may_give_another_name() -> None:
    headers = (("Content-Disposition", 'attachment; filename="x/../b.txt"'), ("content-length", "7"))

    assert await probed(HttpResponse(200, headers, b"")) == RemoteFile(
        filename="b.txt", extension=".txt", mime_type="text/plain", size=7
    )


async def test_a_server_that_says_nothing_leaves_what_the_address_says() -> None:
    expected = RemoteFile(filename="report.pdf", extension=".pdf", mime_type="application/pdf", size=-1)

    assert await probed(HttpResponse(404, (("Content-Length", "9"),), b"")) == expected
    assert await probed(HttpResponse(200, (("Content-Length", "many"),), b"")) == expected


@pytest.mark.parametrize("name", ["Content-Length", "Content-Range"])
async def test_a_size_beyond_all_sizes_is_none(name: str) -> None:
    assert (await probed(HttpResponse(200, ((name, "9" * 5000),), b""))).size == -1


async def test_the_content_type_helps_where_the_name_does_not() -> None:
    found = await probed(HttpResponse(200, (("Content-Type", "image/png; a=b"),), b""), "http://web.example/picture")

    assert (found.filename, found.extension, found.mime_type) == ("picture", ".png", "image/png")


async def test_a_file_without_any_name_gets_one() -> None:
    found = await probed(HttpResponse(200, (("Content-Type", "text/plain"),), b""), "http://web.example/")

    assert found.filename.endswith(".txt")
    assert len(found.filename) == 36


async def test_an_extension_that_no_type_has_is_kept() -> None:
    found = await probed(HttpResponse(200, (), b""), "http://web.example/a.xyz9")

    assert (found.extension, found.mime_type) == (".xyz9", "")


@pytest.mark.parametrize("status", [405, 501])
async def test_a_server_without_head_is_asked_for_the_first_byte(status: int) -> None:
    first_byte = HttpResponse(206, (("Content-Range", "bytes 0-0/1234"), ("Content-Length", "1")), b"%")

    assert (await probed(HttpResponse(status, (), b""), get=first_byte)).size == 1234


async def test_a_server_that_then_sends_too_much_is_no_failure() -> None:
    found = await probed(HttpResponse(405, (), b""), get=HttpFailure("too large", kind="too_large"))

    assert (found.filename, found.size) == ("report.pdf", -1)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ""),
        ("inline", ""),
        ("attachment; filename=a.txt; size=3", "a.txt"),
        ('attachment; filename="a \\"b\\".txt"', 'a "b".txt'),
        ("attachment; filename=x.txt; filename*=UTF-8''%E7%B5%B5.png", "絵.png"),
        ("attachment; filename*=nonsense''%41.txt", "A.txt"),
        ("attachment; filename*=undefined''%41.txt", "A.txt"),
        ("attachment; filename*=idna''%41.txt", "A.txt"),
        ('attachment; filename="C:\\\\dir\\\\a.txt"', "a.txt"),
        ('attachment; filename="/"', ""),
    ],
)
def test_names_in_content_disposition(header: str, expected: str) -> None:
    assert name_in_disposition(header) == expected
