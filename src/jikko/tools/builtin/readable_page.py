"""The readable part of a web page: its title, and its texts block by block."""

import re
from html.parser import HTMLParser
from typing import Final, NamedTuple

_LEFT_OUT: Final = frozenset(
    {"button", "datalist", "fieldset", "form", "input", "label", "legend", "meter", "optgroup", "option", "output"}
    | {"progress", "select", "textarea", "area", "map", "picture", "audio", "track", "video", "iframe", "math"}
    | {"object", "svg", "details", "dialog", "summary", "canvas", "noscript", "script", "template", "data", "style"}
    | {"nav"}
)
_EMPTY: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
"""Elements without an end."""
_BLOCKS: Final = frozenset(
    {"address", "article", "aside", "blockquote", "body", "br", "caption", "dd", "div", "dl", "dt", "figcaption"}
    | {"figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "li", "main", "ol", "p"}
    | {"pre", "section", "table", "tbody", "td", "tfoot", "th", "thead", "title", "tr", "ul"}
)
_LISTS: Final = frozenset({"ol", "ul"})
_NO_TEXT: Final = re.compile(
    r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[!?][^>]*(?:>|\Z)", re.DOTALL | re.IGNORECASE
)
"""Scripts, comments and declarations. The parsers of older Pythons stumble over those that are broken."""


class ReadablePage(NamedTuple):
    """What there is to read."""

    title: str
    blocks: list[str]
    """Texts in their order, the title among them. A list is one: ``* one, * two, ``."""

    def as_text(self) -> str:
        """As the tool says it; ``""`` if there is no text. The list is Python's literal, a quirk of Dify."""
        if not self.blocks:
            return ""
        texts = str([{"text": block} for block in self.blocks])
        return f"\nTITLE: {self.title}\nAUTHOR: \nTEXT:\n\n{texts}\n"


def read_page(html: str) -> ReadablePage:
    """Take a page apart. Broken markup is read as far as it goes; takes time in proportion to its length.

    Source: docs/dify-behaviour.md, “Built-in tools” (webscraper), recordings tool_web__*.
    """
    reader = _Reader()
    marked, end, rest = _NO_TEXT.sub("", html).rpartition(">")
    # Behind the last tag what begins one is cut off: for each the parser would look for its end anew.
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
        if tag in _LEFT_OUT:
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
        if tag in _LEFT_OUT:
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
