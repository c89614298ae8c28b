"""HTTP Request node: its request, record, and handling of the response."""

from typing import Any

import pytest

from jikko.nodes.http.http_request import HttpRequest
from jikko.ports.http import Multipart, Timeouts
from jikko.values import Json
from tests.nodes.context import fields
from tests.nodes.http_bench import Bench, body, key

pytestmark = pytest.mark.anyio


class TestRequestLine:
    async def test_parameters_replace_the_query_and_are_split_before_they_are_expanded(self) -> None:
        bench = Bench(
            url="http://api.test/x?a=1#f", params="q:{{#start.s#}}\nl:{{#start.lines#}}\nempty:\n\n: no\nnone"
        )
        sent = await bench.sent()

        assert sent.url == "http://api.test/x?a=1#f"
        assert sent.params == (("q", "a b&c=/"), ("l", "one\nX-Two: two"), ("empty", ""), ("none", ""))
        assert (await bench.recorded()).startswith(
            "GET /x?q=a+b%26c%3D%2F&l=one%0AX-Two%3A+two&empty=&none= HTTP/1.1\r\nHost: api.test\r\n"
        )

    async def test_parameters_of_one_name_are_sent_together(self) -> None:
        bench = Bench(url="http://api.test/x", params="日:1\nb:2\n日:🎉")

        assert (await bench.sent()).params == (("日", "1"), ("日", "🎉"), ("b", "2"))
        assert (await bench.recorded()).startswith("GET /x?%E6%97%A5=1&b=2&%E6%97%A5=")

    @pytest.mark.parametrize(
        ("url", "line"),
        [
            ("http://api.test", "GET / HTTP/1.1\r\nHost: api.test"),
            ("http://api.test:81/a?b=1", "GET /a?b=1 HTTP/1.1\r\nHost: api.test:81"),
            ("http://user:secret@api.test/a", "GET /a HTTP/1.1\r\nHost: api.test"),
            ("http://api.test/{{#start.s#}}", "GET /a b&c=/ HTTP/1.1\r\nHost: api.test"),
        ],
    )
    async def test_the_line_is_recorded_as_written(self, url: str, line: str) -> None:
        assert await Bench(url=url).recorded() == f"{line}\r\n\r\n"

    async def test_it_is_sent_in_the_name_of_the_app(self) -> None:
        assert (await Bench().sent()).app_id == "app"

    @pytest.mark.parametrize("method", ["get", "POST", "put", "Patch", "DELETE", "head"])
    async def test_methods_are_accepted_in_any_case(self, method: str) -> None:
        bench = Bench(method=method)

        assert (await bench.sent()).method == method
        assert (await bench.recorded()).startswith(f"{method.upper()} /x ")

    async def test_options_is_recorded_and_refused(self) -> None:
        bench = Bench(method="options")
        failure = await bench.failure()

        assert (str(failure), failure.kind) == ("Invalid http method options", "InvalidHttpMethodError")
        assert failure.process_data["request"].startswith("OPTIONS /x HTTP/1.1")
        assert bench.http.requests == []

    @pytest.mark.parametrize("url", ["{{#start.none#}}", "ftp://x", "example.com", "http://[::1"])
    async def test_a_url_that_is_none_fails_before_anything_is_sent(self, url: str) -> None:
        bench = Bench(url=url)
        failure = await bench.failure()

        assert (failure.kind, failure.process_data) == ("InvalidURLError", {})
        assert bench.http.requests == []


class TestHeaders:
    async def test_they_are_lines_of_a_name_and_a_value(self) -> None:
        sent = await Bench(headers="X-A: {{#start.s#}}\nX-B:v:w\n\nX-Empty:\nX-None\nX-B: again").sent()

        assert sent.headers == (("X-A", "a b&c=/"), ("X-B", "again"), ("X-Empty", ""), ("X-None", ""))

    async def test_other_characters_than_ascii_cannot_be_sent(self) -> None:
        failure = await Bench(headers="X-A: geheim-é").failure()

        assert (failure.kind, failure.process_data) == ("WorkflowNodeError", {})
        assert "geheim" not in str(failure)

    @pytest.mark.parametrize(
        ("authorization", "header", "value"),
        [
            (key("bearer", "{{#start.n#}}"), "Authorization", "Bearer 3"),
            (key("basic", "{{#start.key#}}"), "Authorization", "Basic azrDvA=="),
            (key("basic", "dXNlcjpwYXNz"), "Authorization", "Basic dXNlcjpwYXNz"),
            (key("custom", "ck", "X-Key"), "X-Key", "ck"),
            (key("custom", "ck"), "Authorization", "ck"),
            (key("bearer", "t", "X-Auth"), "X-Auth", "Bearer t"),
        ],
    )
    async def test_the_api_key_is_sent_and_masked(self, authorization: Json, header: str, value: str) -> None:
        bench = Bench(authorization=authorization, headers="X-Open: shown")
        sent = await bench.sent()

        assert sent.headers == (("X-Open", "shown"), (header, value))
        assert sent.secret_headers == {header.lower()}
        assert f"\r\n{header}: {'*' * len(value)}\r\n" in await bench.recorded()

    async def test_a_header_of_the_same_name_is_masked_too(self) -> None:
        bench = Bench(authorization=key("bearer", "t"), headers="authorization: old")

        assert "\r\nauthorization: ***\r\nAuthorization: ********\r\n" in await bench.recorded()

    @pytest.mark.parametrize("value", ["", "{{#start.blank#}}", "{{#start.none#}}"])
    async def test_a_blank_api_key_fails(self, value: str) -> None:
        failure = await Bench(authorization=key("bearer", value)).failure()

        assert (failure.kind, failure.process_data) == ("AuthorizationConfigError", {})


class TestBody:
    async def test_none_sends_nothing(self) -> None:
        sent = await Bench(method="post", body={"type": "none", "data": [{"value": "ignored"}]}).sent()

        assert (sent.body, sent.headers) == (None, ())

    async def test_raw_text(self) -> None:
        bench = Bench(method="post", body=body("raw-text", {"value": "é {{#start.n#}} {{#start.gone#}}"}))
        sent = await bench.sent()

        assert sent.body == "é 3 start.gone".encode()
        assert sent.headers == (("Content-Type", "text/plain"),)
        # Characters, not bytes.
        assert (await bench.recorded()).endswith("\r\nContent-Length: 14\r\n\r\né 3 start.gone")

    async def test_a_raw_text_that_becomes_empty_is_recorded_as_its_template(self) -> None:
        bench = Bench(method="post", body=body("raw-text", {"value": "{{#start.none#}}"}))

        assert (await bench.sent()).body == b""
        assert (await bench.recorded()).endswith("\r\nContent-Length: 16\r\n\r\n{{#start.none#}}")

    @pytest.mark.parametrize("headers", ["Content-Type: text/csv", "content-type: text/csv"])
    async def test_a_content_type_of_the_user_stays(self, headers: str) -> None:
        sent = await Bench(method="post", headers=headers, body=body("raw-text", {"value": "a"})).sent()

        assert [value for _, value in sent.headers] == ["text/csv"]

    @pytest.mark.parametrize(
        ("text", "sent", "recorded"),
        [
            ('{"s": "{{#start.s#}}", "n": {{#start.n#}}}', '{"s":"a b&c=/","n":3}', '{"s": "a b&c=/", "n": 3}'),
            ('{"é": 1}', '{"é":1}', '{"\\u00e9": 1}'),
            ("{nope", '["nope"]', '["nope"]'),
            ("null", "", ""),
            ("{'a': 1,}", '{"a":1}', '{"a": 1}'),
            ('{"a": "x\ny"}', '{"a":"x\\ny"}', '{"a": "x\\ny"}'),
            ("{}", "{}", ""),
            ("0", "0", ""),
        ],
    )
    async def test_json_is_repaired(self, text: str, sent: str, recorded: str) -> None:
        bench = Bench(method="post", body=body("json", {"value": text}))

        assert (await bench.sent()).body == sent.encode()
        assert (await bench.recorded()).partition("\r\n\r\n")[2] == recorded

    async def test_long_json_is_repaired_too(self) -> None:
        bench = Bench(method="post", body=body("json", {"value": "{a: '" + "x" * 4000 + "'}"}))

        assert (await bench.sent()).body == b'{"a":"' + b"x" * 4000 + b'"}'

    @pytest.mark.parametrize("text", ["", "[NaN]", "[" * 100_000])
    async def test_what_is_no_json_fails(self, text: str) -> None:
        failure = await Bench(method="post", body=body("json", {"value": text})).failure()

        assert (failure.kind, failure.process_data) == ("RequestBodyError", {})
        assert len(str(failure)) < 300

    @pytest.mark.parametrize("kind", ["raw-text", "json", "binary"])
    @pytest.mark.parametrize("items", [(), ({}, {})])
    async def test_some_types_need_exactly_one_item(self, kind: str, items: tuple[dict[str, Json], ...]) -> None:
        failure = await Bench(method="post", body=body(kind, *items)).failure()

        assert failure.kind == "RequestBodyError"

    async def test_an_urlencoded_form(self) -> None:
        items = (
            {"key": "a", "value": "{{#start.s#}}"},
            {"key": "{{#start.n#}}", "value": "é"},
            {"key": "a", "value": "x"},
        )
        bench = Bench(method="post", body=body("x-www-form-urlencoded", *items))

        assert (await bench.sent()).body == b"a=x&3=%C3%A9"
        assert (await bench.recorded()).endswith("\r\nContent-Length: 12\r\n\r\na=x&3=%C3%A9")

    async def test_a_form_without_files_has_a_placeholder(self) -> None:
        bench = Bench(method="post", headers="Content-Type: x", body=body("form-data", {"key": "a", "value": "é"}))
        sent = await bench.sent()

        assert isinstance(sent.body, Multipart)
        assert sent.headers == (("Content-Type", f"multipart/form-data; boundary={sent.body.boundary}"),)
        assert sent.body.fields == (("a", "é"),)
        assert [entry.name for entry in sent.body.files] == ["__multipart_placeholder__"]
        text = (await bench.recorded()).partition("\r\n\r\n")[2]
        limit = text.partition("\r\n")[0]
        assert text == f'{limit}\r\nContent-Disposition: form-data; name="a"\r\n\r\né\r\n{limit}--\r\n'

    async def test_a_form_with_files(self) -> None:
        items: tuple[dict[str, Json], ...] = (
            {"key": "a", "value": "v"},
            {"key": "one", "type": "file", "file": ["start", "f"]},
            {"key": "all", "type": "file", "file": ["start", "fl"]},
            {"key": "gone", "type": "file", "file": ["start", "gone"]},
            {"key": "text", "type": "file", "file": ["start", "s"]},
            {"key": "nowhere", "type": "file", "file": ["start", "made_up"]},
        )
        bench = Bench(method="post", body=body("form-data", *items))
        sent = await bench.sent()

        assert isinstance(sent.body, Multipart)
        assert [(entry.name, entry.filename, entry.content, entry.content_type) for entry in sent.body.files] == [
            ("one", "a.txt", b"hello world", "text/plain"),
            ("all", "a.txt", b"hello world", "text/plain"),
            ("all", "b.png", b"\x89PNG", "application/octet-stream"),
        ]
        recorded = await bench.recorded()
        assert "<file_content_binary: 'a.txt', type='text/plain', size=11 bytes>\r\n" in recorded
        assert 'name="a"' not in recorded

    async def test_a_file_as_the_body(self) -> None:
        bench = Bench(method="post", body=body("binary", {"type": "file", "file": ["start", "f"]}))
        sent = await bench.sent()

        assert (sent.body, sent.headers) == (b"hello world", ())
        assert (await bench.recorded()).endswith("\r\nContent-Length: 31\r\n\r\n<binary_content: size=11 bytes>")

    async def test_a_remote_file_is_fetched(self) -> None:
        bench = Bench(method="post", body=body("binary", {"type": "file", "file": ["start", "remote"]}))
        bench.answers(b"far away")
        await bench.run()

        assert [request.url for request in bench.http.requests] == ["http://files.test/r.txt", "http://api.test/x"]
        assert bench.http.requests[1].body == b"far away"

    @pytest.mark.parametrize("selector", [["start", "gone"], ["start", "s"], ["start", "fl"], []])
    async def test_a_body_that_is_no_file_fails(self, selector: list[str]) -> None:
        failure = await Bench(method="post", body=body("binary", {"type": "file", "file": selector})).failure()

        assert (str(failure), failure.kind) == (f"cannot fetch file with selector {selector}", "FileFetchError")

    async def test_a_file_that_is_gone_fails(self) -> None:
        bench = Bench(method="post", body=body("form-data", {"key": "f", "type": "file", "file": ["start", "f"]}))
        bench.files.contents.clear()

        assert (await bench.failure()).kind == "FileFetchError"

    async def test_the_shape_of_old_files(self) -> None:
        bench = Bench(method="post", body={"type": "json", "data": '{"legacy": "{{#start.n#}}"}'})

        assert (await bench.sent()).body == b'{"legacy":"3"}'


class TestConfiguration:
    async def test_timeouts(self) -> None:
        usual = await Bench(timeout={"connect": 0, "read": None, "max_read_timeout": 5}).sent()
        given = await Bench(timeout={"connect": 1, "read": "2", "write": 3}).sent()

        assert usual.timeouts == Timeouts(connect=10, read=600, write=600)
        assert given.timeouts == Timeouts(connect=1, read=2, write=3)

    @pytest.mark.parametrize("value", [True, False, None])
    async def test_ssl_verify(self, value: bool | None) -> None:
        assert (await Bench(ssl_verify=value).sent()).ssl_verify is value

    async def test_what_the_editor_leaves_out(self) -> None:
        empty: dict[str, Any] = {"headers": None, "params": None, "body": None, "timeout": None}

        assert (await Bench(authorization={"type": "no-auth", "config": None}, **empty).sent()).headers == ()

    def test_mistakes_are_found_before_a_run(self) -> None:
        data = fields(
            {
                "method": "fetch",
                "authorization": {"type": "api-key"},
                "body": {"type": "xml"},
                "timeout": {"read": -1},
                "ssl_verify": "perhaps",
            }
        )
        HttpRequest.from_dsl(data)

        assert [problem.where for problem in data.problems] == [
            "data.method",
            "data.url",
            "data.authorization.config",
            "data.body.type",
            "data.timeout.read",
            "data.ssl_verify",
        ]
