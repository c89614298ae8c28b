"""The text of documents, format by format."""

import datetime
import sys
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from jikko.documents.formats import format_of, parse
from jikko.documents.html_text import html_to_text
from jikko.ports.files.documents import DocumentFailure
from tests.documents.made import a_bomb, a_docx, a_pdf, a_pptx, a_zip, an_epub, an_ole, an_xlsx, encrypted

SAMPLE_XLS = Path(__file__).parent / "sample.xls"
OFFICE = "application/vnd.openxmlformats-officedocument"


def read(content: bytes | str, filename: str, mime_type: str = "") -> str:
    raw = content.encode() if isinstance(content, str) else content
    return parse(format_of(filename, mime_type), raw)


def failure(content: bytes | str, filename: str) -> str:
    with pytest.raises(DocumentFailure) as failed:
        read(content, filename)
    return str(failed.value)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "A.HTML", "a.xml", "a.vtt", "a.py", "a.log", "dir.d/日本📄.txt"])
def test_text_stays_as_it_is(name: str) -> None:
    text = "<p>日本 🎌</p>\r\nx\n"

    assert read(text, name) == text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("café crème brûlée, naïve façade, déjà vu".encode("latin-1"), "café crème brûlée, naïve façade, déjà vu"),
        ("Grüße aus Köln — „schön“".encode("cp1252"), "Grüße aus Köln — „schön“"),
        ("これは日本語です。漢字とカタカナ。".encode("cp932"), "これは日本語です。漢字とカタカナ。"),
        ("メールの文字コード".encode("iso2022_jp"), "メールの文字コード"),
        ("\x1b$🙂 no Japanese".encode(), "\x1b$🙂 no Japanese"),
        ("Привет, мир! Это текст.".encode("cp1251"), "Привет, мир! Это текст."),
        ("\ufeffBOM".encode(), "BOM"),
        ("UTF-16 日本".encode("utf-16"), "UTF-16 日本"),
        ("UTF-32 日本".encode("utf-32"), "UTF-32 日本"),
        (b"", ""),
    ],
)
def test_the_encoding_of_text_is_found(content: bytes, expected: str) -> None:
    assert read(content, "a.txt") == expected


def test_json_is_indented() -> None:
    assert read('{"k":[1,{"z":"é"}]}', "a.json") == '{\n  "k": [\n    1,\n    {\n      "z": "é"\n    }\n  ]\n}'


def test_yaml_is_written_again() -> None:
    text = "# comment\nb: {x: 日本, y: [1, 2]}\na: null\n---\n- 1\n"

    assert read(text, "a.yml") == "b:\n  x: 日本\n  y:\n  - 1\n  - 2\na: null\n---\n- 1\n"
    assert read("", "a.yaml") == ""
    # libyaml writes an escape in place of the emoji, and folds before the blank.
    assert read('x: "🙂"', "a.yaml") == "x: 🙂\n"
    long = "語" * 80
    assert read(f'x: "\\t{long}\\n 文"', "a.yaml") == f'x: "\\t{long}\\n\\\n  \\ 文"\n'


def test_properties_become_lines_of_key_and_value() -> None:
    text = "# comment\n! other\n\na = 1=2\nb: 2\n  c  \n"

    assert read(text, "a.properties") == "# comment\n! other\n\na: 1=2\nb: 2\nc:" + " "


def test_csv_becomes_a_table() -> None:
    text = 'name,qty\r\n"b,ar","two\nlines"\r\nshort\r\n'

    assert read(text, "a.csv") == "| name | qty |\n| ---- | --- |\n| b,ar | two lines |\n| short |\n"
    assert read("", "a.csv") == ""


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["h1", "h2"], [1, "x|y"], [None, 2.5]], "| h1 | h2 |\n| -- | -- |\n| 1.0 | x|y |\n| nan | 2.5 |"),
        ([["a", "b"], [1, 2], [3, 4]], "| a | b |\n| - | - |\n| 1 | 2 |\n| 3 | 4 |"),
        ([["a", "b"], [1, 2.5]], "| a | b |\n| - | - |\n| 1.0 | 2.5 |"),
        ([["a"], ["007"], ["12"]], "| a |\n| - |\n| 7 |\n| 12 |"),
        ([["数", "数", "数.1", "数"]], "| 数 | 数.2 | 数.1 | 数.3 |\n| - | --- | --- | --- |"),
        ([[True, 1, "True"]], "| True | 1.1 | True |\n| ---- | --- | ---- |"),
        ([["a", None, "a"]], "| a | Unnamed: 1 | a.1 |\n| - | ---------- | --- |"),
        ([["a", "b", "c"], ["l1\nl2", True, "NA"]], "| a | b | c |\n| - | - | - |\n| l1 l2 | True | nan |"),
        ([["d"], [datetime.datetime(2024, 5, 1)]], "| d |\n| - |\n| 2024-05-01 00:00:00 |"),
        (
            [["勤務"], [datetime.timedelta(hours=30)], [datetime.timedelta(hours=-1)], [datetime.timedelta(0, 5.5)]],
            "| 勤務 |\n| -- |\n| 1 days 06:00:00 |\n| -1 days +23:00:00 |\n| 0 days 00:00:05.500000 |",
        ),
        (
            [["h", "n"], [None, 2], [datetime.timedelta(days=1), "x"]],
            "| h | n |\n| - | - |\n| NaT | 2 |\n| 1 days 00:00:00 | x |",
        ),
        ([["a"], [1], [None], [3]], "| a |\n| - |\n| 1.0 |\n| 3.0 |"),
        ([], "|  |\n|  |"),
    ],
)
def test_a_sheet_becomes_the_table_that_dify_makes_of_it(rows: list[list[Any]], expected: str) -> None:
    assert read(an_xlsx(rows), "a.xlsx") == expected + "\n\n"


def test_every_sheet_becomes_a_table() -> None:
    assert read(an_xlsx([["a"]], [["b"]]), "a.xlsx") == "| a |\n| - |\n\n| b |\n| - |\n\n"


def test_old_excel_is_read_too_whatever_it_is_called() -> None:
    expected = (
        "| 名前 | n | when | ok |\n| -- | - | ---- | -- |\n"
        "| りんご🍎 | 3.0 | 2024-05-01 00:00:00 | True |\n| x | 2.5 | 2024-06-01 00:00:00 | False |\n\n"
    )

    assert read(SAMPLE_XLS.read_bytes(), "a.xls") == expected
    assert read(SAMPLE_XLS.read_bytes(), "a.xlsx") == expected
    assert read(an_xlsx([["a"]]), "a.xls") == "| a |\n| - |\n\n"


def test_word_gives_paragraphs_and_tables_with_something_in_them() -> None:
    assert read(a_docx(), "a.docx") == "見出し 📄\nPara one\n| a | b |\n| --- | --- |\n| 1<br>2 |  |\n\nPara two"


def test_word_with_backslashes_in_its_parts_is_read() -> None:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(a_docx())) as archive:
        members = {name.replace("/", "\\"): archive.read(name) for name in archive.namelist()}

    assert read(a_zip(members), "a.docx").endswith("Para two")


def test_slides_are_read_from_top_to_bottom() -> None:
    assert read(a_pptx(), "a.pptx") == "上 above\nbelow\n下🎉\n  last\n\n| h1 | h2 |\n| --- | --- |\n| 1 | 2 |"


def test_the_pages_of_a_pdf_follow_each_other() -> None:
    assert read(a_pdf("Hello world", "page two"), "a.pdf") == "Hello worldpage two"


def test_a_book_is_read_in_its_order() -> None:
    chapters = {
        "z": "<html><head><title>no</title></head><body><h1>一 One</h1><p>a\n b<br/>c</p></body></html>",
        "a": "<html><body><script>no()</script><p>Two &amp; &#x1F600;</p></body></html>",
    }

    assert read(an_epub(chapters), "a.epub") == "一 One\na b c\nTwo & 😀"


BLOCKS = (
    "address article aside blockquote body caption dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 "
    "h5 h6 header hr html li main nav ol p pre section table tbody tfoot thead tr ul"
)


@pytest.mark.parametrize("tag", BLOCKS.split())
def test_a_block_of_a_page_stands_in_a_line_of_its_own(tag: str) -> None:
    assert html_to_text(f"前<{tag}>中</{tag}>後") == "前\n中\n後"


def test_what_is_no_block_stands_in_the_line() -> None:
    assert html_to_text("a<b>b</b><span>c</span><td>d</td><th>e</th><br>日<br/>🎉") == "abc d e 日 🎉"


def test_lines_of_code_in_a_page_and_words_about_its_images_are_kept() -> None:
    page = (
        "<p>前<pre><code>\nif a:\n    b  🎉<br>c\n</code></pre>次<img src=x alt='絵 pic'>後<img src=y alt=''><img></p>"
    )

    assert html_to_text(page) == "前\nif a:\n    b  🎉\nc\n次\n絵 pic\n後"


def test_attachments_of_an_e_mail_are_read_where_they_can_be() -> None:
    inner = EmailMessage()
    inner["Subject"] = "no"
    inner.set_content("転送 🎉\n")
    mail = EmailMessage()
    mail["Subject"] = "no"
    mail.set_content("本文\n")
    mail.add_alternative("<p>本文</p>", subtype="html")
    mail.add_attachment("添付\n\n".encode(), maintype="text", subtype="plain", filename="添付.txt")
    mail.add_attachment(a_docx(), maintype="application", subtype="octet-stream", filename="a.docx")
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="a.png")
    mail.add_attachment(b"broken", maintype="application", subtype="pdf", filename="a.pdf")
    mail.add_attachment(inner)

    assert read(mail.as_bytes(), "a.eml") == f"本文\n添付\n{read(a_docx(), 'a.docx')}\n転送 🎉"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Subject: x\n\n宛名 🎌\n", "宛名 🎌"),
        ("Subject: x\nContent-Type: text/plain; charset=utf-8\n\nHello\n\n  日本 🎌 \n", "Hello\n日本 🎌"),
        (
            "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=B\n\n"
            "--B\nContent-Type: text/plain\n\nplain\n--B\nContent-Type: text/html\n\n<p>rich</p><p>text</p>\n--B--\n",
            "rich\ntext",
        ),
        ("Subject: only a head\n\n", ""),
        ("Subject: x\nContent-Type: text/plain; charset=nonsense\n\nbody\n", "body"),
    ],
)
def test_the_body_of_an_e_mail_is_read(content: str, expected: str) -> None:
    assert read(content, "a.eml") == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"__substg1.0_1000001F": ("Hello\r\n\r\n日本", "utf-16-le")}, "Hello\n日本"),
        ({"__substg1.0_1000001E": ("Hello", "ascii")}, "Hello"),
        ({"__substg1.0_1013001F": ("<p>a</p><p>b</p>", "utf-16-le")}, "a\nb"),
        ({"__substg1.0_10130102": ("<p>a</p>", "ascii"), "__substg1.0_1000001F": ("x", "utf-16-le")}, "a"),
        ({}, ""),
    ],
)
def test_the_body_of_an_outlook_message_is_read(texts: dict[str, tuple[str, str]], expected: str) -> None:
    # Filled up with spaces to the size from which on a stream needs no mini stream.
    streams = {name: text.ljust(4096).encode(encoding) for name, (text, encoding) in texts.items()}

    assert read(an_ole({"__properties_version1.0": b"", **streams}), "a.msg") == expected


@pytest.mark.parametrize(
    ("mime_type", "format"),
    [
        ("text/plain", "text"),
        ("TEXT/CSV; charset=utf-8", "CSV"),
        (f"{OFFICE}.wordprocessingml.document", "DOCX"),
        ("application/pdf", "PDF"),
    ],
)
def test_without_an_extension_the_mime_type_decides(mime_type: str, format: str) -> None:
    assert format_of("name", mime_type) == format
    assert format_of("name.", mime_type) == format


@pytest.mark.parametrize(
    ("filename", "mime_type", "message"),
    [
        ("a.xyz", "text/plain", "Unsupported Extension Type: .xyz"),
        ("a", "image/png", "Unsupported MIME type: image/png"),
        ("a", "", "Unable to determine file type: MIME type or file extension is missing"),
        ("a.doc", "", "The old format DOC cannot be read. Convert the file to .docx."),
    ],
)
def test_what_cannot_be_read_is_said(filename: str, mime_type: str, message: str) -> None:
    with pytest.raises(DocumentFailure) as failed:
        format_of(filename, mime_type)

    assert str(failed.value) == message


BINARY = ["a.pdf", "a.docx", "a.xlsx", "a.xls", "a.pptx", "a.epub", "a.msg"]


@pytest.mark.parametrize("filename", [*BINARY, "a.json", "a.eml"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04garbage", b"%PDF-1.4 garbage", b"\xff\xfe\x00"])
def test_empty_and_broken_files_are_failures(filename: str, content: bytes) -> None:
    assert failure(content, filename).startswith("Failed to extract text from ")


@pytest.mark.parametrize("filename", BINARY)
def test_a_file_that_breaks_off_is_a_failure(filename: str) -> None:
    whole = {
        "a.pdf": b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog",
        "a.docx": a_docx()[:3000],
        "a.pptx": a_pptx()[:3000],
        "a.xlsx": an_xlsx([["a"]])[:1000],
        "a.xls": SAMPLE_XLS.read_bytes()[:600],
        "a.epub": an_epub({"a": "x"})[:100],
        "a.msg": an_ole({"__properties_version1.0": b""})[:600],
    }

    assert failure(whole[filename], filename).startswith("Failed to extract text from ")


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("a.docx", lambda: an_xlsx([["a"]])),
        ("a.xlsx", a_docx),
        ("a.pptx", a_docx),
        ("a.epub", a_docx),
        ("a.docx", lambda: a_pdf("x")),
        ("a.pdf", a_docx),
        ("a.docx", an_ole({"WordDocument": b"old"})),
        ("a.msg", an_ole({"Workbook": b""})),
        ("a.xls", an_ole({"WordDocument": b"old"})),
        ("a.txt", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
        ("a.json", "not json"),
        ("a.yaml", "a: [1"),
        ("a.yaml", "a: !!python/object/apply:os.system [x]"),
    ],
    ids=lambda part: part[:20] if isinstance(part, str) else type(part).__name__,
)
def test_mislabelled_files_are_failures(filename: str, content: bytes | str | Callable[[], bytes]) -> None:
    held = content() if callable(content) else content

    assert failure(held, filename).startswith("Failed to extract text from ")


@pytest.mark.parametrize("filename", ["a.docx", "a.xlsx", "a.xls", "a.pptx"])
def test_an_office_file_with_a_password_is_said_to_have_one(filename: str) -> None:
    assert "encrypted with a password" in failure(an_ole({"EncryptedPackage": b"", "EncryptionInfo": b""}), filename)


def test_a_pdf_with_a_password_is_said_to_have_one() -> None:
    assert "encrypted with a password" in failure(encrypted(a_pdf("secret")), "a.pdf")


@pytest.mark.slow
def test_a_bomb_is_not_unpacked() -> None:
    bomb = a_bomb()

    for filename in ("a.docx", "a.xlsx", "a.pptx", "a.epub"):
        assert "unpacks to more than 500 MiB" in failure(bomb, filename)


def test_what_is_nested_very_deeply_is_a_failure() -> None:
    assert "nested too deeply" in failure("[" * 100_000, "a.json")


def test_an_expanding_book_is_a_failure() -> None:
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    laughs = f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><container><rootfile full-path="&a9;"/></container>'

    assert failure(a_zip({"META-INF/container.xml": laughs}), "a.epub").startswith("Failed to extract text from EPUB")


MARK = "WHAT-STANDS-HERE"
WITH_MARK: dict[str, Callable[[], bytes]] = {
    "a.docx": lambda: a_docx(),
    "a.pptx": lambda: a_pptx(),
    "a.xlsx": lambda: an_xlsx([["Para one"]]),
    "a.epub": lambda: an_epub({"c": "<html><body><p>Para one</p></body></html>"}),
}


@pytest.mark.parametrize("filename", WITH_MARK)
def test_no_file_of_this_machine_gets_into_the_text(tmp_path: Path, filename: str) -> None:
    import io
    import zipfile

    (tmp_path / "secret").write_text(MARK)
    entity = f'<!DOCTYPE x [<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    with zipfile.ZipFile(io.BytesIO(WITH_MARK[filename]())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    named = 0
    for name, content in members.items():
        for text in (b"Para one", b"below"):
            if text in content:
                named += 1
                declared, end, rest = content.partition(b"?>") if content.startswith(b"<?xml") else (b"", b"", content)
                members[name] = declared + end + entity.encode() + rest.replace(text, b"&x;" + text)
    # Names that lead out of the archive and to other places are names.
    members |= {"../../secret": b"out", "/etc/passwd": b"out", "word/../../../x.xml": b"<x/>"}
    assert named, "the entity stands nowhere"

    try:
        found = read(a_zip(members), filename)
    except DocumentFailure as failed:
        found = str(failed)

    assert MARK not in found
    assert not (tmp_path.parent / "secret").exists()


@pytest.mark.parametrize(
    ("module", "filename"),
    [
        ("pypdfium2", "a.pdf"),
        ("docx", "a.docx"),
        ("openpyxl", "a.xlsx"),
        ("xlrd", "a.xls"),
        ("pptx", "a.pptx"),
        ("olefile", "a.msg"),
    ],
)
def test_what_is_not_installed_is_said_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, module: str, filename: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    content = SAMPLE_XLS.read_bytes() if filename == "a.xls" else an_xlsx([["a"]]) if module != "openpyxl" else a_docx()

    assert failure(content, filename).endswith("pip install '.[documents]' in a clone of Jikko")


def test_without_the_extra_text_is_read_as_that_of_western_europe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)

    assert read("Köln – 5 €".encode("cp1252"), "a.txt") == "Köln – 5 €"
    assert read("日本", "a.txt") == "日本"
