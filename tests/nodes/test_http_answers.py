"""HTTP Request node: handling of responses, and of none."""

import pytest

from jikko.nodes.contract import NodeFailure
from jikko.ports.http import FailureKind, HttpFailure
from jikko.ports.node_ports import ValueLimits
from jikko.values import Json
from tests.nodes.http_bench import Bench

pytestmark = pytest.mark.anyio


class TestAnswer:
    async def test_a_text(self) -> None:
        bench = Bench().answers("é".encode(), 201, Content_Type="text/plain", X_A="1", x_a="2")

        assert (await bench.run()).outputs == {
            "status_code": 201,
            "body": "é",
            "headers": {"content-type": "text/plain", "x-a": "1, 2"},
            "files": [],
        }

    @pytest.mark.parametrize(
        ("content", "content_type", "text"),
        [
            (b"\xe9", "text/plain; charset=ISO-8859-1", "é"),
            ("é".encode(), 'text/plain; charset="nonsense"', "é"),
            ("é".encode(), "text/plain; charset=ascii", "é"),
            ("日本".encode("shift_jis"), "text/html;charset=Shift_JIS", "日本"),
            (b"\xff\xfe", "text/plain", "\ufffd\ufffd"),
            (b"abc", "text/plain; charset=punycode", "abc"),
            (b"abc", "text/plain; charset=base64", "abc"),
        ],
    )
    async def test_encodings(self, content: bytes, content_type: str, text: str) -> None:
        assert (await Bench().answers(content, Content_Type=content_type).run()).outputs["body"] == text

    @pytest.mark.parametrize(
        ("content", "headers"),
        [
            (b"abc", {"Content_Type": "application/octet-stream"}),
            (b"\x89PNG {", {"Content_Type": "application/octet-stream"}),
            (b"abc", {"Content_Type": "Image/PNG; x=1"}),
            (b"abc", {"Content_Type": "audio/x-unknown"}),
            (b"%PDF-1.7 \xff", {"Content_Type": "application/pdf"}),
            (b"abc", {"Content_Type": "text/plain", "Content_Disposition": "attachment"}),
            (b"abc", {"Content_Disposition": 'inline; filename="a.txt"'}),
            (b"PK\x03\x04", {"Content_Type": "application/vnd.odd.xml-like+zip"}),
            (b"%PDF-1.4 <<", {"Content_Type": "application/x-odd"}),
            (b"\xff", {"Content_Type": "application/x-odd"}),
            (b"{\\rtf1}", {"Content_Type": "application/rtf"}),
            (b"glTF{", {"Content_Type": "model/gltf-binary"}),
        ],
    )
    async def test_what_is_a_file(self, content: bytes, headers: dict[str, str]) -> None:
        bench = Bench().answers(content, 200, **headers)
        outputs = (await bench.run()).outputs

        assert outputs["body"] == ""
        assert len(outputs["files"]) == 1
        assert bench.files.made[0]["content"] == content
        assert (bench.files.made[0]["app_id"], bench.files.made[0]["end_user_id"]) == ("app", "end-user")

    @pytest.mark.parametrize(
        "content_type",
        [
            "",
            "text/html",
            "text/csv",
            "application/json",
            "application/ld+json",
            "application/xml",
            "application/x-yaml",
            "application/jwt",
            "odd",
        ],
    )
    async def test_what_is_a_text(self, content_type: str) -> None:
        assert (await Bench().answers(b"abc", Content_Type=content_type).run()).outputs["body"] == "abc"

    @pytest.mark.parametrize("content", [b'{"a": 1}', b"<html>", b"let x = 1", ("{" + "日" * 400).encode()])
    async def test_what_looks_like_code_is_a_text(self, content: bytes) -> None:
        bench = Bench().answers(content, Content_Type="application/octet-stream")

        assert (await bench.run()).outputs["body"] == content.decode()

    @pytest.mark.parametrize(
        ("url", "headers", "mime_type", "extension"),
        [
            ("http://api.test/x", {"Content_Type": "image/png"}, "image/png", ".png"),
            ("http://api.test/x", {"Content_Disposition": "attachment; filename=a.csv"}, "text/csv", ".csv"),
            ("http://api.test/x.pdf?y", {"Content_Disposition": "attachment"}, "application/pdf", ".pdf"),
            ("http://api.test/x", {"Content_Type": "application/x-odd"}, "application/x-odd", ".bin"),
            ("http://api.test/x.hwp", {"Content_Type": "application/octet-stream"}, "application/x-hwp", ".hwp"),
            ("http://api.test/x.odd", {"Content_Type": "binary/octet-stream"}, "application/octet-stream", ".odd"),
            ("http://api.test/%E6%97%A5.MD#x", {"Content_Disposition": "attachment"}, "text/markdown", ".md"),
            ("http://api.test", {"Content_Disposition": "attachment"}, "application/octet-stream", ".bin"),
        ],
    )
    async def test_how_a_file_is_named(self, url: str, headers: dict[str, str], mime_type: str, extension: str) -> None:
        bench = Bench(url=url).answers(b"\xff", 200, **headers)
        await bench.run()

        (made,) = bench.files.made
        assert made["mime_type"] == mime_type
        assert len(made["name"]) == 32 + len(extension)
        assert made["name"].endswith(extension)

    @pytest.mark.parametrize(
        ("content_type", "message"),
        [
            ("text/plain", r"Text size is too large, max size is 1\.00 KB, but current size is 1\.50 KB\."),
            ("image/png", r"File size is too large, max size is 1\.25 KB, but current size is 1\.50 KB\."),
        ],
    )
    async def test_size_limits(self, content_type: str, message: str) -> None:
        bench = Bench().answers(b"x" * 1536, Content_Type=content_type)
        bench.limits = ValueLimits(max_http_text=1024, max_http_file=1280)
        failure = await bench.failure()

        assert (failure.kind, "request" in failure.process_data) == ("ResponseSizeError", True)
        assert bench.http.requests[0].max_bytes == 1280
        with pytest.raises(NodeFailure, match=message):
            raise failure


class TestFailure:
    @pytest.mark.parametrize(
        ("kind", "error_type"),
        [
            ("connect", "HttpRequestNodeError"),
            ("timeout", "HttpRequestNodeError"),
            ("address", "HttpRequestNodeError"),
            ("too_large", "ResponseSizeError"),
            ("url", "InvalidURLError"),
            ("body", "RequestBodyError"),
        ],
    )
    async def test_a_request_without_an_answer(self, kind: FailureKind, error_type: str) -> None:
        bench = Bench()
        bench.http.answer = HttpFailure("what happened", kind=kind)
        failure = await bench.failure()

        assert (str(failure), failure.kind) == ("what happened", error_type)
        assert failure.process_data == {"request": "GET /x HTTP/1.1\r\nHost: api.test\r\n\r\n"}

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    async def test_some_statuses_always_fail(self, status: int) -> None:
        failure = await Bench(url="http://user:secret@api.test/x?y=1").answers(status=status).failure()

        assert str(failure) == f"Reached maximum retries for URL http://api.test/x?y=1 (status {status})"
        assert (failure.kind, failure.outputs) == ("HttpRequestNodeError", {})

    @pytest.mark.parametrize("status", [301, 400, 401, 404, 501])
    async def test_others_are_answers(self, status: int) -> None:
        assert (await Bench().answers(status=status).run()).outputs["status_code"] == status

    @pytest.mark.parametrize(
        "data",
        [
            {"error_strategy": "fail-branch"},
            {"error_strategy": "default-value"},
            {"retry_config": {"retry_enabled": True}},
        ],
    )
    async def test_and_failures_if_the_node_is_prepared_for_them(self, data: dict[str, Json]) -> None:
        failure = await Bench(**data).answers(b"no", 404, Content_Type="text/plain").failure()

        assert (str(failure), failure.kind) == ("Request failed with status code 404", "HTTPResponseCodeError")
        assert failure.outputs == {
            "status_code": 404,
            "body": "no",
            "headers": {"content-type": "text/plain"},
            "files": [],
        }
        assert "request" in failure.process_data
