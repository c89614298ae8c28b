"""Diagnostics: what is known of a file, a machine or a setting, by code, with a text in each language."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from jikko.diagnostics.translations import Language, worded

Severity: TypeAlias = Literal["error", "will_fail", "may_fail", "warning", "ok"]
"""``error``: a file cannot be imported, or Jikko does not work in this respect. ``will_fail``: every run ends there,
unless an earlier node ends it or an iteration before it has nothing to go over. ``may_fail``: it depends on the run.
``warning``: nothing fails of it. ``ok``: nothing is wrong."""


class Phrase(Struct, frozen=True):
    """A text of the catalogue."""

    code: str
    """Never changes; see ``en.json``."""
    params: Mapping[str, object] = field(default_factory=dict)
    """Texts, numbers, and messages that are parts of this one."""

    def text(self, language: Language = "en") -> str:
        """A sentence without its full stop, or a part of one."""
        params = {
            name: value.text(language) if isinstance(value, Phrase) else value for name, value in self.params.items()
        }
        return worded(self.code, params, language)

    def plain(self) -> dict[str, Any]:
        """The parameters as JSON has them; those that are messages with a ``code`` and ``params`` of their own."""
        return {
            name: value.message() if isinstance(value, Phrase) else (value if isinstance(value, int) else str(value))
            for name, value in self.params.items()
        }

    def message(self) -> dict[str, Any]:
        """``{"code", "params"}``, as records and the page have it."""
        return {"code": self.code, "params": self.plain()}

    @staticmethod
    def of(message: Mapping[str, Any]) -> "Phrase":
        given = message["params"].items()
        params = {name: Phrase.of(value) if isinstance(value, dict) else value for name, value in given}
        return Phrase(message["code"], params)


class PhraseError(Exception):
    """An error whose text is a phrase of the catalogue."""

    def __init__(self, code: str, params: Mapping[str, object] | None = None) -> None:
        super().__init__(code, params)
        self.phrase = Phrase(code, params or {})

    def __str__(self) -> str:
        return self.phrase.text()


class Diagnostic(Phrase, frozen=True, kw_only=True):
    """One thing to know, and what to do about it.

    What a file's diagnostic is about is its code up to the dot. ``address``: the host of a request; ``code``: a program
    that cannot be run; ``document``: how the file is written; ``environment``: a value from outside that is not of its
    variable's type; ``form``: how people are asked; ``import``: a module that programs do not have; ``inputs``: values
    for the start; ``knowledge``: a dataset or the settings of a search; ``mock``: outputs that were given for a node,
    which make it fail; ``model``: a provider that cannot be reached; ``node_type``: a type that Jikko does not have;
    ``sandbox``: the machine runs no programs; ``secret``: a value that is empty; ``test``: what a test file names is
    missing; ``tool``: one that is missing or not set up; ``variable``: one that cannot be there, or is of a type that
    the node does not take.
    """

    where: str = ""
    """The path inside the document, such as ``workflow.graph.nodes[3].data.variables[0]``, ``""`` for the whole; or
    what was examined: ``data folder``."""
    severity: Severity = "error"
    remedy: Phrase | None = None
    snippet: str = ""
    """What to apply the remedy with: a command, or lines of a file in YAML."""
    note: str = ""
    """The code of a second clause: why it matters less."""
    node: str = ""
    """The id of the node that it is about; ``""`` for none. So is ``title``, which is the id of a node without one."""
    title: str = ""
    line: int = 0
    """Counted from 1, where the file is not YAML; 0 where ``where`` says it. So is ``column``."""
    column: int = 0

    @property
    def cause(self) -> str:
        return self.code.partition(".")[0]

    @property
    def ok(self) -> bool:
        """Whether Jikko works in this respect; also with a warning."""
        return self.severity in ("ok", "warning")

    def text(self, language: Language = "en") -> str:
        """What is wrong: with its note, without the remedy."""
        text = super().text(language)
        return joined(language, text, worded(self.note, language=language)) if self.note else text

    def advice(self, language: Language = "en") -> str:
        """The text of the remedy; ``""`` without one."""
        return self.remedy.text(language) if self.remedy is not None else ""

    def sentence(self, language: Language = "en") -> str:
        """What is wrong and what to do."""
        return joined(language, self.text(language), self.advice(language))

    def __str__(self) -> str:
        text = f"{self.where}: {self.text()}" if self.where else self.text()
        return f"{text} ({self.advice()})" if self.remedy is not None else text

    def as_part(self) -> Phrase:
        """The same as part of another phrase; without its note."""
        text = Phrase(self.code, self.params)
        if self.remedy is not None:
            text = Phrase("part.with_remedy", {"text": text, "remedy": self.remedy})
        return Phrase("part.at", {"where": self.where, "text": text}) if self.where else text


def joined(language: Language, *clauses: str) -> str:
    """Clauses as one sentence; empty ones are left out."""
    return ("；" if language == "ja" else "; ").join(filter(None, clauses))
