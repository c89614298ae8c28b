"""Cleaning a text before it is cut. Source: Dify 1.15, spec/knowledge.md §2.2."""

import re
from collections.abc import Collection
from typing import Final

BLANKS: Final = "\t\f\r \u00a0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"
"""As a character class of a regular expression."""
LINK: Final = re.compile(r"!?\[[^\]]{0,2000}\]\(https?://[^)]{1,4000}\)")
"""A link or an image of Markdown. Bounded, so that a text of brackets takes no longer than others."""
# Dify also removes ï, ¿ and ¾, which it takes for the bytes of U+FFFE.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe]")
_LINES: Final = re.compile(r"\n{3,}")
_SPACES: Final = re.compile(f"[{BLANKS}]{{2,}}")
_MAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,200}@[A-Za-z0-9-]{1,200}\.[A-Za-z0-9.-]+")
_URL: Final = re.compile(rf"({LINK.pattern})|https?://\S+")


def cleaned(text: str, rules: Collection[str]) -> str:
    """A text without what never belongs into a segment, and without what the rules of these ids remove."""
    text = text.replace("<|", "<").replace("|>", ">")
    text = _CONTROLS.sub("", text)
    if "remove_extra_spaces" in rules:
        text = _SPACES.sub(" ", _LINES.sub("\n\n", text))
    if "remove_urls_emails" in rules:
        text = _MAIL.sub("", text)
        text = _URL.sub(lambda found: found[1] or "", text)
    return text
