"""Variables of nodes: rendered texts with their masked forms, a scan of foreign texts for secrets, and named variables:
``{variable: name, value_selector: [...]}`` in the file.

Named ones include the recorded form of an aggregator's group. Source: Dify 1.15, recording aggregator_groups.
"""

import html
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Self, TypeAlias
from urllib.parse import quote, quote_plus, urlsplit

from jikko.dsl.fields import Fields
from jikko.ids import new_id
from jikko.lang.templates import Template, to_text
from jikko.lang.variables import Readable
from jikko.nodes.contract import Context
from jikko.values import UNSET, Json, Selector, encode_json, type_of


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


NamedVariables: TypeAlias = tuple[tuple[str, Selector], ...]
"""Names and selectors, in file order."""


def read_named(data: Fields, name: str) -> NamedVariables:
    """Parse the list ``name`` of a configuration."""
    return tuple(
        (entry.text("variable", required=True), entry.selector("value_selector")) for entry in data.mappings(name)
    )


def values_of(named: Sequence[tuple[str, Selector]], variables: Readable) -> dict[str, Json]:
    """Return the values by name; null for missing variables.

    Raises:
        TextTooLong: A value is repeated under so many names that it exceeds the budget. See ``Readable.spend``.
    """
    if len(named) == 1:
        # The common case: nothing can be repeated.
        [(name, selector)] = named
        value = variables.get(selector)
        return {name: None if value is UNSET else value}
    found: dict[str, Json] = {}
    seen: set[int] = set()
    for name, selector in named:
        value = variables.get(selector)
        found[name] = None if value is UNSET else value
        if isinstance(value, (str, list, dict)):
            if id(value) in seen:
                variables.spend(len(value) if isinstance(value, str) else len(encode_json(value)))
            seen.add(id(value))
    return found


def described_name(group: str) -> str:
    """Return the variable with the recorded form of an aggregator's group. References cannot name it."""
    return f"#{group}"


def described(selector: Selector, value: Json) -> Json:
    """Return the recorded form of a group whose value was found at ``selector``."""
    variable = {
        "value_type": type_of(value),
        "value": value,
        "id": new_id(),
        "name": selector[1],
        "description": "",
        "selector": list(selector),
    }
    return {"output": variable}
