"""The Document Extractor node."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from jikko.nodes.contract import NodeFailure
from jikko.nodes.files.document_extractor import DocumentExtractor
from jikko.nodes.registry import BY_TYPE
from jikko.ports.files.documents import DocumentFailure
from jikko.ports.http import HttpFailure, HttpResponse
from tests.nodes.context import FakeContext, FilesOfOneUser, ScriptedHttp, fields, file

pytestmark = pytest.mark.anyio


@dataclass
class LoudReader:
    """A ``DocumentReader`` that answers in capitals, and refuses what says so."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def extract(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> str:
        self.asked.append((filename, mime_type, app_id))
        if content == b"broken":
            raise DocumentFailure("extraction.not_pdf")
        return content.decode().upper()

    async def pieces(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> list[str]:
        return [await self.extract(content, filename=filename, mime_type=mime_type, app_id=app_id)]

    async def close(self) -> None:
        """Nothing to close."""


READER = DocumentExtractor(selector=("start", "f"))


def a_context(value: Any, http: ScriptedHttp | None = None, reader: LoudReader | None = None) -> FakeContext:
    files = FilesOfOneUser({"a.txt": b"alpha", "日本.md": b"beta", "broken.pdf": b"broken"})
    context = FakeContext({"start": {"f": value}}, http=http, files=files)
    context.ports = replace(context.ports, documents=reader or LoudReader())
    return context


async def failure(value: Any, http: ScriptedHttp | None = None) -> NodeFailure:
    with pytest.raises(NodeFailure) as failed:
        await READER.run(a_context(value, http))
    return failed.value


def remote(**attributes: Any) -> dict[str, Any]:
    url = "http://web.example/a"
    return file("a", transfer_method="remote_url", related_id=None, remote_url=url, url=url, **attributes)


async def test_one_file_gives_its_text() -> None:
    document = file("a.txt")

    result = await READER.run(a_context(document))

    assert result.outputs == {"text": "ALPHA"}
    assert result.inputs == {"variable_selector": ["start", "f"]}
    assert result.process_data == {"documents": [document]}


async def test_a_list_gives_a_list_in_its_order() -> None:
    documents = [file("日本.md"), file("a.txt")]

    result = await READER.run(a_context(documents))

    assert result.outputs == {"text": ["BETA", "ALPHA"]}
    assert result.process_data == {"documents": documents}


@pytest.mark.parametrize(("value", "documents"), [(None, [None]), ([], []), ("", [""])])
async def test_nothing_gives_an_empty_list(value: Any, documents: list[Any]) -> None:
    result = await READER.run(a_context(value))

    assert result.outputs == {"text": []}
    assert result.process_data == {"documents": documents}


@pytest.mark.parametrize("value", ["x", 5, {"a": 1}, ["x"], [file("a.txt"), "x"]])
async def test_what_is_no_file_is_a_failure(value: Any) -> None:
    failed = await failure(value)

    assert str(failed) == "Variable ['start', 'f'] is not an ArrayFileSegment"
    assert (failed.kind, failed.inputs, failed.process_data) == ("", {}, {})


async def test_a_variable_that_does_not_exist_is_a_failure() -> None:
    with pytest.raises(NodeFailure, match="File variable not found for selector"):
        await READER.run(FakeContext())


async def test_a_document_that_cannot_be_read_is_a_failure_that_tells_which_were_asked_for() -> None:
    documents = [file("a.txt"), file("broken.pdf")]

    failed = await failure(documents)

    assert str(failed) == "it is broken, or not a PDF"
    assert failed.inputs == {"variable_selector": ["start", "f"]}
    assert failed.process_data == {"documents": documents}


async def test_a_file_that_is_missing_is_a_failure_of_the_node() -> None:
    assert str(await failure(file("gone.txt"))) == "Error downloading file: gone.txt: No file gone.txt."


async def test_a_mapping_that_names_no_stored_file_is_a_failure() -> None:
    assert "names no stored file" in str(await failure(file("a.txt", related_id=None)))


async def test_a_remote_file_is_fetched_and_its_known_extension_decides() -> None:
    http, reader = ScriptedHttp(HttpResponse(200, (), b"far")), LoudReader()

    result = await READER.run(a_context(remote(extension=".pdf", mime_type="application/pdf"), http, reader))

    assert result.outputs == {"text": "FAR"}
    assert reader.asked == [("a.pdf", "application/pdf", "app")]
    assert [(request.url, request.app_id) for request in http.requests] == [("http://web.example/a", "app")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HttpResponse(404, (), b"no"), "the server answered with status 404"),
        (HttpFailure("10.0.0.1 may not be reached (JIKKO_HTTP_ALLOW)", kind="address"), "JIKKO_HTTP_ALLOW"),
    ],
)
async def test_a_remote_file_that_cannot_be_fetched_is_a_failure(
    answer: HttpResponse | HttpFailure, reason: str
) -> None:
    assert reason in str(await failure(remote(), ScriptedHttp(answer)))


async def test_a_remote_file_without_an_address_is_a_failure() -> None:
    assert str(await failure({**remote(), "remote_url": ""})) == "Missing URL for remote file"


def test_it_is_read_from_the_document() -> None:
    data = fields({"type": "document-extractor", "variable_selector": ["start", "f"], "is_array_file": True})

    assert DocumentExtractor.from_dsl(data) == READER
    assert data.problems == []
    assert BY_TYPE["document-extractor"] is DocumentExtractor


def test_a_missing_selector_is_a_problem_of_the_document() -> None:
    data = fields({"type": "document-extractor"})
    DocumentExtractor.from_dsl(data)

    assert [problem.where for problem in data.problems] == ["data.variable_selector"]
