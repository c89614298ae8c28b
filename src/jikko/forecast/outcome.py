"""Diagnostics of certain failures; and sentences about a diagnostic's effect on runs: whether they fail, and where."""

from jikko.diagnostics.diagnostic import Diagnostic, Phrase, joined
from jikko.diagnostics.translations import Language, worded


def will_fail(code: str, where: str, remedy: Phrase | str | None = None, /, **params: object) -> Diagnostic:
    """Return the diagnostic of a certain failure. ``remedy``: A code, if the remedy has no parameters."""
    remedy = Phrase(remedy) if isinstance(remedy, str) else remedy
    return Diagnostic(code, params, where=where, severity="will_fail", remedy=remedy)


def outcome(diagnostic: Diagnostic) -> Phrase:
    """Return the effect on runs: ``will fail at node "Title" (line 7): why``."""
    says = "may_fail" if diagnostic.severity == "may_fail" else "will_fail"
    place = "" if not diagnostic.node else "_at_line" if diagnostic.line else "_at"
    why = Phrase(diagnostic.code, diagnostic.params)
    return Phrase(f"outcome.{says}{place}", {"title": diagnostic.title, "line": diagnostic.line, "text": why})


def outcome_sentence(diagnostic: Diagnostic, language: Language = "en") -> str:
    """Return the effect on runs, and the remedy: the summary of a file that this decides."""
    note = worded(diagnostic.note, language=language) if diagnostic.note else ""
    return joined(language, outcome(diagnostic).text(language), note, diagnostic.advice(language))
