"""Files in requests, and the resulting file mappings."""

from typing import Any

import pytest
from msgspec.structs import replace

from jikko.dsl.start_variables import StartVariable
from jikko.errors import InvalidParam
from jikko.files.store import Files
from jikko.inputs.file_inputs import FileInputs
from jikko.ports.http import HttpFailure, HttpResponse
from jikko.ports.stores.file_index import StoredFile
from tests.inputs.file_parts import Web, empty_store

pytestmark = pytest.mark.anyio

OWNER: Any = {"app_id": "app-1", "end_user_id": "user-1"}
VARIABLE = StartVariable(
    name="f",
    label="f",
    type="file",
    allowed_file_types=("document", "image", "custom"),
    allowed_file_upload_methods=("local_file", "remote_url"),
)
OPEN = StartVariable(name="f", label="f", type="file")
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def files() -> Files:
    return empty_store()


async def stored(
    files: Files, name: str = "a.txt", mime_type: str = "text/plain", origin: Any = "upload", **owner: str
) -> StoredFile:
    async def content() -> Any:
        yield b"hello"

    return await files.save(content(), name=name, mime_type=mime_type, origin=origin, **{**OWNER, **owner})


def local(file: StoredFile, type: str | None = "document") -> dict[str, Any]:
    named = {"transfer_method": "local_file", "upload_file_id": file.id}
    return named if type is None else {"type": type, **named}


def a_web(**headers: str) -> Web:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Web({("HEAD", "http://web.example/dir/%E7%B5%B5.png?x=1"): HttpResponse(200, pairs, b"")})


async def refused(inputs: FileInputs, raw: Any, variable: StartVariable = VARIABLE) -> str:
    with pytest.raises(InvalidParam) as error:
        await inputs.file(raw, variable, **OWNER)
    return str(error.value)


async def test_an_uploaded_file_becomes_a_file_mapping(files: Files) -> None:
    file = await stored(files)

    made = await FileInputs(files, Web({})).file(local(file), VARIABLE, base_url="http://here.example", **OWNER)

    assert made["url"].startswith("http://here.example/files/")
    assert {**made, "url": ""} == {**files.mapping(file), "url": ""}


@pytest.mark.parametrize("field", ["upload_file_id", "reference", "related_id"])
async def test_an_upload_may_be_named_in_several_ways(files: Files, field: str) -> None:
    file = await stored(files)
    name = files.mapping(file)["reference"] if field == "reference" else file.id.upper()

    raw = {"type": "document", "transfer_method": "local_file", field: name}

    assert (await FileInputs(files, Web({})).file(raw, VARIABLE, **OWNER))["related_id"] == file.id


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"type": "document", "upload_file_id": UNKNOWN}, "transfer_method is required in file mapping"),
        (
            {"type": "document", "transfer_method": "carrier_pigeon", "upload_file_id": "x"},
            "'carrier_pigeon' is not a valid FileTransferMethod",
        ),
        ({"transfer_method": ["x"]}, "['x'] is not a valid FileTransferMethod"),
        ({"type": "scroll", "transfer_method": "local_file"}, "'scroll' is not a valid FileType"),
        ({"transfer_method": "local_file"}, "Invalid upload file id"),
        ({"transfer_method": "local_file", "upload_file_id": 5}, "Invalid upload file id"),
        ({"transfer_method": "local_file", "upload_file_id": "x"}, "Invalid upload file id format"),
        ({"transfer_method": "local_file", "upload_file_id": UNKNOWN}, "Invalid upload file"),
        ({"transfer_method": "remote_url", "upload_file_id": UNKNOWN}, "Invalid upload file"),
        ({"transfer_method": "tool_file", "tool_file_id": UNKNOWN}, f"ToolFile {UNKNOWN} not found"),
        ({"transfer_method": "tool_file"}, "ToolFile None not found"),
        ({"transfer_method": "datasource_file"}, "DatasourceFile None not found"),
        ({"transfer_method": "remote_url"}, "Invalid file url"),
        ("text", "f in input form must be a file"),
    ],
)
async def test_what_is_refused_and_why(files: Files, raw: Any, message: str) -> None:
    assert await refused(FileInputs(files, Web({})), raw) == message


@pytest.mark.parametrize("owner", [{"app_id": "app-2", "end_user_id": "user-of-2"}, {"end_user_id": "user-2"}])
async def test_a_file_of_somebody_else_is_answered_like_one_that_does_not_exist(
    files: Files, owner: dict[str, str]
) -> None:
    file = await stored(files, **owner)

    assert await refused(FileInputs(files, Web({})), local(file)) == "Invalid upload file"


async def test_a_file_of_a_node_is_no_upload_but_can_be_given_as_what_it_is(files: Files) -> None:
    file = await stored(files, "a.exe", origin="node")
    inputs = FileInputs(files, Web({}))

    assert await refused(inputs, local(file, None)) == "Invalid upload file"
    made = await inputs.file({"transfer_method": "tool_file", "tool_file_id": file.id}, VARIABLE, **OWNER)
    assert (made["transfer_method"], made["related_id"]) == ("tool_file", file.id)


async def test_a_file_input_is_strict_about_the_type_that_is_declared(files: Files) -> None:
    inputs = FileInputs(files, Web({}))
    file = await stored(files)

    assert (await refused(inputs, local(file, "image"))).startswith("Detected file type does not match")
    assert (await inputs.file(local(file, None), replace(OPEN, allowed_file_extensions=("txt",)), **OWNER))[
        "type"
    ] == "document"


async def test_a_list_takes_the_declared_type(files: Files) -> None:
    file = await stored(files)

    found = await FileInputs(files, Web({})).file_list([local(file, "image")], VARIABLE, **OWNER)

    assert [item["type"] for item in found] == ["image"]


@pytest.mark.parametrize(
    ("declared", "name", "types", "extensions", "allowed"),
    [
        pytest.param("document", "a.txt", (), (), True, id="no types listed: all"),
        pytest.param("document", "a.txt", ("document",), (), True, id="a listed type"),
        pytest.param("document", "a.txt", ("image",), (), False, id="one that is not listed"),
        pytest.param("document", "a.txt", ("image", "custom"), ("TXT",), True, id="not listed, but its extension is"),
        pytest.param("document", "a.txt", ("image", "custom"), (".md",), False, id="not listed, nor its extension"),
        pytest.param("custom", "d.json", ("custom",), (".JSON",), True, id="custom, in another case"),
        pytest.param("custom", "d.json", ("custom",), ("json",), True, id="custom, without the dot"),
        pytest.param("custom", "d.json", ("document", "image", "custom"), (), False, id="custom, no extension listed"),
        pytest.param("custom", "d.json", ("document",), (".json",), False, id="custom is not listed"),
        pytest.param("custom", "noext", ("custom",), ("", "."), False, id="no extension at all"),
    ],
)
async def test_what_a_variable_allows(
    files: Files, declared: str, name: str, types: tuple[str, ...], extensions: tuple[str, ...], allowed: bool
) -> None:
    file = await stored(files, name, "application/octet-stream")
    variable = replace(OPEN, allowed_file_types=types, allowed_file_extensions=extensions)
    inputs = FileInputs(files, Web({}))

    if allowed:
        assert (await inputs.file(local(file, declared), variable, **OWNER))["filename"] == name
    else:
        assert await refused(inputs, local(file, declared), variable) == f"File validation failed for file: {name}"


async def test_a_method_that_is_not_listed_is_refused(files: Files) -> None:
    file = await stored(files)
    variable = replace(OPEN, allowed_file_upload_methods=("remote_url",))

    assert await refused(FileInputs(files, Web({})), local(file), variable) == "File validation failed for file: a.txt"


async def test_a_remote_file_is_described_by_what_its_server_says(files: Files) -> None:
    web = a_web(Content_Length="1234", Content_Type="text/html")
    raw = {"type": "image", "transfer_method": "remote_url", "url": "http://web.example/dir/%E7%B5%B5.png?x=1"}

    assert await FileInputs(files, web).file(raw, VARIABLE, **OWNER) == {
        "dify_model_identity": "__dify__file__",
        "id": None,
        "type": "image",
        "transfer_method": "remote_url",
        "remote_url": raw["url"],
        "reference": None,
        "filename": "絵.png",
        "extension": ".png",
        "mime_type": "image/png",
        "size": 1234,
        "related_id": None,
        "url": raw["url"],
    }
    assert [request.app_id for request in web.requests] == [OWNER["app_id"]]


async def test_the_stored_copy_of_a_remote_file_keeps_its_method(files: Files) -> None:
    file = await stored(files)

    made = await FileInputs(files, Web({})).file(
        {"type": "document", "transfer_method": "remote_url", "upload_file_id": file.id}, VARIABLE, **OWNER
    )

    assert (made["transfer_method"], made["related_id"]) == ("remote_url", file.id)
    assert made["remote_url"] == made["url"]


async def test_a_remote_file_that_cannot_be_reached_is_refused_with_the_reason(files: Files) -> None:
    web = Web({("HEAD", "http://10.0.0.1/a"): HttpFailure("10.0.0.1 is private (JIKKO_HTTP_ALLOW).", kind="address")})
    raw = {"transfer_method": "remote_url", "url": "http://10.0.0.1/a"}

    assert "JIKKO_HTTP_ALLOW" in await refused(FileInputs(files, web), raw, OPEN)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "/files/x", "http://["])
async def test_only_web_addresses_are_files(files: Files, url: str) -> None:
    raw = {"transfer_method": "remote_url", "url": url}

    assert (await refused(FileInputs(files, Web({})), raw, OPEN)).startswith("Invalid file url")


async def test_entries_of_a_list_that_name_nothing_are_dropped(files: Files) -> None:
    file = await stored(files)

    found = await FileInputs(files, Web({})).file_list(
        [{}, {"type": "image"}, {"transfer_method": "remote_url"}, local(file)], VARIABLE, **OWNER
    )

    assert [item["related_id"] for item in found] == [file.id]


async def test_a_list_may_be_too_long(files: Files) -> None:
    variable = replace(VARIABLE, max_length=1)

    with pytest.raises(InvalidParam, match="f in input form must be less than 1 files"):
        await FileInputs(files, Web({})).file_list([{}, {}], variable, **OWNER)


async def test_no_list_of_objects_is_no_list_of_files(files: Files) -> None:
    for raw in ({"type": "document"}, ["x"], "x"):
        with pytest.raises(InvalidParam, match="f in input form must be a list of files"):
            await FileInputs(files, Web({})).file_list(raw, VARIABLE, **OWNER)


async def test_top_level_files_are_free_if_the_feature_is_off(files: Files) -> None:
    file = await stored(files, "a.exe", "application/octet-stream")
    inputs = FileInputs(files, Web({}))

    for features in ({}, {"file_upload": {"enabled": False, "allowed_file_types": ["image"]}}):
        found = await inputs.top_level([local(file, "custom")], features, **OWNER)
        assert [item["filename"] for item in found] == ["a.exe"]


async def test_top_level_files_are_checked_if_it_is_on(files: Files) -> None:
    text, image = await stored(files), await stored(files, "a.png", "image/png")
    inputs = FileInputs(files, Web({}))
    upload = {"enabled": True, "allowed_file_types": ["image"], "allowed_file_upload_methods": ["local_file"]}

    assert await inputs.top_level([local(image, "image")], {"file_upload": upload}, **OWNER)
    with pytest.raises(InvalidParam, match=r"File validation failed for file: a\.txt"):
        await inputs.top_level([local(text)], {"file_upload": upload}, **OWNER)


async def test_top_level_files_are_counted(files: Files) -> None:
    image, text = await stored(files, "a.png", "image/png"), await stored(files)
    inputs, features = FileInputs(files, Web({})), {"file_upload": {"enabled": True, "number_limits": 1}}

    with pytest.raises(InvalidParam, match="Number of image files exceeds the maximum limit 1"):
        await inputs.top_level([local(image, "image")] * 2, features, **OWNER)
    with pytest.raises(InvalidParam, match="Number of files exceeds the maximum limit 1"):
        await inputs.top_level([local(image, "image"), local(text)], features, **OWNER)


async def test_chatflows_are_not_strict_about_types(files: Files) -> None:
    file = await stored(files)
    inputs = FileInputs(files, Web({}))

    with pytest.raises(InvalidParam, match="Detected file type"):
        await inputs.top_level([local(file, "image")], {}, **OWNER)
    assert await inputs.top_level([local(file, "image")], {}, strict=False, **OWNER)


async def test_no_files_at_the_top_are_none(files: Files) -> None:
    assert await FileInputs(files, Web({})).top_level(None, {}, **OWNER) == []
