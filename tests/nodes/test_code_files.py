"""Files that programs return."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest

from jikko.nodes.contract import NodeFailure
from jikko.nodes.data.code import Code
from jikko.ports.node_ports import ValueLimits
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import SandboxLimits
from jikko.values import Json
from tests.effort import PATIENCE
from tests.nodes.context import FakeContext, FilesOfOneUser, fields

pytestmark = pytest.mark.anyio

PNG = "b'\\x89PNG\\r\\n\\x1a\\n' + bytes(9)"
FIGURE = """
import io
class Figure:
    def savefig(self, target, format):
        target.write(b"drawn as " + format.encode())
class Axes:
    figure = Figure()
class Picture:
    mode, format = "RGB", "JPEG"
    def save(self, target, format):
        target.write(b"saved as " + format.encode())
"""


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[ForkServerSandbox]:
    made = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE))
    yield made
    await made.close()


async def run(
    sandbox: ForkServerSandbox, result: str, limits: ValueLimits | None = None, **outputs: str
) -> tuple[Mapping[str, Json], list[dict[str, Any]]]:
    """The outputs of a program, and the files that were made."""
    text = f"{FIGURE}\ndef main():\n    return {result}"
    specs: dict[str, Json] = {name: {"type": kind} for name, kind in outputs.items()}
    data = fields({"code_language": "python3", "code": text, "variables": [], "outputs": specs})
    node = Code.from_dsl(data)
    assert data.problems == []
    files = FilesOfOneUser()
    ctx = FakeContext(files=files, limits=limits)
    replaced: Any = {"sandbox": sandbox}
    ctx.ports = msgspec.structs.replace(ctx.ports, **replaced)
    return (await node.run(ctx)).outputs, files.made


@pytest.mark.parametrize(
    ("value", "name", "mime_type", "content"),
    [
        (PNG, "f.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(9)),
        (f"io.BytesIO({PNG})", "f.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(9)),
        ("b'\\x00\\x01'", "f.bin", "application/octet-stream", b"\x00\x01"),
        ("b'%PDF-1.7'", "f.pdf", "application/pdf", b"%PDF-1.7"),
        ("'日本 😀 \\ue000'", "f.txt", "text/plain", "日本 😀 \ue000".encode()),
        ("io.StringIO('a,b')", "f.txt", "text/plain", b"a,b"),
        ("'data:image/gif;base64,R0lGODlh'", "f.gif", "image/gif", b"GIF89a"),
        ("Figure()", "f.png", "image/png", b"drawn as png"),
        ("Axes()", "f.png", "image/png", b"drawn as png"),
        ("Picture()", "f.jpeg", "image/jpeg", b"saved as jpeg"),
        ("{'filename': '売上.csv', 'content': 'a,b'}", "売上.csv", "text/csv", b"a,b"),
        ("{'filename': '../../etc/a\\n.png', 'content': b'x'}", "a.png", "image/png", b"x"),
    ],
)
async def test_what_a_program_returns_becomes_a_file(
    value: str, name: str, mime_type: str, content: bytes, sandbox: ForkServerSandbox
) -> None:
    outputs, made = await run(sandbox, f"{{'f': {value}, 'n': 1}}", f="file", n="number")

    [file] = made
    assert (file["content"], file["name"], file["mime_type"]) == (content, name, mime_type)
    assert (file["app_id"], file["end_user_id"]) == ("app", "end-user")
    assert list(outputs) == ["f", "n"]
    assert outputs["f"]["filename"] == name


async def test_a_list_of_files_keeps_its_order_and_none_stays(sandbox: ForkServerSandbox) -> None:
    outputs, made = await run(sandbox, "{'fs': (b'1', Figure(), 'three'), 'no': None}", fs="array[file]", no="file")

    assert [file["name"] for file in made] == ["fs-1.bin", "fs-2.png", "fs-3.txt"]
    assert [file["filename"] for file in outputs["fs"]] == ["fs-1.bin", "fs-2.png", "fs-3.txt"]
    assert outputs["no"] is None


@pytest.mark.parametrize(
    ("result", "kind", "message"),
    [
        ("{}", "file", "Output f is missing"),
        ("{'f': 7}", "file", "the output f is a file, but int is not"),
        ("{'f': {'a': 1}}", "file", "the output f is a file, but dict is not"),
        ("{'f': b'x'}", "array[file]", "Output f is not an array"),
        ("{'f': [b'x']}", "file", "Output f is not a file"),
        ("{'f': [None]}", "array[file]", r"Output f\[0\] is not a file"),
        ("{'f': [b'x'] * 31}", "array[file]", r"at most 30 elements, but is 31 \(set by JIKKO_MAX_OBJECTS\)"),
        ("{'f': b'x', 'g': 1}", "file", "'g' not declared"),
        ("{'f': bytes(4 << 20)}", "file", "broke the output limit"),
    ],
)
async def test_what_is_no_file_fails_the_node_and_stores_nothing_before(
    result: str, kind: str, message: str, sandbox: ForkServerSandbox
) -> None:
    with pytest.raises(NodeFailure, match=message):
        await run(sandbox, result, f=kind)


async def test_bytes_where_no_file_is_declared_fail_as_in_dify(sandbox: ForkServerSandbox) -> None:
    with pytest.raises(NodeFailure, match="Object of type bytes is not JSON serializable"):
        await run(sandbox, "{'f': b'x'}", f="string")


async def test_a_program_cannot_pass_off_somebody_elses_file(sandbox: ForkServerSandbox) -> None:
    forged = "{'dify_model_identity': '__dify__file__', 'related_id': 'other', 'content': 'mine'}"

    _, made = await run(sandbox, f"{{'f': {forged}}}", f="file")

    assert [file["content"] for file in made] == [b"mine"]


@pytest.mark.parametrize(
    ("language", "outputs"),
    [
        ("javascript", {"f": {"type": "file"}}),
        ("python3", {"f": {"type": "object", "children": {"g": {"type": "array[file]"}}}}),
        ("python3", {"f": {"type": "image"}}),
    ],
)
def test_other_declarations_are_problems_of_the_file(language: str, outputs: Json) -> None:
    data = fields({"code_language": language, "code": "…", "variables": [], "outputs": outputs})

    Code.from_dsl(data)

    assert len(data.problems) == 1
