"""Worker process: parses documents from its standard input, until that ends.

A request is a line of JSON, ``{"size", "filename", "mime_type", "pieces"}``, and the document. A response is one byte
(``T`` for the text, ``F`` for a failure's message in JSON, ``X`` for a failure after which the process ends), the
length in 8 bytes, and that many bytes of UTF-8; with ``pieces``, a JSON array of texts.
"""

import json
import os
import sys
import warnings
from contextlib import suppress
from typing import Any, BinaryIO

from jikko.diagnostics.diagnostic import Phrase
from jikko.documents.formats import format_of, parse
from jikko.ports.files.documents import DocumentFailure


def main() -> None:
    """Arguments: bytes of memory, seconds per document, bytes of text."""
    memory, seconds, most_text = map(int, sys.argv[1:4])
    # Libraries print; their output must not mix with responses.
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    warnings.simplefilter("ignore")
    _limit(memory)
    questions = sys.stdin.buffer
    while line := questions.readline():
        question = json.loads(line)
        content = questions.read(question["size"])
        _alarm(seconds)
        kind, text = _answer(content, question, most_text)
        _alarm(0)
        _send(answers, kind, text)
        if kind == b"X":
            return


def _answer(content: bytes, question: dict[str, Any], most_text: int) -> tuple[bytes, bytes]:
    filename = question["filename"]
    try:
        format = format_of(filename, question["mime_type"])
        if question["pieces"]:
            from jikko.documents.pieces import parse_pieces

            text = json.dumps(parse_pieces(format, filename, content), ensure_ascii=False).encode("utf-8", "replace")
        else:
            text = parse(format, content).encode("utf-8", "replace")
    except DocumentFailure as failure:
        return b"F", _message(failure.phrase)
    except MemoryError:
        # The memory may still be in use: do not trust this process with another document.
        return b"X", _message(Phrase("extraction.memory"))
    if len(text) > most_text:
        return b"F", _message(Phrase("extraction.too_long", {"bytes": most_text}))
    return b"T", text


def _message(phrase: Phrase) -> bytes:
    return json.dumps(phrase.message(), ensure_ascii=False).encode("utf-8", "replace")


def _send(answers: BinaryIO, kind: bytes, text: bytes) -> None:
    answers.write(kind + len(text).to_bytes(8, "big"))
    answers.write(text)
    answers.flush()


def _limit(memory: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    for limit, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        # Parsers have nothing to write.
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (most, most))


def _alarm(seconds: int) -> None:
    """Set an alarm that ends this process after a timeout: the server that should kill it may be gone."""
    import signal

    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


if __name__ == "__main__":
    main()
