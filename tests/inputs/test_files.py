"""Uploading files, and fetching them."""

import os
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
import pytest
from msgspec.structs import replace

from jikko.errors import InvalidParam, JikkoError, NotFound, PayloadTooLarge, StoreUnavailable
from jikko.files.disk import DiskBlobs, content_path
from jikko.files.store import Files
from jikko.inputs.uploads import WORKSPACE_ID, Download, FileLimits, FileService, shortened
from jikko.ports.stores.file_index import StoredFile
from tests.inputs.file_parts import SIGNER, Part, empty_store
from tests.store.in_memory import FilesInMemory

pytestmark = pytest.mark.anyio

LIMITS = FileLimits(max_image=10, max_other=20, blocked_extensions=frozenset({"exe"}))


def a_service() -> FileService:
    return FileService(empty_store(), LIMITS)


async def upload(service: FileService, *parts: tuple[str, Part]) -> StoredFile:
    return await service.upload(parts, app_id="app-1", end_user_id="user-1")


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def content_of(download: Download) -> bytes:
    return b"".join([piece async for piece in download.chunks])


async def test_an_upload_is_described_as_dify_does() -> None:
    service = a_service()
    file = await upload(service, ("file", Part(b"hello file", "日本é.TXT", "text/plain; charset=utf-8")))

    described = msgspec.to_builtins(service.described(file, base_url="http://here.example"))

    assert described.pop("source_url").startswith(f"http://here.example/files/{file.id}/file-preview?timestamp=")
    assert described == {
        "id": file.id,
        "reference": None,
        "name": "日本é.TXT",
        "size": 10,
        "extension": "txt",
        "mime_type": "text/plain",
        "created_by": "user-1",
        "created_at": int(file.created_at),
        "preview_url": None,
        "original_url": None,
        "user_id": None,
        "tenant_id": WORKSPACE_ID,
        "conversation_id": None,
        "file_key": None,
    }


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        pytest.param([], 400, "no_file_uploaded", id="no file"),
        pytest.param([("doc", Part())], 400, "no_file_uploaded", id="a file under another name"),
        pytest.param([("file", Part()), ("file2", Part())], 400, "too_many_files", id="two names"),
        pytest.param([("file", Part(filename=""))], 400, "filename_not_exists_error", id="no file name"),
        pytest.param([("file", Part(filename="a/b.txt"))], 400, "invalid_param", id="a slash"),
        pytest.param([("file", Part(filename="a\\b.txt"))], 400, "invalid_param", id="a backslash"),
        pytest.param([("file", Part(content_type=None))], 415, "unsupported_file_type", id="no content type"),
        pytest.param([("file", Part(filename="a.EXE"))], 400, "file_extension_blocked", id="an extension not wanted"),
        pytest.param([("file", Part(b"x" * 21))], 413, "file_too_large", id="a byte too much"),
        pytest.param([("file", Part(b"x" * 11, "a.png"))], 413, "file_too_large", id="a byte too much for an image"),
    ],
)
async def test_what_is_refused_and_why(parts: list[tuple[str, Part]], status: int, code: str) -> None:
    with pytest.raises(JikkoError) as refused:
        await upload(a_service(), *parts)

    assert (refused.value.status, refused.value.code) == (status, code)


async def test_the_message_of_a_file_that_is_too_large_is_empty() -> None:
    with pytest.raises(PayloadTooLarge, match=r"^$"):
        await upload(a_service(), ("file", Part(b"x" * 21)))


async def test_of_two_files_under_one_name_the_first_is_taken() -> None:
    file = await upload(a_service(), ("file", Part(filename="first.txt")), ("file", Part(filename="second.txt")))

    assert file.name == "first.txt"


async def test_a_large_upload_is_not_read_to_its_end() -> None:
    part = Part(b"x" * 5_000_000)

    with pytest.raises(PayloadTooLarge):
        await upload(a_service(), ("file", part))

    assert part.taken < 1_000_000


@pytest.mark.parametrize("content", [b"", b"x" * 20])
async def test_an_empty_file_and_one_of_the_largest_size_are_taken(content: bytes) -> None:
    assert (await upload(a_service(), ("file", Part(content)))).size == len(content)


@pytest.mark.parametrize(
    "name", ["a.EXE2", "📄.txt", "..", "a\nb\r.txt", "'\"%;.txt", "\u202eexe.txt", " ", "CON", "日本.漢字"]
)
async def test_names_may_have_any_characters(name: str) -> None:
    assert (await upload(a_service(), ("file", Part(filename=name)))).name == name


async def test_what_has_no_place_in_a_text_is_taken_out_of_names() -> None:
    assert (await upload(a_service(), ("file", Part(filename="a\x00\udc80b.txt")))).name == "a?b.txt"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("n" * 196 + ".txt", "n" * 196 + ".txt"),
        ("n" * 250 + ".txt", "n" * 200 + ".txt"),
        ("n" * 250, "n" * 200),
        ("漢" * 201 + ".txt", "漢" * 200 + ".txt"),
        ("a." + "x" * 250, "a." + "x" * 198),
    ],
)
def test_long_names_are_shortened_before_their_extension(name: str, expected: str) -> None:
    assert shortened(name) == expected


async def test_a_signed_url_opens_the_file_without_a_key() -> None:
    service = a_service()
    file = await upload(service, ("file", Part(b"hello", "a.png", "image/png")))

    download = await service.download(file.id, query_of(SIGNER.url(file)))

    assert await content_of(download) == b"hello"
    assert download.headers["Content-Type"] == "image/png"
    assert download.headers["Content-Length"] == "5"
    assert download.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Disposition" not in download.headers


async def test_a_file_can_be_asked_for_as_an_attachment() -> None:
    service = a_service()
    file = await upload(service, ("file", Part(filename='報告\r\n;".txt')))

    download = await service.download(file.id, {**query_of(SIGNER.url(file)), "as_attachment": "true"})

    disposition = download.headers["Content-Disposition"]
    assert disposition.isascii()
    assert disposition.isprintable()
    assert unquote(disposition.removeprefix("attachment; filename*=UTF-8''")) == '報告\r\n;".txt'


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        *(("a.html", "text/plain"), ("a.txt", "text/html"), ("a.svg", "image/svg+xml"), ("A.HTM", "x/y")),
        *(("a.xml", "a/b"), ("a.js", "text/javascript"), ("a.JS", "text/plain"), ("a.png", "application/javascript")),
        *(("a.mjs", "audio/mpeg"), ("a.wasm", "application/wasm"), ("a.wasm", "image/png"), ("a", "text/css")),
        *(("a.css", "text/plain"), ("a.mhtml", "message/rfc822"), ("a.png", "image/svg+xml"), ("a.swf", "video/mp4")),
        *(("a.jar", "text/plain"), ("a", "application/x-odd"), ("a", "text/x-odd"), ("a", "multipart/related")),
        *(("a.xsl", "text/plain"), ("a.rss", "application/rss+xml"), ("a", "text/ecmascript; version=1")),
    ],
)
async def test_what_could_run_programs_is_saved_and_not_shown(name: str, mime_type: str) -> None:
    service = a_service()
    file = await upload(service, ("file", Part(filename=name, content_type=mime_type)))

    headers = (await service.download(file.id, query_of(SIGNER.url(file)))).headers

    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        *(("a.png", "image/png"), ("a", "audio/mpeg"), ("日本.mp4", "video/mp4"), ("a.pdf", "application/pdf")),
        *(("a.txt", "text/plain"), ("a.md", "text/markdown"), ("a.json", "application/json"), ("a", "text/csv")),
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ],
)
async def test_all_else_keeps_its_type(name: str, mime_type: str) -> None:
    service = a_service()
    file = await upload(service, ("file", Part(filename=name, content_type=mime_type)))

    headers = (await service.download(file.id, query_of(SIGNER.url(file)))).headers

    assert headers["Content-Type"] == mime_type
    assert "Content-Disposition" not in headers


async def test_a_type_that_is_no_header_is_not_sent() -> None:
    service = a_service()
    file = await upload(service, ("file", Part(content_type="text/x\r\nSet-Cookie: a=b")))

    download = await service.download(file.id, query_of(SIGNER.url(file)))

    assert download.headers["Content-Type"] == "application/octet-stream"


async def test_a_download_of_content_that_has_become_shorter_is_broken_off(tmp_path: Path) -> None:
    service = FileService(Files(FilesInMemory(), DiskBlobs(tmp_path), SIGNER), LIMITS)
    file = await upload(service, ("file", Part("日本 🗻".encode())))
    os.truncate(content_path(tmp_path, file.digest), 4)
    download = await service.download(file.id, query_of(SIGNER.url(file)))

    with pytest.raises(StoreUnavailable, match="7 of its 11 bytes are missing"):
        await content_of(download)


async def test_a_wrong_or_expired_signature_opens_nothing() -> None:
    service = a_service()
    file = await upload(service, ("file", Part()))
    expired = query_of(replace(SIGNER, clock=lambda: 1_000_000.0).url(file))
    wrong = {**query_of(SIGNER.url(file)), "sign": "wrong"}

    for query in (expired, wrong):
        with pytest.raises(NotFound):
            await service.download(file.id, query)


async def test_a_url_without_its_signature_is_a_bad_request() -> None:
    with pytest.raises(InvalidParam):
        await a_service().download("0195e7a0-0000-7000-8000-0000000000f1", {})
