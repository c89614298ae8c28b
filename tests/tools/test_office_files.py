"""Office files and books on their way to the document extractor: none is lost, whatever a server declares.

They do not depend on Python's MIME tables, so they work with every tested version.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jikko.apps.end_users import end_user
from tests.acceptance.workflows import app, end, fetch, node, start
from tests.documents.made import a_docx, a_pptx, a_zip, an_epub, an_xlsx
from tests.inputs.file_parts import Part
from tests.outbound.server import Act, answer, serving
from tests.tools.running import installation, publish, ran, tool
from tests.tools.test_mcp_tools import mcp

pytestmark = pytest.mark.anyio

OFFICE = "application/vnd.openxmlformats-officedocument"
MADE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "docx": (f"{OFFICE}.wordprocessingml.document", a_docx, "Para one"),
    "xlsx": (f"{OFFICE}.spreadsheetml.sheet", lambda: an_xlsx([["名前"], ["値 📗"]]), "値 📗"),
    "pptx": (f"{OFFICE}.presentationml.presentation", a_pptx, "上 above"),
    "epub": ("application/epub+zip", lambda: an_epub({"one": "<p>章 one</p>"}), "章 one"),
}
ODT = "application/vnd.oasis.opendocument.text"
AN_ODT = a_zip({"mimetype": ODT, "content.xml": "<text>日本</text>"})

EXTRACTOR = node("doc", "document-extractor", variable_selector=["get", "files"], is_array_file=True)
FETCHES = app(
    "Fetches",
    [start("url"), fetch("get", "{{#start.url#}}"), EXTRACTOR, end(text="doc.text", files="get.files")],
    "start>get>doc>end",
)
FROM_TOOL = app(
    "From tool",
    [start("q"), tool("get", "mcp", "m", "say"), EXTRACTOR, end(text="doc.text", files="get.files")],
    "start>get>doc>end",
)
ALLOWED = {"allowed_file_types": ["custom"], "allowed_file_extensions": [f".{extension}" for extension in MADE]}
FROM_UPLOAD = app(
    "From upload",
    [
        node("start", "start", variables=[{"variable": "f", "label": "f", "type": "file", **ALLOWED}]),
        node("doc", "document-extractor", variable_selector=["start", "f"]),
        end(text="doc.text"),
    ],
    "start>doc>end",
)


def headers(extension: str, how: str) -> tuple[str, dict[str, str]]:
    """The path of a file, and what a server says of it."""
    mime_type = MADE[extension][0]
    named = {"Content_Disposition": f'attachment; filename="Bericht.{extension.upper()}"'}
    match how:
        case "its type":
            return "/x", {"Content_Type": mime_type}
        case "its type in capitals, with parameters":
            return "/x", {"Content_Type": f"{mime_type.upper()} ; charset=UTF-8"}
        case "its type, and a name":
            return "/x", {"Content_Type": mime_type, **named}
        case "a name alone":
            return "/x", named
        case "any bytes, and a name":
            return "/x", {"Content_Type": "application/octet-stream", **named}
        case "any bytes, at an address with a name":
            return f"/%E8%A1%A8.{extension.upper()}", {"Content_Type": "application/octet-stream"}
        case "any bytes, as buckets say it":
            return f"/x.{extension}", {"Content_Type": "binary/octet-stream"}
        case _:
            return f"/x.{extension}", {}


HOW = (
    "its type",
    "its type in capitals, with parameters",
    "its type, and a name",
    "a name alone",
    "any bytes, and a name",
    "any bytes, at an address with a name",
    "any bytes, as buckets say it",
    "nothing, at an address with a name",
)


@pytest.mark.parametrize("extension", MADE)
async def test_from_an_http_request(extension: str, tmp_path: Path) -> None:
    mime_type, make, text = MADE[extension]
    asked = {f"/{number}{path}": said for number, (path, said) in enumerate(headers(extension, how) for how in HOW)}
    answers = {path: answer(make(), **said) for path, said in asked.items()}
    async with serving(answers) as server, installation(tmp_path, {}) as assembly:
        await publish(assembly, FETCHES)
        for path, said in asked.items():
            ended = await ran(assembly, "Fetches", url=server.url(path) + "?token=a.txt")

            assert ended.status == "succeeded", (said, ended.error)
            (file,) = ended.outputs["files"]
            assert (file["extension"], file["mime_type"]) == (f".{extension}", mime_type), said
            assert text in ended.outputs["text"][0], said


def resource(content: bytes, **about: str) -> list[dict[str, Any]]:
    """What an MCP server says of a file."""
    return [{"type": "resource", "resource": {"blob": base64.b64encode(content).decode(), **about}}]


@pytest.mark.parametrize("extension", MADE)
async def test_from_a_tool(extension: str, tmp_path: Path) -> None:
    mime_type, make, text = MADE[extension]
    uri = f"file:///日本/Bericht.{extension.upper()}"
    ways = (
        {"uri": "x:y", "mimeType": mime_type},
        {"uri": "x:y", "mimeType": f"{mime_type.upper()}; charset=binary"},
        {"uri": uri, "mimeType": "application/octet-stream"},
        {"uri": uri},
    )
    contents = [item for about in ways for item in resource(make(), **about)]
    async with (
        serving({"/": mcp({"tools/call": {"content": contents}})}) as server,
        installation(tmp_path, {"m": {"type": "mcp", "url": server.url("/")}}) as assembly,
    ):
        await publish(assembly, FROM_TOOL)
        ended = await ran(assembly, "From tool", q="x")

    assert ended.status == "succeeded", ended.error
    for about, file, read in zip(ways, ended.outputs["files"], ended.outputs["text"], strict=True):
        assert (file["extension"], file["filename"][32:]) == (f".{extension}",) * 2, about
        assert text in read, about


@pytest.mark.parametrize("extension", MADE)
async def test_from_an_upload(extension: str, tmp_path: Path) -> None:
    mime_type, make, text = MADE[extension]
    async with installation(tmp_path, {}) as assembly:
        await publish(assembly, FROM_UPLOAD)
        app_id = (await assembly.apps.find("From upload")).id
        for name, said in (
            (f"日本.{extension}", "application/octet-stream"),
            (f"REPORT.{extension.upper()}", "text/plain"),
            (f"a.{extension}.{extension}", f"{mime_type.upper()}; charset=binary"),
        ):
            stored = await assembly.files.upload(
                [("file", Part(make(), name, said))], app_id=app_id, end_user_id=end_user(app_id, "ada")
            )
            given = {"transfer_method": "local_file", "upload_file_id": stored.id}
            ended = await ran(assembly, "From upload", f=given)

            assert ended.status == "succeeded", (name, said, ended.error)
            assert text in ended.outputs["text"], (name, said)


@pytest.mark.parametrize("how", ["a request", "a tool"])
async def test_a_format_that_cannot_be_read_fails_by_its_name(how: str, tmp_path: Path) -> None:
    said: dict[str, bytes | Act] = {
        "/x": answer(AN_ODT, Content_Type=ODT),
        "/": mcp({"tools/call": {"content": resource(AN_ODT, uri="x:y", mimeType=ODT)}}),
    }
    async with (
        serving(said) as server,
        installation(tmp_path, {"m": {"type": "mcp", "url": server.url("/")}}) as assembly,
    ):
        await publish(assembly, FETCHES)
        await publish(assembly, FROM_TOOL)
        name, inputs = ("Fetches", {"url": server.url("/x")}) if how == "a request" else ("From tool", {"q": "x"})
        ended = await ran(assembly, name, **inputs)

    assert (ended.status, ended.error) == ("failed", "Unsupported Extension Type: .odt")


async def test_there_are_only_so_many_files_in_one_answer(tmp_path: Path) -> None:
    contents = [item for _ in range(3) for item in resource(b"x", uri="x:y", mimeType="image/png")]
    async with (
        serving({"/": mcp({"tools/call": {"content": contents}})}) as server,
        installation(tmp_path, {"m": {"type": "mcp", "url": server.url("/")}}, tool_file_count=2) as assembly,
    ):
        await publish(assembly, FROM_TOOL)
        ended = await ran(assembly, "From tool", q="x")

    assert ended.status == "failed"
    assert "it made more than 2 files (the limit is set by JIKKO_TOOL_FILE_COUNT)" in str(ended.error)


async def test_an_xml_document_stays_a_text(tmp_path: Path) -> None:
    feed = "<feed>日本</feed>".encode()
    async with (
        serving({"/x": answer(feed, Content_Type="Application/Atom+XML; charset=utf-8")}) as server,
        installation(tmp_path, {}) as assembly,
    ):
        await publish(assembly, json.dumps(json.loads(FETCHES)).replace('"get", "files"', '"get", "body"'))
        ended = await ran(assembly, "Fetches", url=server.url("/x"))

    assert (ended.status, ended.error) == ("failed", "Variable ['get', 'body'] is not an ArrayFileSegment")
