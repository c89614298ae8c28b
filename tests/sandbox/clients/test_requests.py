"""``requests`` in programs: equivalent to the library, with a real server."""

import json
from urllib.parse import parse_qsl

import pytest

from jikko.ports.http import FailureKind, HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.sandbox import Sandbox, SandboxFailure
from tests.sandbox.clients.scene import Outside, json_answer, result_of

pytestmark = pytest.mark.anyio


async def test_get_sends_parameters_and_headers_and_reads_json(sandbox: Sandbox) -> None:
    outside = Outside(lambda _: json_answer('{"名": "日本 😀"}', X_Kind="t"))

    seen = await result_of(
        sandbox,
        outside,
        """
import requests
a = requests.get("https://example.com/x?a=1", params={"q": "日本", "l": [1, 2], "none": None}, headers={"X-A": "b"})
r = [a.status_code, a.ok, a.json(), a.headers["x-kind"], a.reason, a.url, a.text, len(a.content)]
""",
    )

    [request] = outside.requests
    assert (request.method, request.body, request.follow_redirects) == ("GET", None, False)
    assert request.url == "https://example.com/x?a=1&q=%E6%97%A5%E6%9C%AC&l=1&l=2"
    assert outside.headers()["x-a"] == "b"
    text = '{"名": "日本 😀"}'
    assert seen == [200, True, json.loads(text), "t", "OK", request.url, text, len(text.encode())]


async def test_parameters_may_be_written_out(sandbox: Sandbox) -> None:
    outside = Outside(lambda _: json_answer("{}"))
    text = "import requests\nr = [requests.get('https://example.com/x?a=1', params=p).url for p in ('b=2', b'b=%E6')]"

    seen = await result_of(sandbox, outside, text)

    assert seen == ["https://example.com/x?a=1&b=2", "https://example.com/x?a=1&b=%E6"]


@pytest.mark.parametrize(
    ("call", "body", "content_type"),
    [
        ("post(u, json={'a': [1, None], 'b': '日'})", '{"a": [1, null], "b": "\\u65e5"}', "application/json"),
        ("post(u, data={'a': '日 &', 'l': [1, 2]})", "a=%E6%97%A5+%26&l=1&l=2", "application/x-www-form-urlencoded"),
        ("put(u, data='日本'.encode())", "日本", None),
        ("patch(u, data='text', headers={'content-type': 'text/plain'})", "text", "text/plain"),
        ("delete(u)", None, None),
        ("head(u)", None, None),
        ("options(u)", None, None),
        ("request('post', u, data=[('a', '1'), ('a', '2')])", "a=1&a=2", "application/x-www-form-urlencoded"),
    ],
)
async def test_each_method_sends_its_body(sandbox: Sandbox, call: str, body: str | None, content_type: str) -> None:
    outside = Outside()

    await result_of(sandbox, outside, f"import requests\nu = 'http://h/'\nr = requests.{call}.status_code")

    [request] = outside.requests
    assert request.method == call.partition("(")[0].replace("request", "post").upper()
    assert request.body == (None if body is None else body.encode())
    assert outside.headers().get("content-type") == content_type


async def test_files_are_sent_as_multipart(sandbox: Sandbox) -> None:
    outside = Outside()
    code = """
import io, requests
files = {"f": ('a"b.csv', io.BytesIO(b"1,2"), "text/csv"), "g": b"raw"}
r = requests.post("http://h/", data={"k": "v"}, files=files).status_code
"""

    await result_of(sandbox, outside, code)

    kind = outside.headers()["content-type"]
    boundary = kind.partition("boundary=")[2]
    assert (
        outside.requests[0].body
        == (
            f'--{boundary}\r\nContent-Disposition: form-data; name="k"\r\n\r\nv\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="f"; filename="a%22b.csv"\r\n'
            "Content-Type: text/csv\r\n\r\n1,2\r\n"
            f'--{boundary}\r\nContent-Disposition: form-data; name="g"; filename="g"\r\n\r\nraw\r\n'
            f"--{boundary}--\r\n"
        ).encode()
    )


async def test_raise_for_status_and_its_response(sandbox: Sandbox) -> None:
    code = """
import requests
from requests.exceptions import HTTPError
a = requests.get("http://h/x")
try:
    a.raise_for_status()
except HTTPError as error:
    r = [str(error), error.response.status_code, bool(a), isinstance(error, IOError)]
"""
    outside = Outside(lambda _: HttpResponse(404, (), b""))

    seen = await result_of(sandbox, outside, code)

    assert seen == ["404 Client Error: Not Found for url: http://h/x", 404, False, True]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("connect", "ConnectionError"),
        ("address", "ConnectionError"),
        ("timeout", "ReadTimeout"),
        ("url", "InvalidURL"),
        ("protocol", "ChunkedEncodingError"),
        ("too_large", "ConnectionError"),
        ("request", "InvalidHeader"),
    ],
)
async def test_failures_are_the_usual_exceptions(sandbox: Sandbox, kind: FailureKind, name: str) -> None:
    outside = Outside(lambda _: HttpFailure("no good", kind=kind))
    code = """
import requests
try:
    requests.get("http://h/")
except requests.RequestException as error:
    r = [type(error).__name__, str(error), type(error).__module__]
"""

    assert await result_of(sandbox, outside, code) == [name, "no good", "requests.exceptions"]


async def test_a_failure_that_is_not_caught_is_told_by_its_name(sandbox: Sandbox) -> None:
    outside = Outside(lambda _: HttpFailure("The address 127.0.0.1 may not be reached", kind="address"))

    with pytest.raises(
        SandboxFailure, match=r"requests\.exceptions\.ConnectionError: The address 127\.0\.0\.1 may not"
    ):
        await result_of(sandbox, outside, 'import requests\nr = requests.get("http://127.0.0.1/").text')


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("get('example.com')", "MissingSchema"),
        ("get('ftp://example.com')", "InvalidSchema"),
        ("get('http://')", "InvalidURL"),
        ("post('http://h/', json=float('nan'))", "InvalidJSONError"),
        ("get('http://h/').json()", "JSONDecodeError"),
    ],
)
async def test_what_cannot_be_used_raises_what_the_library_raises(sandbox: Sandbox, call: str, name: str) -> None:
    outside = Outside(lambda _: HttpResponse(200, (), b"<html>"))
    code = f"""
import requests
try:
    requests.{call}
except requests.exceptions.RequestException as error:
    r = type(error).__name__
"""

    assert await result_of(sandbox, outside, code) == name


async def test_an_answer_may_have_many_and_long_headers(sandbox: Sandbox) -> None:
    headers = [("Long", "x" * 100_000), ("Set-Cookie", "a=1; Path=/"), ("X-Name", "日本")]
    headers += [(f"X-{number}", str(number)) for number in range(150)]
    answer = HttpResponse(200, tuple(headers), b"{}")
    code = """
import requests
a = requests.get("http://h/")
name = a.headers["X-Name"].encode("latin-1").decode()
r = [len(a.headers["Long"]), a.headers["X-149"], a.cookies["a"], name, a.reason]
"""

    found = await result_of(sandbox, Outside(lambda request: answer), code)

    assert found == [100_000, "149", "1", "日本", "OK"]


async def test_timeouts_reach_the_request_and_do_not_exceed_those_of_nodes(sandbox: Sandbox) -> None:
    outside = Outside()
    code = """
import requests
for timeout in (3, (1.5, 7), 10**6, None, float("inf")):
    r = requests.get("http://h/", timeout=timeout).status_code
"""

    await result_of(sandbox, outside, code)

    assert [(request.timeouts.connect, request.timeouts.read) for request in outside.requests] == [
        (3.0, 3.0),
        (1.5, 7.0),
        (10.0, 600.0),
        (10.0, 600.0),
        (10.0, 600.0),
    ]
    assert [request.ssl_verify for request in outside.requests] == [None] * 5


async def test_certificates_are_not_checked_where_the_program_says_so(sandbox: Sandbox) -> None:
    outside = Outside()
    code = """
import requests
requests.packages.urllib3.disable_warnings()
r = requests.get("https://h/", verify=False).status_code
"""

    await result_of(sandbox, outside, code)

    assert outside.requests[0].ssl_verify is False


def redirecting(request: OutgoingRequest) -> HttpResponse:
    path = request.url.partition("://")[2]
    match path:
        case "one.test/start":
            return HttpResponse(302, (("Location", "/next"), ("Set-Cookie", "seen=1; Path=/")), b"")
        case "one.test/next":
            return HttpResponse(301, (("Location", "http://two.test/end#part"),), b"")
        case "one.test/loop":
            return HttpResponse(307, (("Location", "/loop"),), b"")
        case _:
            return json_answer('{"done": true}')


async def test_redirects_are_followed_one_by_one_and_credentials_stay_behind(sandbox: Sandbox) -> None:
    outside = Outside(redirecting)
    code = """
import requests
a = requests.post("http://one.test/start", data={"a": 1}, auth=("user", "pässword"))
r = [a.url, [h.status_code for h in a.history], a.request.method, a.json()]
"""

    seen = await result_of(sandbox, outside, code)

    assert seen == ["http://two.test/end#part", [302, 301], "GET", {"done": True}]
    assert [(request.method, request.body) for request in outside.requests] == [
        ("POST", b"a=1"),
        ("GET", None),
        ("GET", None),
    ]
    assert [outside.headers(number).get("authorization") for number in range(3)] == [
        "Basic dXNlcjpw5HNzd29yZA==",
        "Basic dXNlcjpw5HNzd29yZA==",
        None,
    ]
    assert [outside.headers(number).get("cookie") for number in range(3)] == [None, "seen=1", None]


async def test_a_redirect_can_be_left_alone_and_too_many_are_an_error(sandbox: Sandbox) -> None:
    outside = Outside(redirecting)
    code = """
import requests
a = requests.get("http://one.test/start", allow_redirects=False)
try:
    requests.get("http://one.test/loop")
except requests.TooManyRedirects as error:
    r = [a.status_code, a.is_redirect, a.headers["Location"], str(error)]
"""

    assert await result_of(sandbox, outside, code) == [302, True, "/next", "Exceeded 30 redirects."]


async def test_a_session_keeps_headers_parameters_and_cookies(sandbox: Sandbox) -> None:
    def answers(request: OutgoingRequest) -> HttpResponse:
        return HttpResponse(200, (("Set-Cookie", "sid=abc; HttpOnly"), ("Set-Cookie", "b=2")), b"")

    outside = Outside(answers)
    code = """
import requests
from requests.adapters import HTTPAdapter
with requests.Session() as s:
    s.headers.update({"X-Token": "t", "Accept": "text/plain"})
    s.params = {"k": "v"}
    s.mount("https://", HTTPAdapter(max_retries=3))
    s.get("http://h/1")
    s.post("http://h/2", headers={"Accept": None}, cookies={"own": "1"})
    s.get("http://other/3")
    r = s.cookies.get_dict()
"""

    assert await result_of(sandbox, outside, code) == {"sid": "abc", "b": "2"}
    assert [request.url for request in outside.requests] == ["http://h/1?k=v", "http://h/2?k=v", "http://other/3?k=v"]
    assert outside.headers(0)["x-token"] == outside.headers(1)["x-token"] == "t"
    assert (outside.headers(0)["accept"], outside.headers(1).get("accept")) == ("text/plain", None)
    assert [outside.headers(number).get("cookie") for number in range(3)] == [None, "sid=abc; b=2; own=1", None]


async def test_text_is_read_in_the_encoding_that_is_declared_set_or_likely(sandbox: Sandbox) -> None:
    bodies = {
        "http://h/declared": HttpResponse(200, (("Content-Type", "text/html; charset=GBK"),), "中文".encode("gbk")),
        "http://h/likely": HttpResponse(200, (("Content-Type", "application/octet-stream"),), "中文".encode()),
        "http://h/set": HttpResponse(200, (("Content-Type", "text/plain"),), "中文".encode()),
    }
    outside = Outside(lambda request: bodies[request.url])
    code = """
import requests
last = requests.get("http://h/set")
wrong = last.text
last.encoding = last.apparent_encoding
r = [requests.get("http://h/declared").text, requests.get("http://h/likely").text, last.text, wrong != last.text]
"""

    assert await result_of(sandbox, outside, code) == ["中文", "中文", "中文", True]


async def test_what_may_not_stand_in_an_address_is_escaped_and_users_become_a_header(sandbox: Sandbox) -> None:
    outside = Outside()

    await result_of(sandbox, outside, 'import requests\nr = requests.get("http://u:p%40@h/ä b?q=日").status_code')

    assert outside.requests[0].url == "http://h/%C3%A4%20b?q=%E6%97%A5"
    assert outside.headers()["authorization"] == "Basic dTpwQA=="


async def test_a_large_answer_and_a_large_body_pass(sandbox: Sandbox) -> None:
    def doubled(request: OutgoingRequest) -> HttpResponse:
        assert isinstance(request.body, bytes)
        return HttpResponse(200, (), request.body * 2)

    outside = Outside(doubled)
    code = """
import requests
a = requests.post("http://h/", data=b"x" * 3_000_000)
r = [len(a.content), sum(len(piece) for piece in a.iter_content(100_000))]
"""

    assert await result_of(sandbox, outside, code) == [6_000_000, 6_000_000]


async def test_a_form_is_read_back_as_it_was_sent(sandbox: Sandbox) -> None:
    outside = Outside()
    fields = {"a": "x" * 100_000, "\ue000": "日本 😀\r\n&=", "": "empty name"}

    await result_of(sandbox, outside, "import requests\nr = requests.post('http://h/', data=f).ok", {"f": dict(fields)})

    body = outside.requests[0].body
    assert isinstance(body, bytes)
    assert dict(parse_qsl(body.decode(), keep_blank_values=True)) == fields


async def test_an_adapter_repeats_what_it_is_told_to_repeat(sandbox: Sandbox) -> None:
    statuses = iter((503, 503, 200))
    outside = Outside(lambda _: HttpResponse(next(statuses), (), b"done"))
    code = """
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry
class Mine(HTTPAdapter):
    def send(self, request, **options):
        request.headers["X-Mine"] = "1"
        return super().send(request, **options)
s = requests.Session()
s.mount("https://", Mine(max_retries=Retry(total=2, status_forcelist=[503])))
r = s.get("https://h/").text
"""

    assert await result_of(sandbox, outside, code) == "done"
    assert [outside.headers(number)["x-mine"] for number in range(3)] == ["1"] * 3


async def test_an_answer_can_be_read_as_a_stream_however_the_server_received_it(sandbox: Sandbox) -> None:
    outside = Outside(
        lambda _: HttpResponse(200, (("Content-Encoding", "gzip"), ("Content-Length", "9")), "一\n😀\n".encode())
    )
    code = """
import requests
with requests.post("http://h/", data=(piece.encode() for piece in ("日", "本")), stream=True) as a:
    a.encoding = "utf-8"
    r = [list(a.iter_lines(decode_unicode=True)), a.headers["content-length"], a.headers.get("content-encoding")]
r.append(requests.head("http://h/").headers["content-length"])
"""

    assert await result_of(sandbox, outside, code) == [["一", "😀"], "9", None, "9"]
    assert outside.requests[0].body == "日本".encode()
    assert outside.headers(0).keys() == {"user-agent", "accept"}


async def test_an_encoding_that_nobody_declares_is_found_out(sandbox: Sandbox) -> None:
    text = "今天的天气很好，我们一起去公园散步吧。" * 20
    outside = Outside(lambda _: HttpResponse(200, (("Content-Type", "text/html"),), text.encode("gb18030")))
    code = "import requests\na = requests.get('http://h/')\na.encoding = a.apparent_encoding\nr = a.text"

    assert await result_of(sandbox, outside, code) == text


async def test_urllib3_asks_the_server_too(sandbox: Sandbox) -> None:
    outside = Outside(lambda request: json_answer(f'"{request.url}"'))
    code = """
import urllib3
http = urllib3.PoolManager(cert_reqs="CERT_NONE")
r = [http.request("GET", "https://h:8443/a", fields={"q": "1"}).json(), urllib3.request("GET", "http://[::1]/b").json()]
"""

    assert await result_of(sandbox, outside, code) == ["https://h:8443/a?q=1", "http://[::1]/b"]
    assert [request.ssl_verify for request in outside.requests] == [False, None]


async def test_a_failure_does_not_repeat_the_address(sandbox: Sandbox) -> None:
    outside = Outside(lambda _: HttpFailure("The request failed: there is no such host.", kind="connect"))
    code = """
import requests
try:
    requests.get("http://secret.test/?key=secret")
except requests.ConnectionError as error:
    r = str(error)
"""

    assert await result_of(sandbox, outside, code) == "The request failed: there is no such host."
