"""Text formats, and charsets. Source: docs/dify-behaviour.md, “Document extractor”."""

import codecs
import json
from contextlib import suppress
from typing import Final

from jikko.ports.files.documents import DocumentFailure


def read_json(content: bytes) -> str:
    """Return JSON indented by two spaces."""
    try:
        return json.dumps(json.loads(decode(content)), indent=2, ensure_ascii=False)
    except ValueError as error:
        raise DocumentFailure("extraction.verbatim", {"text": str(error)}) from None


def read_yaml(content: bytes) -> str:
    """Return YAML, parsed and dumped: normalised, without comments."""
    import yaml

    # The C versions are four times as fast; not every build has them.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    try:
        documents = list(yaml.load_all(decode(content), loader))
        text: str = yaml.dump_all(documents, Dumper=dumper, allow_unicode=True, sort_keys=False)
        if "\\" in text:
            # Where it escapes, the C version folds lines elsewhere, and it escapes emoji.
            text = yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False)
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentFailure("extraction.verbatim", {"text": " ".join(str(error).split())}) from None
    return text


def read_properties(content: bytes) -> str:
    """Return Java properties as ``key: value`` lines, with comments."""
    return "\n".join(_property(line.strip()) for line in decode(content).splitlines())


def _property(line: str) -> str:
    if not line or line.startswith(("#", "!")):
        return line
    mark = "=" if "=" in line else ":"
    key, _, value = line.partition(mark)
    return f"{key.strip()}: {value.strip()}"


_MARKS: Final = (
    # Longer marks first: that of UTF-32 starts with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_JAPANESE: Final = b"\x1b$"
"""Begins Japanese characters in ISO-2022-JP, which is valid UTF-8, too."""
_WESTERN: Final = ["latin_1", "cp1252"]


def decode(content: bytes) -> str:
    """Decode by byte order mark, as UTF-8, or by a guess. The mark is removed.

    The guess prefers western European encodings, the only ones that Dify knows for plain text; others are tried only if
    none of these fits. Source: docs/dify-behaviour.md, “Document extractor”. Raises ``DocumentFailure`` if it is not
    text.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    for encoding in ("iso2022_jp", "utf-8") if _JAPANESE in content else ("utf-8",):
        with suppress(UnicodeDecodeError):
            return content.decode(encoding)
    if b"\x00" in content[:65536]:
        raise DocumentFailure("extraction.not_text")
    return content.decode(_guess(content), "replace")


def _guess(content: bytes) -> str:
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        # Not installed: right for western Europe, and better than nothing elsewhere.
        return "cp1252"
    best = from_bytes(content, cp_isolation=_WESTERN).best() or from_bytes(content).best()
    return best.encoding if best is not None else "utf-8"
