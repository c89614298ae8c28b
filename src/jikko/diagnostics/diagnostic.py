"""Diagnostics of files, machines and settings, by code, with texts in each language."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from jikko.diagnostics.translations import Language, worded

Severity: TypeAlias = Literal["error", "will_fail", "may_fail", "warning", "ok"]
"""``error``: a file cannot be imported, or Jikko does not work in this respect. ``will_fail``: every run fails there,
unless it ends before or an enclosing iteration has no items. ``may_fail``: it depends on the run. ``warning``: no
failure. ``ok``: no problem."""


class Phrase(Struct, frozen=True):
    """Text of the catalogue."""

    code: str
    """Stable; see ``en.json``."""
    params: Mapping[str, object] = field(default_factory=dict)
    """Strings, numbers, and nested messages."""

    def text(self, language: Language = "en") -> str:
        """Return a sentence without its full stop, or a part of one."""
        params = {
            name: value.text(language) if isinstance(value, Phrase) else value for name, value in self.params.items()
        }
        return worded(self.code, params, language)

    def plain(self) -> dict[str, Any]:
        """Return the parameters as JSON; nested messages as ``code`` and ``params``."""
        return {
            name: value.message() if isinstance(value, Phrase) else (value if isinstance(value, int) else str(value))
            for name, value in self.params.items()
        }

    def message(self) -> dict[str, Any]:
        """Return ``{"code", "params"}``, as used by records and the page."""
        return {"code": self.code, "params": self.plain()}

    @staticmethod
    def of(message: Mapping[str, Any]) -> "Phrase":
        given = message["params"].items()
        params = {name: Phrase.of(value) if isinstance(value, dict) else value for name, value in given}
        return Phrase(message["code"], params)


class PhraseError(Exception):
    """Error whose text is a phrase of the catalogue."""

    def __init__(self, code: str, params: Mapping[str, object] | None = None) -> None:
        super().__init__(code, params)
        self.phrase = Phrase(code, params or {})

    def __str__(self) -> str:
        return self.phrase.text()


class Diagnostic(Phrase, frozen=True, kw_only=True):
    """One problem, and its remedy.

    The code's prefix is the subject of a file's diagnostic. ``address``: host of a request; ``code``: invalid program;
    ``document``: the file's form; ``environment``: value from outside that does not fit the variable's type; ``form``:
    human input; ``import``: missing module of a program; ``inputs``: values for the start; ``knowledge``: dataset or
    search settings; ``mock``: given outputs that make the node fail; ``model``: unreachable provider; ``node_type``:
    unsupported type; ``sandbox``: no sandbox on this machine; ``secret``: empty value; ``test``: missing reference of a
    test file; ``tool``: missing or unconfigured tool; ``variable``: impossible variable, or one of a type that the node
    does not accept.
    """

    where: str = ""
    """Path inside the document, such as ``workflow.graph.nodes[3].data.variables[0]``, ``""`` for the whole; or what
    was examined: ``data folder``."""
    severity: Severity = "error"
    remedy: Phrase | None = None
    snippet: str = ""
    """Command, or lines of YAML, that apply the remedy."""
    note: str = ""
    """Code of a second clause: why it matters less."""
    node: str = ""
    """Id of the node concerned; ``""`` for none. ``title`` is the node's id if it has no title."""
    title: str = ""
    line: int = 0
    """From 1, for files other than YAML; 0 if ``where`` has the place. Likewise ``column``."""
    column: int = 0

    @property
    def cause(self) -> str:
        return self.code.partition(".")[0]

    @property
    def ok(self) -> bool:
        """Whether Jikko works in this respect, perhaps with a warning."""
        return self.severity in ("ok", "warning")

    def text(self, language: Language = "en") -> str:
        """Return the problem with its note, without the remedy."""
        text = super().text(language)
        return joined(language, text, worded(self.note, language=language)) if self.note else text

    def advice(self, language: Language = "en") -> str:
        """Return the remedy; ``""`` without one."""
        return self.remedy.text(language) if self.remedy is not None else ""

    def sentence(self, language: Language = "en") -> str:
        """Return problem and remedy."""
        return joined(language, self.text(language), self.advice(language))

    def __str__(self) -> str:
        text = f"{self.where}: {self.text()}" if self.where else self.text()
        return f"{text} ({self.advice()})" if self.remedy is not None else text

    def as_part(self) -> Phrase:
        """Return it as part of another phrase, without its note."""
        text = Phrase(self.code, self.params)
        if self.remedy is not None:
            text = Phrase("part.with_remedy", {"text": text, "remedy": self.remedy})
        return Phrase("part.at", {"where": self.where, "text": text}) if self.where else text


def joined(language: Language, *clauses: str) -> str:
    """Join clauses to one sentence, without empty ones."""
    return ("；" if language == "ja" else "; ").join(filter(None, clauses))
