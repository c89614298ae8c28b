"""Files as nodes and use cases see them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from jikko.files.memory_blobs import MemoryBlobs
from jikko.files.signing_keys import SigningKeys, UrlSigner
from jikko.files.store import Files
from jikko.ports.stores.blob_store import FileMissing, FileTooLarge
from jikko.ports.stores.file_index import StoredFile
from jikko.values import is_file
from tests.store.in_memory import FilesInMemory

pytestmark = pytest.mark.anyio

OWNER: Any = {"app_id": "app-1", "end_user_id": "user-1"}


class Time:
    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def signer(time: Time) -> UrlSigner:
    return UrlSigner(keys=SigningKeys(b"k" * 32), base_url="http://jikko.example", clock=time)


@pytest.fixture
def files(time: Time, signer: UrlSigner) -> Files:
    return Files(FilesInMemory(), MemoryBlobs(), signer, max_made=100, clock=time)


async def whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def an_upload(files: Files, name: str = "報告.txt", mime_type: str = "text/plain") -> StoredFile:
    return await files.save(whole(b"hello"), name=name, mime_type=mime_type, **OWNER)


async def test_an_upload_has_the_mapping_of_dify(files: Files) -> None:
    file = await an_upload(files)

    mapping = files.mapping(file)
    url = mapping.pop("url")

    assert list(mapping.items()) == [
        ("dify_model_identity", "__dify__file__"),
        ("id", None),
        ("type", "document"),
        ("transfer_method", "local_file"),
        ("remote_url", ""),
        ("reference", f"file-ref:{file.id}"),
        ("filename", "報告.txt"),
        ("extension", ".txt"),
        ("mime_type", "text/plain"),
        ("size", 5),
        ("related_id", file.id),
    ]
    assert url.startswith(f"http://jikko.example/files/{file.id}/file-preview?timestamp=1750000000&nonce=")


async def test_a_file_of_a_node_has_the_mapping_of_a_tool_file(files: Files) -> None:
    mapping = await files.make(b"\x00\x01", name="0a1b", mime_type="application/octet-stream", **OWNER)

    assert is_file(mapping)
    shown = {name: mapping[name] for name in ("type", "transfer_method", "remote_url", "filename", "extension", "size")}
    assert shown == {
        "type": "custom",
        "transfer_method": "tool_file",
        "remote_url": None,
        "filename": "0a1b.bin",
        "extension": ".bin",
        "size": 2,
    }
    assert mapping["url"].startswith(f"http://jikko.example/files/tools/{mapping['related_id']}.bin?")


async def test_a_file_that_a_node_makes_can_be_too_large(files: Files) -> None:
    with pytest.raises(FileTooLarge):
        await files.make(b"x" * 101, name="big.bin", mime_type="", **OWNER)


async def test_its_user_can_read_a_file(files: Files) -> None:
    file = await an_upload(files)

    assert await files.read(file.id.upper(), **OWNER) == b"hello"
    assert await files.find(file.id, **OWNER) == file


@pytest.mark.parametrize("app_id", ["app-1", "app-2"])
async def test_nobody_else_can(files: Files, app_id: str) -> None:
    file = await an_upload(files)
    other = {"app_id": app_id, "end_user_id": "user-2"}

    assert await files.find(file.id, **other) is None
    with pytest.raises(FileMissing):
        await files.read(file.id, **other)


async def test_an_app_that_is_called_as_a_tool_reads_the_files_of_its_caller(files: Files) -> None:
    file = await an_upload(files)

    # The id of an end user belongs to one app (apps/test_end_users.py), so the one that has it is the caller.
    assert await files.read(file.id, app_id="app-2", end_user_id=OWNER["end_user_id"]) == b"hello"


async def test_a_file_whose_content_is_gone_is_missing(files: Files, time: Time) -> None:
    file = await an_upload(files)
    time.now += 10_000_000_000

    assert await files.expire(time.now) == 1
    with pytest.raises(FileMissing):
        await files.read(file.id, **OWNER)


async def test_values_get_fresh_urls_wherever_a_file_is_in_them(files: Files, time: Time) -> None:
    file = files.mapping(await an_upload(files))
    value: Any = {"a": [1, {"b": file}], "c": "text", "d": [file]}
    time.now += 1000

    fresh: Any = files.renewed(value, base_url="https://proxy.example")

    assert fresh["a"][0] == 1
    assert fresh["c"] == "text"
    assert fresh["d"][0]["url"].startswith("https://proxy.example/files/")
    assert "timestamp=1750001000" in fresh["a"][1]["b"]["url"]
    assert {**fresh["d"][0], "url": ""} == {**file, "url": ""}
    assert "timestamp=1750000000" in file["url"]


async def test_a_copy_of_a_remote_file_has_its_fresh_url_twice(files: Files, time: Time) -> None:
    file = files.mapping(await an_upload(files), transfer_method="remote_url")
    assert file["remote_url"] == file["url"]
    time.now += 1000

    fresh: Any = files.renewed(file)

    assert fresh["remote_url"] == fresh["url"] != file["url"]


@pytest.mark.parametrize(
    "value",
    [None, 1, "x", [], {}, [1, [2, {"a": None}]], {"dify_model_identity": "__dify__file__"}],
)
def test_a_value_without_stored_files_is_handed_back_itself(files: Files, value: Any) -> None:
    assert files.renewed(value) is value


async def test_what_only_looks_like_a_file_of_somebody_gets_no_url(files: Files) -> None:
    file = files.mapping(await an_upload(files))
    forged = {**file, "url": f"http://jikko.example/files/{file['related_id']}/file-preview?timestamp=1&nonce=2&sign=3"}

    assert files.renewed(forged) is forged


async def test_a_value_that_is_nested_very_deeply_stays_as_it_is(files: Files) -> None:
    value: Any = files.mapping(await an_upload(files))
    for _ in range(5000):
        value = [value]

    assert files.renewed(value) is value
