"""EPUB: chapters in reading order."""

import io
import posixpath
import zipfile
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from jikko.documents.archives import check_zip
from jikko.documents.charset import decode
from jikko.documents.html_text import html_to_text
from jikko.ports.files.documents import DocumentFailure


def read_epub(content: bytes) -> str:
    """Return the text of a book."""
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
