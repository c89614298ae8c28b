"""The table of file types: which extension belongs to which MIME type.

It is Jikko's own. Python's differs from version to version and knows no Office files, and the system's differs from
machine to machine.
"""

from collections.abc import Iterator
from typing import Final

_TEXTS: Final = """
text/plain txt text log ini cfg conf env srt bat ps1
text/html html htm xhtm
text/css css scss sass less
text/csv csv
text/tab-separated-values tsv
text/markdown md markdown mkd
text/mdx mdx
text/xml xml xsl xslt rdf wsdl
text/javascript js mjs cjs jsx
text/typescript ts tsx
text/vtt vtt
text/properties properties
text/calendar ics
text/x-vcard vcf
text/x-rst rst
text/x-tex tex latex
text/x-python py
text/x-java java
text/x-c c h
text/x-c++ cpp hpp cc cxx c++
text/x-php php
text/x-ruby rb
text/x-go go
text/x-rust rs
text/x-swift swift
text/x-kotlin kt
text/x-scala scala
text/x-perl pl
text/x-lua lua
text/x-r r
text/x-objective-c m
text/x-asm asm s
text/x-vim vim
text/x-diff diff patch
text/richtext rtx
text/x-sgml sgml sgm
application/json json map
application/geo+json geojson
application/ld+json jsonld
application/manifest+json webmanifest
application/jsonl jsonl ndjson
application/x-yaml yaml yml
application/toml toml
application/sql sql
application/vnd.apple.mpegurl m3u8 m3u
application/n-triples nt
application/n-quads nq
text/n3 n3
application/graphql graphql gql
application/x-sh sh bash
application/x-subrip
application/xhtml+xml xhtml xht
application/atom+xml atom
application/rss+xml rss
application/x-ipynb+json ipynb
application/x-www-form-urlencoded
message/rfc822 eml mht mhtml
text/htm html
text/jsx jsx
text/json json
text/yaml yaml
text/x-yaml yaml
application/yaml yaml
text/x-markdown md
text/x-web-markdown md
text/comma-separated-values csv
application/csv csv
text/ecmascript js
application/javascript js
application/x-javascript js
application/ecmascript js
text/x-typescript ts
application/typescript ts
application/xml xml
text/x-java-properties properties
text/x-csrc c
text/x-c++src cpp
text/x-shellscript sh
text/x-sql sql
text/vcard vcf
application/x-ndjson jsonl
application/x-ldjson jsonl
application/x-tex tex
application/x-latex tex
application/x-httpd-php php
"""
"""A line for each MIME type whose content is text, then its extensions, the usual one first. Of several types with an
extension, the first is the usual one."""

_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_BINARY_TYPES: Final = f"""
application/pdf pdf
application/rtf rtf
application/msword doc dot wiz
{_OFFICE}.wordprocessingml.document docx
{_OFFICE}.wordprocessingml.template dotx
application/vnd.ms-word.document.macroenabled.12 docm
application/vnd.ms-excel xls xlt xlb
{_OFFICE}.spreadsheetml.sheet xlsx
{_OFFICE}.spreadsheetml.template xltx
application/vnd.ms-excel.sheet.macroenabled.12 xlsm
application/vnd.ms-excel.sheet.binary.macroenabled.12 xlsb
application/vnd.ms-powerpoint ppt pps pot
{_OFFICE}.presentationml.presentation pptx
{_OFFICE}.presentationml.slideshow ppsx
{_OFFICE}.presentationml.template potx
application/vnd.ms-powerpoint.presentation.macroenabled.12 pptm
application/vnd.ms-outlook msg
application/vnd.visio vsd
application/vnd.ms-visio.drawing vsdx
application/vnd.oasis.opendocument.text odt
application/vnd.oasis.opendocument.spreadsheet ods
application/vnd.oasis.opendocument.presentation odp
application/vnd.oasis.opendocument.graphics odg
application/vnd.apple.pages pages
application/vnd.apple.numbers numbers
application/vnd.apple.keynote key
application/x-hwp hwp
application/hwp+zip hwpx
application/epub+zip epub
application/x-mobipocket-ebook mobi
application/vnd.amazon.ebook azw
application/postscript ps eps ai
application/zip zip
application/gzip gz tgz
application/x-bzip2 bz2
application/x-xz xz
application/zstd zst
application/x-7z-compressed 7z
application/vnd.rar rar
application/x-tar tar
application/java-archive jar
application/vnd.android.package-archive apk
application/wasm wasm
application/x-shockwave-flash swf
application/vnd.sqlite3 sqlite db
application/vnd.apache.parquet parquet
application/x-hdf5 h5
application/vnd.recordare.musicxml mxl
application/vnd.google-earth.kmz kmz
application/x-pkcs12 p12 pfx
font/woff2 woff2
font/woff woff
font/ttf ttf
font/otf otf
image/png png
image/jpeg jpg jpeg jpe jfif
image/gif gif
image/webp webp
image/svg+xml svg
image/avif avif
image/heic heic
image/heif heif
image/bmp bmp
image/tiff tiff tif
image/vnd.microsoft.icon ico
image/vnd.adobe.photoshop psd
image/jxl jxl
image/jp2 jp2
image/x-portable-pixmap ppm
image/x-portable-graymap pgm
image/x-portable-bitmap pbm
audio/mpeg mp3 mpga mp2
audio/x-wav wav
audio/mp4 m4a
audio/ogg ogg oga
audio/opus opus
audio/flac flac
audio/aac aac
audio/amr amr
audio/webm weba
audio/x-aiff aiff aif aifc
audio/x-ms-wma wma
audio/midi mid midi
audio/basic au snd
audio/x-caf caf
video/mp4 mp4 m4v
video/quicktime mov qt
video/mpeg mpeg mpg mpe m1v
video/webm webm
video/ogg ogv
video/x-msvideo avi
video/x-matroska mkv
video/x-ms-wmv wmv
video/x-flv flv
video/3gpp 3gp
video/3gpp2 3g2
video/mp2t mts m2ts
model/gltf-binary glb
model/stl stl
application/x-pdf pdf
text/rtf rtf
application/x-rtf rtf
application/x-msexcel xls
application/x-mspowerpoint ppt
application/mspowerpoint ppt
application/x-zip zip
application/x-zip-compressed zip
application/x-gzip gz
application/x-gtar tar
application/x-rar-compressed rar
application/haansofthwp hwp
application/x-sqlite3 sqlite
image/jpg jpg
image/pjpeg jpg
image/x-png png
image/x-icon ico
image/x-ms-bmp bmp
audio/mp3 mp3
audio/wav wav
audio/wave wav
audio/vnd.wave wav
audio/x-m4a m4a
audio/x-mpeg mp3
audio/x-flac flac
audio/x-aac aac
audio/aiff aiff
audio/x-ogg ogg
application/ogg ogg
video/x-m4v m4v
video/avi avi
video/msvideo avi
"""
"""The same for MIME types whose content is not text."""


def _rows(table: str) -> Iterator[tuple[str, list[str]]]:
    for line in table.split("\n"):
        if line:
            mime_type, *extensions = line.split(" ")
            yield mime_type, extensions


TEXT_TYPES: Final = frozenset(mime_type for mime_type, _ in _rows(_TEXTS))
"""The MIME types of the table whose content is text."""

EXTENSIONS: Final = {mime_type: found[0] if found else "" for mime_type, found in _rows(_TEXTS + _BINARY_TYPES)}
"""The usual extension, without its dot, by MIME type; ``""`` if there is none."""

MIME_TYPES: Final = {
    extension: mime_type
    for mime_type, found in reversed([*_rows(_TEXTS + _BINARY_TYPES)])
    for extension in reversed(found)
}  # fmt: skip
"""The usual MIME type by extension, in lower case and without its dot."""
