"""Visible text of HTML, one block a line: of pages, books, and e-mails."""

import io
import posixpath
import zipfile
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from jikko.documents.formats import format_of, parse
from jikko.documents.office import OLE_MAGIC, check_zip
from jikko.documents.plain import decode
from jikko.ports.files.documents import DocumentFailure

_HIDDEN: Final = frozenset({"script", "style", "head", "template", "noscript", "svg", "math"})
_BLOCKS: Final = frozenset(
    {"address", "article", "aside", "blockquote", "body", "caption", "dd", "div", "dl", "dt", "fieldset"}
    | {"figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li"}
    | {"main", "nav", "ol", "p", "pre", "section", "table", "tbody", "tfoot", "thead", "tr", "ul"}
)


def html_to_text(html: str) -> str:
    """Return blocks as lines, without empty ones; white space is collapsed, but in ``<pre>``. Cells of a row are
    separated by a space, as are the lines that ``<br>`` makes [QUIRK]. An image is a line with its ``alt``."""
    parser = _Blocks()
    parser.feed(html)
    parser.close()
    parser.end_block()
    return "\n".join(parser.lines)


class _Blocks(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._pieces: list[str] = []
        self._hidden: list[str] = []
        self._is_code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden.append(tag)
        elif tag == "body":
            # Whatever was open before it, such as an unclosed head.
            self._hidden.clear()
        if tag in _BLOCKS:
            self.end_block()
            self._is_code = self._is_code or tag == "pre"
        elif tag == "img" and (alt := dict(attrs).get("alt")) and not self._hidden:
            self.end_block()
            self._pieces.append(alt)
            self.end_block()
        elif tag in ("td", "th", "br"):
            self._pieces.append("\n" if self._is_code else " ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            while self._hidden.pop() != tag:
                pass
        if tag in _BLOCKS:
            self.end_block()
            self._is_code = self._is_code and tag != "pre"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._pieces.append(data)

    def end_block(self) -> None:
        text = "".join(self._pieces)
        text = text.strip("\r\n").rstrip() if self._is_code else " ".join(text.split())
        self._pieces.clear()
        if text:
            self.lines.append(text)


def read_epub(content: bytes) -> str:
    """Return the text of an EPUB book: chapters in reading order."""
    check_zip(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        try:
            package_path = _package_path(archive)
            package = ElementTree.fromstring(archive.read(package_path))
        except (KeyError, ElementTree.ParseError):
            raise DocumentFailure("extraction.not_epub") from None
        names = set(archive.namelist())
        chapters = []
        for href in _spine(package):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(package_path), unquote(urlsplit(href).path)))
            if path in names:
                chapters.append(html_to_text(decode(archive.read(path))))
    return "\n".join(chapter for chapter in chapters if chapter)


def _package_path(archive: zipfile.ZipFile) -> str:
    container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
    root = container.find(".//{*}rootfile")
    path = root.get("full-path") if root is not None else None
    if not path:
        raise DocumentFailure("extraction.not_epub")
    return unquote(path).lstrip("/")


def _spine(package: ElementTree.Element) -> list[str]:
    addresses = {item.get("id"): item.get("href") for item in package.iterfind(".//{*}manifest/{*}item")}
    found = (addresses.get(item.get("idref")) for item in package.iterfind(".//{*}spine/{*}itemref"))
    return [href for href in found if href]


_HTML_BYTES: Final = "__substg1.0_10130102"
_HTML_TEXT: Final = "__substg1.0_1013001F"
_BODY_TEXT: Final = "__substg1.0_1000001F"
_BODY_BYTES: Final = "__substg1.0_1000001E"
"""Streams of an Outlook message. Source: [MS-OXMSG] §2.4, [MS-OXPROPS] (PidTagBody 0x1000, PidTagHtml 0x1013)."""


def read_eml(content: bytes) -> str:
    """Return the body of an Internet message (RFC 5322), preferably HTML, and the text of its attachments, without
    those that cannot be read."""
    message = message_from_bytes(content, policy=policy.default)
    if not isinstance(message, EmailMessage) or not message.keys():
        raise DocumentFailure("extraction.not_mail")
    return _of_message(message)


def _of_message(message: Any) -> str:
    body = message.get_body(preferencelist=("html", "plain"))
    texts = [] if body is None else [_of_part(body)]
    texts += map(_of_attachment, message.iter_attachments())
    return "\n".join(filter(None, texts))


def _of_attachment(part: Any) -> str:
    if part.is_multipart():
        return _of_message(part.get_payload(0) if part.get_content_maintype() == "message" else part)
    if part.get_content_maintype() == "text":
        return _of_part(part)
    try:
        return parse(format_of(part.get_filename() or "", part.get_content_type()), part.get_payload(decode=True))
    except DocumentFailure:
        return ""


def _of_part(part: Any) -> str:
    try:
        # Without a declared encoding it would be ASCII.
        text = part.get_content() if part.get_content_charset() else decode(part.get_payload(decode=True))
    except (LookupError, UnicodeError):
        text = decode(part.get_payload(decode=True))
    return html_to_text(text) if part.get_content_type() == "text/html" else _lines(text)


def read_msg(content: bytes) -> str:
    """Return the text of an Outlook message."""
    import olefile

    if not content.startswith(OLE_MAGIC):
        raise DocumentFailure("extraction.not_outlook")
    with olefile.OleFileIO(io.BytesIO(content)) as ole:
        if not ole.exists("__properties_version1.0"):
            raise DocumentFailure("extraction.not_outlook")
        if (html := _stream(ole, _HTML_BYTES)) is not None:
            return html_to_text(decode(html))
        if (html := _stream(ole, _HTML_TEXT)) is not None:
            return html_to_text(html.decode("utf-16-le", "replace"))
        if (body := _stream(ole, _BODY_TEXT)) is not None:
            return _lines(body.decode("utf-16-le", "replace"))
        body = _stream(ole, _BODY_BYTES)
        return "" if body is None else _lines(decode(body))


def _stream(ole: Any, name: str) -> bytes | None:
    if not ole.exists(name):
        return None
    content: bytes = ole.openstream(name).read()
    return content or None


def _lines(text: str) -> str:
    return "\n".join(line for line in map(str.strip, text.splitlines()) if line)
