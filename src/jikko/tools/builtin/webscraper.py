"""Tool of ``webscraper``: readable text of a web page. Source: docs/dify-behaviour.md, “Built-in tools”."""

import asyncio
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from jikko.concurrency.run_in_thread import run_in_thread
from jikko.ports.files.documents import DocumentFailure, DocumentReader
from jikko.ports.files.file_types import extension_for, mime_type_of
from jikko.ports.http import HttpClient, HttpFailure, HttpResponse, OutgoingRequest, Pairs, Timeouts
from jikko.ports.tools import Emit, TextMessage, ToolCall, ToolFailure
from jikko.tools.builtin.builtin_tool import BuiltinTool, parameter, setting
from jikko.values import Json

_WAITS: Final = (0.5, 1.0, 2.0)
"""Delays before retries, in seconds."""
_RETRIED_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_BROWSER: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
"""For servers that answer other clients with 403."""
_MAX_BYTES: Final = 10 << 20
_MAX_CHARACTERS_ON_LOOP: Final = 100_000
"""Size from which a page is parsed off the event loop."""
_DOCUMENTS: Final = frozenset(
    {"text/plain", "text/markdown", "text/csv", "application/json", "application/xml", "text/xml", "application/pdf"}
    | {"application/msword", "application/vnd.ms-excel", "application/epub+zip", "message/rfc822"}
    | {
        f"application/vnd.openxmlformats-officedocument.{kind}"
        for kind in ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation")
    }
)


class Webscraper(Struct, eq=False):
    http: HttpClient
    documents: DocumentReader
    waits: tuple[float, ...] = _WAITS
    """Delays before retries, in seconds."""

    def tools(self) -> Mapping[str, BuiltinTool]:
        parameters = (
            parameter("url", required=True),
            setting("user_agent"),
            # There are no summaries without a server-wide model: pages are returned as they are.
            setting("generate_summary", "boolean", default=False),
        )
        return {"webscraper": BuiltinTool(parameters, self._act, "returns the text of a web page")}

    async def _act(self, values: Mapping[str, Json], call: ToolCall, emit: Emit) -> None:
        url = values.get("url")
        emit(TextMessage(await self._text(url, values.get("user_agent"), call) if url else "Please input url"))

    async def _text(self, url: str, user_agent: Json, call: ToolCall) -> str:
        headers: Pairs = (("User-Agent", str(user_agent)),) if user_agent else ()
        head = await self._asked("HEAD", url, headers, call)
        if head.status == 403:
            headers = (("User-Agent", _BROWSER),)
            head = await self._asked("GET", url, headers, call)
        if head.status != 200:
            return f"URL returned status code {head.status}."
        kind = _kind(head)
        if kind and kind != "text/html" and kind not in _DOCUMENTS:
            return f"Unsupported content-type [{kind}] of URL."
        answer = await self._asked("GET", url, headers, call)
        if answer.status != 200:
            return f"URL returned status code {answer.status}."
        if _kind(answer) in _DOCUMENTS:
            return await self._document(url, answer, call)
        html = _decoded(answer)
        page = await run_in_thread(read_page, html) if len(html) > _MAX_CHARACTERS_ON_LOOP else read_page(html)
        return page.as_text()

    async def _document(self, url: str, answer: HttpResponse, call: ToolCall) -> str:
        kind = _kind(answer)
        name = urlsplit(url).path.rpartition("/")[2]
        if mime_type_of(name) != kind:
            name = f"document{extension_for(kind)}"
        try:
            return await self.documents.extract(answer.body, filename=name, mime_type=kind, app_id=call.app_id)
        except DocumentFailure as failure:
            raise ToolFailure(str(failure)) from None

    async def _asked(self, method: str, url: str, headers: Pairs, call: ToolCall) -> HttpResponse:
        request = OutgoingRequest(
            method=method,
            url=url,
            headers=headers,
            timeouts=Timeouts(connect=10.0, read=60.0, write=60.0, total=120.0),
            max_bytes=_MAX_BYTES,
            app_id=call.app_id,
        )
        for wait in (*self.waits, None):
            try:
                answer = await self.http.send(request)
            except HttpFailure as failure:
                # A retry does not help against refusals and invalid requests.
                if wait is None or failure.kind not in ("connect", "timeout", "protocol"):
                    raise ToolFailure(str(failure)) from None
            else:
                if answer.status not in _RETRIED_STATUSES:
                    return answer
                if wait is None:
                    tries = len(self.waits)
                    raise ToolFailure(f"Reached maximum retries ({tries}) for URL {url} (status {answer.status})")
            await asyncio.sleep(wait)
        raise AssertionError  # the last attempt returns or raises


def _kind(answer: HttpResponse) -> str:
    return answer.header("content-type").partition(";")[0].strip().lower()


def _decoded(answer: HttpResponse) -> str:
    """Decode a page by its declared charset if known, else as UTF-8."""
    _, _, declared = answer.header("content-type").lower().partition("charset=")
    try:
        return answer.body.decode(declared.partition(";")[0].strip("\"' ") or "utf-8", "replace")
    except (LookupError, ValueError):
        return answer.body.decode("utf-8", "replace")


_EXCLUDED_TAGS: Final = frozenset(
    {"button", "datalist", "fieldset", "form", "input", "label", "legend", "meter", "optgroup", "option", "output"}
    | {"progress", "select", "textarea", "area", "map", "picture", "audio", "track", "video", "iframe", "math"}
    | {"object", "svg", "details", "dialog", "summary", "canvas", "noscript", "script", "template", "data", "style"}
    | {"nav"}
)
_EMPTY: Final = frozenset({"area", "input", "track"})
"""Those of them that have no content."""
_BLOCKS: Final = frozenset(
    {"address", "article", "aside", "blockquote", "body", "br", "caption", "dd", "div", "dl", "dt", "figcaption"}
    | {"figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "li", "main", "ol", "p"}
    | {"pre", "section", "table", "tbody", "td", "tfoot", "th", "thead", "title", "tr", "ul"}
)
_LISTS: Final = frozenset({"ol", "ul"})
_NO_TEXT: Final = re.compile(
    r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[!?][^>]*(?:>|\Z)", re.DOTALL | re.IGNORECASE
)
"""Scripts, comments and declarations. Older Pythons' parsers fail on broken ones."""


class ReadablePage(NamedTuple):
    title: str
    blocks: list[str]
    """Texts in order, including the title. A list is one text: ``* one, * two, ``."""

    def as_text(self) -> str:
        """Return the tool's text; ``""`` if there is none. The list is a Python literal, a quirk of Dify."""
        if not self.blocks:
            return ""
        texts = str([{"text": block} for block in self.blocks])
        return f"\nTITLE: {self.title}\nAUTHOR: \nTEXT:\n\n{texts}\n"


def read_page(html: str) -> ReadablePage:
    """Parse a page. Broken markup is read as far as possible; takes time linear in its length.

    Source: docs/dify-behaviour.md, “Built-in tools” (webscraper), recordings tool_web__*.
    """
    reader = _Reader()
    marked, end, rest = _NO_TEXT.sub("", html).rpartition(">")
    # After the last tag, tag starts are cut off: for each the parser would search for its end again.
    reader.feed(marked + end + rest.partition("<")[0])
    reader.close()
    reader.end_block()
    return ReadablePage(reader.title, reader.blocks)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.blocks: list[str] = []
        self._pieces: list[str] = []
        self._items: list[str] = []
        self._hidden: list[str] = []
        self._lists = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _EXCLUDED_TAGS:
            if tag not in _EMPTY:
                self._hidden.append(tag)
            return
        if tag in _BLOCKS:
            self.end_block()
        if tag in _LISTS:
            self._lists += 1
        self._in_title = tag == "title"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.end_block()

    def handle_endtag(self, tag: str) -> None:
        if tag in _EXCLUDED_TAGS:
            if tag in self._hidden:
                while self._hidden.pop() != tag:
                    pass
            return
        if tag in _BLOCKS:
            self.end_block()
        if tag in _LISTS and self._lists:
            self._lists -= 1
            if not self._lists and self._items:
                self.blocks.append("".join(self._items))
                self._items.clear()
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._pieces.append(data)

    def end_block(self) -> None:
        text = " ".join("".join(self._pieces).split())
        self._pieces.clear()
        if not text:
            return
        if self._in_title and not self.title:
            self.title = text
        if self._lists:
            self._items.append(f"* {text}, ")
        else:
            self.blocks.append(text)
