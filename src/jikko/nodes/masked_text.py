"""Rendered texts with their masked forms, and a scan of foreign texts for secrets."""

import html
import json
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Self
from urllib.parse import quote, quote_plus, urlsplit

from jikko.lang.templates import Template, to_text
from jikko.nodes.node_context import Context
from jikko.values import UNSET, Selector


class MaskedText(NamedTuple):
    """A text, and its form for records and messages, with secrets masked."""

    used: str
    recorded: str

    @classmethod
    def of(cls, template: Template, ctx: Context) -> Self:
        used = template.to_text(ctx.variables)
        return cls(used, used if ctx.recorded is ctx.variables else template.to_text(ctx.recorded))

    @classmethod
    def of_value(cls, selector: Selector, ctx: Context) -> Self:
        """Render a variable as plain text; ``""`` if missing."""
        used, recorded = (variables.get(selector) for variables in (ctx.variables, ctx.recorded))
        text = "" if used is UNSET else to_text(used)
        return cls(text, text if recorded is used else to_text(recorded))

    @classmethod
    def same(cls, text: str) -> Self:
        return cls(text, text)

    @property
    def is_masked(self) -> bool:
        return self.used != self.recorded


NOTHING: Final = MaskedText("", "")


SECRET_MESSAGE: Final = "its error message quotes a secret of the node, and is omitted"
"""Replaces a foreign text that contains a secret. No part of such a text is altered."""


def contains_secret(text: str, secrets: Iterable[str], rendered: Iterable[str] = ()) -> bool:
    """Return whether a text contains a secret: literally, in upper or lower case, or quoted (JSON, also twice, URLs,
    HTML, Python). Empty secrets do not count.

    ``rendered``: Texts with secrets, perhaps URLs, whose host is searched for in its IDNA form, too.
    """
    folded = text.lower()
    spelled = (form for secret in secrets if secret for form in _spelled(secret))
    return any(form.lower() in folded for form in (*spelled, *_hosts(rendered)))


def _spelled(secret: str) -> Iterator[str]:
    # Lone surrogates cannot be encoded, and occur in no URL.
    encoded = secret.encode("utf-8", "replace")
    yield from (secret, quote(encoded, safe=""), quote(encoded), quote_plus(encoded), html.escape(secret))
    for only_ascii in (True, False):
        once = json.dumps(secret, ensure_ascii=only_ascii)[1:-1]
        yield from (once, json.dumps(once, ensure_ascii=only_ascii)[1:-1])
    for written in (repr, ascii):
        yield (once := written(secret)[1:-1])
        # Python escapes differently with both kinds of quotation marks, which may belong to the surrounding text.
        yield once.replace("\\'", "'").replace("'", "\\'")


def _hosts(rendered: Iterable[str]) -> Iterator[str]:
    for text in rendered:
        try:
            host = urlsplit(text).hostname or ""
            yield from filter(None, (host, host.encode("idna").decode()))
        except ValueError:  # not a URL, or not a host name
            continue
