"""The headers of an HTTP Request node: lines ``Name: value`` with references in them."""

import re
from typing import Final, Self

from msgspec import Struct

from jikko.lang.templates import Template
from jikko.lang.variables import Readable

_BREAK: Final = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What ends a line for ``str.splitlines``."""


class HeaderLine(Struct, frozen=True):
    """One line of the configuration.

    What stands in its variables makes no further header: a line break in one becomes a space. Only a line that is
    nothing but one reference may become several headers, since there the variable is meant to hold them.

    Source: Dify 1.15, spec/nodes.md, http-request (headers). Dify splits what came of the whole text.
    """

    name: Template
    """The whole line, if it has no colon."""
    value: Template | None
    is_block: bool
    """Whether the line is nothing but a reference."""

    @classmethod
    def parse(cls, line: str) -> Self:
        """Take a line of the configuration apart, at its first colon: a reference has none."""
        name, colon, value = line.partition(":")
        template = Template.parse(name.strip())
        is_block = not colon and len(template.parts) == 1 and not isinstance(template.parts[0], str)
        return cls(template, Template.parse(value.strip()) if colon else None, is_block)

    def expanded(self, variables: Readable) -> dict[str, str]:
        """The headers by name: one, or as many as the variable holds."""
        text = self.name.to_text(variables)
        if self.is_block:
            return dict(_halves(line) for line in text.splitlines() if line.strip())
        text = _one_line(text)
        if self.value is not None:
            return {text: _one_line(self.value.to_text(variables))}
        return dict([_halves(text)]) if text else {}


def read_headers(text: str) -> tuple[HeaderLine, ...]:
    """The lines of a configuration; empty ones are left out."""
    return tuple(HeaderLine.parse(line) for line in text.splitlines() if line.strip())


def _halves(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _one_line(text: str) -> str:
    return _BREAK.sub(" ", text).strip()
