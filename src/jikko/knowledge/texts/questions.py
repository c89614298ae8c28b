"""Questions and answers that a model makes of a chunk. Source: docs/dify-behaviour.md, “Cutting texts”."""

import re
from collections.abc import Iterator
from typing import Final

_PAIR: Final = re.compile(r"Q\d+:\s*(.*?)\s*A\d+:\s*(.*?)\s*(?=Q\d+:|\Z)", re.DOTALL)
_INDENT: Final = re.compile(r"\n\s*")


def instructions(language: str) -> str:
    """What the model is told before the text.

    Args:
        language: Of questions and answers, in English.
    """
    return (
        "You write questions that a reader of the text of the user might ask, and answer each of them from the text "
        "alone. Think of who will search for it: ask about every fact that matters, one fact a question, and let each "
        "question and answer be understood without the text. Write in "
        f"{language}. Write nothing but pairs, each in the form:\nQ1: the question\nA1: the answer\nQ2: …\nA2: …"
    )


def pairs(answer: str) -> Iterator[tuple[str, str]]:
    """Questions and their answers in what a model said, in order."""
    for question, text in _PAIR.findall(answer):
        if question and text:
            yield question, _INDENT.sub("\n", text.strip())
