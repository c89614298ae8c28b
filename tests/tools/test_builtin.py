"""The tools that Jikko has itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jikko.assemble.sandboxes import make_sandbox
from jikko.ports.files.documents import DocumentFailure
from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.tools import TextMessage, Tool, ToolCall, ToolFailure, ToolName, ToolNotFound
from jikko.settings import Settings
from jikko.tools.builtin.builtin import BuiltinTools, code_tools, time_tools
from jikko.tools.builtin.builtin_audio import Audio
from jikko.tools.builtin.webscraper import Webscraper, read_page
from jikko.values import Json
from tests.effort import growth

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0
TOOL = ToolCall(tool=Tool(name=ToolName(provider_type="builtin", provider="p", tool="t")), parameters={})


async def text_of(tools: Mapping[str, Any], name: str, **values: Json) -> str:
    messages: list[Any] = []
    await tools[name].act(values, TOOL, messages.append)
    [message] = messages
    assert isinstance(message, TextMessage)
    return message.text


TIME = time_tools(lambda: NOW)


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("current_time", {"timezone": "Asia/Tokyo", "format": "%Y年%m月%d日 %H:%M"}, "2023年11月15日 07:13"),
        ("current_time", {}, "2023-11-14 22:13:20 UTC"),
        ("current_time", {"timezone": "Mars/Base"}, "Invalid timezone: Mars/Base"),
        ("current_time", {"timezone": "../../etc/passwd"}, "Invalid timezone: ../../etc/passwd"),
        ("localtime_to_timestamp", {"localtime": "1970-01-01 08:00:00"}, "Invalid localtime: 1970-01-01 08:00:00"),
        # One that is there twice, and one that is skipped, are in standard time.
        ("localtime_to_timestamp", {"localtime": "2024-11-03 01:30:00", "timezone": "America/New_York"}, "1730615400"),
        ("localtime_to_timestamp", {"localtime": "2024-03-10 02:30:00", "timezone": "America/New_York"}, "1710055800"),
        ("timestamp_to_localtime", {"timestamp": -1.5, "timezone": "UTC"}, "1969-12-31 23:59:58"),
        ("timestamp_to_localtime", {"timestamp": 0}, "1970-01-01 08:00:00"),
        ("timezone_conversion", {"current_time": "2024-07-01 23:00:00"}, "2024-07-02 00:00:00"),
        ("weekday", {"year": 2023, "month": 2, "day": 29}, "Invalid date: Year 2023, Month 2, Day 29."),
        ("weekday", {"year": 10**30, "month": 1, "day": 1}, f"Invalid date: Year {10**30}, Month 1, Day 1."),
        ("weekday", {"year": 1, "month": 1, "day": 1}, "January 1, 1 is Monday."),
    ],
)
async def test_what_the_tools_of_time_say(name: str, values: dict[str, Json], text: str) -> None:
    assert await text_of(TIME, name, **values) == text


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("localtime_to_timestamp", {"localtime": "noon"}),
        ("localtime_to_timestamp", {}),
        ("localtime_to_timestamp", {"localtime": "2024-01-01 00:00:00", "timezone": "Mars/Base"}),
        ("localtime_to_timestamp", {"localtime": "2024-01-01 00:00:00", "timezone": None}),
        ("timestamp_to_localtime", {"timestamp": None}),
        ("timezone_conversion", {"current_time": "2024-07-01 23:00:00", "target_timezone": "\x00"}),
        ("weekday", {"year": None, "month": 1, "day": 1}),
        ("weekday", {"year": 2024, "month": float("inf"), "day": 1}),
        ("current_time", {"format": "%Y" * 1000}),
    ],
)
async def test_what_the_tools_of_time_cannot_do_fails(name: str, values: dict[str, Json]) -> None:
    with pytest.raises(ToolFailure):
        await text_of(TIME, name, **values)


@pytest.mark.parametrize("timestamp", [1e300, 1e12, -1e12, float("nan")])
async def test_a_timestamp_beyond_all_years_is_called_out_of_range(timestamp: float) -> None:
    with pytest.raises(ToolFailure, match="out of range: it must be of the years 1 to 9999"):
        await text_of(TIME, "timestamp_to_localtime", timestamp=timestamp)


@pytest.mark.parametrize(
    ("language", "code", "printed"),
    [
        ("python3", "print('世界')\nprint(1, end='')", "世界\n1"),
        ("python3", "def f():\n    return x\nx = 2\nprint(f())", "2\n"),
        ("python3", "if __name__ == '__main__':\n    print('main')", "main\n"),
        ("python3", "", ""),
        ("javascript", "console.log('a', 1, {b: [2]}, null)", 'a 1 {"b":[2]} null\n'),
        ("javascript", "const f = (x) => x * 2; console.info(f(2))", "4\n"),
    ],
)
async def test_a_program_says_what_it_printed(language: str, code: str, printed: str, tmp_path: Path) -> None:
    sandbox = make_sandbox(Settings(home=tmp_path), 1)
    try:
        assert await text_of(code_tools(sandbox), "simple_code", language=language, code=code) == printed
    finally:
        await sandbox.close()


@pytest.mark.parametrize(
    ("language", "code", "expected_error"),
    [
        ("python3", "1/0", "ZeroDivisionError"),
        ("python3", "open('/etc/passwd')", "(?i)file"),
        ("python3", "import socket; socket.create_connection(('127.0.0.1', 9))", "(?i)network"),
        ("javascript", "throw new Error('no')", "no"),
        ("ruby", "puts 1", "Only python3 and javascript are supported, not ruby"),
        (["python3"], "", "Only python3"),
    ],
)
async def test_a_program_that_fails_or_wants_more_fails(
    language: Json, code: str, expected_error: str, tmp_path: Path
) -> None:
    sandbox = make_sandbox(Settings(home=tmp_path), 1)
    try:
        with pytest.raises(ToolFailure, match=expected_error):
            await text_of(code_tools(sandbox), "simple_code", language=language, code=code)
    finally:
        await sandbox.close()


class Web:
    """Answers by method and address; keeps what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[OutgoingRequest] = []

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        self.asked.append(request)
        answer = self.answers.get(request.method, self.answers.get("any"))
        answer = answer.pop(0) if isinstance(answer, list) else answer
        if isinstance(answer, HttpFailure):
            raise answer
        assert isinstance(answer, HttpResponse)
        return answer

    async def close(self) -> None: ...


class Documents:
    async def extract(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> str:
        if content == b"broken":
            raise DocumentFailure("extraction.not_pdf")
        return f"{filename}: {content.decode()}"

    async def pieces(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> list[str]:
        return [await self.extract(content, filename=filename, mime_type=mime_type, app_id=app_id)]

    async def close(self) -> None: ...


def page(html: str, kind: str = "text/html; charset=utf-8", status: int = 200) -> HttpResponse:
    return HttpResponse(status, (("Content-Type", kind),), html.encode("utf-8", "replace"))


async def read(web: Web, **values: Json) -> str:
    scraper = Webscraper(web, Documents(), waits=(0.0, 0.0, 0.0))
    return await text_of(scraper.tools(), "webscraper", **{"url": "https://a.test/a", **values})


async def test_a_page_is_told_by_its_title_and_its_blocks() -> None:
    html = "<title>茶</title><nav>Home</nav><p>one <b>two</b></p><script>x</script><ul><li>a<li>b</ul><p>&amp;"
    text = await read(Web(any=page(html)), user_agent="reader/1")

    assert text == (
        "\nTITLE: 茶\nAUTHOR: \nTEXT:\n\n[{'text': '茶'}, {'text': 'one two'}, {'text': '* a, * b, '}, {'text': '&'}]\n"
    )


async def test_a_page_without_text_says_nothing() -> None:
    assert await read(Web(any=page("<img src=x>"))) == ""


async def test_the_head_is_asked_for_first_and_decides() -> None:
    web = Web(any=page("", "image/png"))

    assert await read(web) == "Unsupported content-type [image/png] of URL."
    assert [request.method for request in web.asked] == ["HEAD"]


async def test_a_document_is_told_by_its_text() -> None:
    assert await read(Web(any=page("{}", "application/json"))) == "document.json: {}"
    with pytest.raises(ToolFailure, match="it is broken, or not a PDF"):
        await read(Web(any=page("broken", "text/plain")))


async def test_a_server_that_refuses_programs_is_asked_as_a_browser() -> None:
    web = Web(HEAD=page("", status=403), GET=page("<p>hello"))

    assert "hello" in await read(web)
    assert "Mozilla/5.0" in dict(web.asked[-1].headers)["User-Agent"]


async def test_a_server_that_is_busy_is_asked_three_times_more() -> None:
    busy, lost = page("", status=503), HttpFailure("lost", kind="connect")
    assert "x" in await read(Web(HEAD=[busy, lost, busy, page("")], GET=page("<p>x")))

    web = Web(any=busy)
    with pytest.raises(ToolFailure, match=r"Reached maximum retries \(3\)"):
        await read(web)
    assert len(web.asked) == 4


async def test_an_address_that_may_not_be_reached_is_not_tried_again() -> None:
    web = Web(any=HttpFailure("The address 10.0.0.1 may not be reached", kind="address"))

    with pytest.raises(ToolFailure, match="may not be reached"):
        await read(web)
    assert len(web.asked) == 1


async def test_a_charset_that_nobody_knows_is_read_as_utf_8() -> None:
    for charset in ("x-unknown", "hex", "idna", "utf-8"):
        assert "é" in await read(Web(any=page("<p>é", f"text/html; charset={charset}")))


@pytest.mark.slow
@pytest.mark.parametrize(
    "html",
    [
        "<p>" * 1000,
        "<ul><li>" * 1000,
        "<svg>" * 1000 + "<p>x",
        "</nav>" * 1000,
        "<!--" * 1000,
        "<![" * 1000,
        "<?" * 1000,
    ],
)
def test_broken_pages_are_read_in_time_in_proportion_to_their_length(html: str) -> None:
    assert growth(lambda count: read_page(html * count), 1) < 40


def test_a_tool_that_is_not_there_is_told_with_those_that_are() -> None:
    nothing: Any = None
    audio = Audio(nothing, {}, nothing)
    tools = BuiltinTools(audio=audio, http=nothing, documents=nothing, sandbox=nothing, clock=lambda: NOW)

    with pytest.raises(ToolNotFound, match="builtin tool now not found; time has current_time, "):
        tools.known(ToolName(provider_type="builtin", provider="time", tool="now"))
