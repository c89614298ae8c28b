"""E-mails: the body, preferably HTML, without headers and attachments."""

import io
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Final

from jikko.documents.archives import OLE_MAGIC
from jikko.documents.charset import decode
from jikko.documents.html_text import html_to_text
from jikko.ports.files.documents import DocumentFailure

_HTML_BYTES: Final = "__substg1.0_10130102"
_HTML_TEXT: Final = "__substg1.0_1013001F"
_BODY_TEXT: Final = "__substg1.0_1000001F"
_BODY_BYTES: Final = "__substg1.0_1000001E"
"""Streams of an Outlook message. Source: [MS-OXMSG] §2.4, [MS-OXPROPS] (PidTagBody 0x1000, PidTagHtml 0x1013)."""


def read_eml(content: bytes) -> str:
    """Return the text of an Internet message (RFC 5322)."""
    message = message_from_bytes(content, policy=policy.default)
    if not isinstance(message, EmailMessage) or not message.keys():
        raise DocumentFailure("extraction.not_mail")
    body = message.get_body(preferencelist=("html", "plain"))
    if not isinstance(body, EmailMessage):
        return ""
    try:
        text = body.get_content()
    except (LookupError, UnicodeError):
        payload = body.get_payload(decode=True)
        text = decode(payload) if isinstance(payload, bytes) else ""
    return html_to_text(text) if body.get_content_type() == "text/html" else _lines(text)


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
