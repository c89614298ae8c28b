"""Reports of replayed runs, for people and programs."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any, TypeAlias

import click
import msgspec

from jikko.proving.replay_verdict import WORDS, ReplayedResult, ReplayOutcome
from jikko.runs.reading.field_changes import ChangedField
from jikko.terminal_text import printable, shown

_COLORS: dict[ReplayOutcome, str] = {"same": "green", "works_now": "green", "unknown": "yellow", "fails_now": "red"}
_MOST = 20
"""Reasons that are told."""
_MAX_VALUE = 80
"""Characters of a value."""


class ReplaySums(msgspec.Struct):
    """What all runs come to together."""

    outcomes: Counter[ReplayOutcome] = msgspec.field(default_factory=Counter)
    assumed: int = 0
    """Runs with answers to requests that were others then."""
    asked: int = 0
    tokens: tuple[int, int] = (0, 0)
    price: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))
    unknown_versions: int = 0
    """Runs of which the version is not known that they were of."""

    def add(self, result: ReplayedResult, *, knows_version: bool) -> None:
        """Take a run."""
        self.outcomes[result.outcome] += 1
        self.assumed += result.assumed > 0
        self.asked += result.asked
        self.tokens = self.tokens[0] + result.tokens[0], self.tokens[1] + result.tokens[1]
        self.price = self.price[0] + result.price[0], self.price[1] + result.price[1]
        self.unknown_versions += not knows_version and result.outcome != "unknown"


class JsonReplayReport:
    """One object a line and run, and one for all."""

    def add(self, result: ReplayedResult) -> None:
        told: dict[str, Any] = {
            "run": result.run,
            "outcome": result.outcome,
            "assumed": result.assumed,
            "asked": result.asked,
            "where": result.where,
            "difference": msgspec.to_builtins(result.difference),
            "reason": result.reason,
            "tokens": result.tokens,
            "price": [str(each) for each in result.price],
        }
        click.echo(shown(json.dumps(told, ensure_ascii=False)))

    def close(self, sums: ReplaySums, seconds: float) -> None:
        summary: dict[str, Any] = {
            "runs": sums.outcomes.total(),
            **{str(outcome): sums.outcomes[outcome] for outcome in WORDS},
            "assumed": sums.assumed,
            "asked": sums.asked,
            "unknown_versions": sums.unknown_versions,
            "tokens": sums.tokens,
            "price": [str(each) for each in sums.price],
            "seconds": round(seconds, 3),
        }
        click.echo(json.dumps({"summary": summary}))


class TextReplayReport:
    """How many runs there are of each outcome, each with the example that differs least."""

    def __init__(self, titles: dict[str, str]) -> None:
        """``titles``: of nodes, by their ids."""
        self._titles = titles
        self._examples: dict[tuple[ReplayOutcome, str], ReplayedResult] = {}
        """Of those that are unknown, one for each reason."""
        self._reasons: Counter[tuple[ReplayOutcome, str]] = Counter()

    def add(self, result: ReplayedResult) -> None:
        key = result.outcome, self._place(result) + result.reason if result.reason else ""
        self._reasons[key] += 1
        known = self._examples.get(key)
        if known is None or _size(result) < _size(known):
            self._examples[key] = result

    def close(self, sums: ReplaySums, seconds: float) -> None:
        for outcome, words in WORDS.items():
            if count := sums.outcomes[outcome]:
                click.echo(click.style(f"{count:7,}  {words}", fg=_COLORS.get(outcome, "yellow")))
                keys = [key for key, _ in self._reasons.most_common() if key[0] == outcome]
                for key in keys[:_MOST]:
                    self._tell(self._examples[key], key[1])
                if len(keys) > _MOST:
                    click.echo(f"         and {len(keys) - _MOST:,} reasons more; --json tells that of each run")
        if sums.assumed:
            click.echo(f"{sums.assumed:,} runs have answers that are assumed: what was asked then was something else")
        if sums.unknown_versions:
            click.echo(
                f"{sums.unknown_versions:,} runs are of a version that is not known: settings of nodes that no log "
                "tells, such as a temperature, were not compared"
            )
        if sums.asked:
            click.echo(f"{sums.asked:,} calls were really made")
        tokens, price = sums.tokens, sums.price
        if any(tokens) or any(price):
            click.echo(f"tokens {tokens[0]:,} → {tokens[1]:,}, price {price[0]:f} → {price[1]:f}")
        count = sums.outcomes.total()
        click.echo(f"{count:,} run{'s' * (count != 1)} in {seconds:.2f} s")

    def _place(self, result: ReplayedResult) -> str:
        return f"{self._title(result.where[-1])}: " if result.where else ""

    def _title(self, node_id: str) -> str:
        return self._titles.get(node_id) or node_id

    def _tell(self, result: ReplayedResult, reason: str) -> None:
        if result.outcome == "same":
            return
        count = self._reasons[result.outcome, reason]
        if result.reason:
            click.echo(printable(f"{count:9,}  {reason}  ({result.run})"))
            return
        nodes = ", ".join(map(self._title, result.where[:5])) + (", …" if len(result.where) > 5 else "")
        click.echo(printable(f"         {result.run}" + (f"  {nodes}" if nodes else "")))
        if result.difference is not None:
            click.echo(printable(f"         {_line(result.difference)}"))


ReplayReport: TypeAlias = JsonReplayReport | TextReplayReport
"""Takes what became of runs, one after the other, and closes when all was taken."""


def _size(result: ReplayedResult) -> tuple[int, int]:
    change = result.difference
    return len(result.where), 0 if change is None else len(repr(change.before)) + len(repr(change.after))


def _line(change: ChangedField) -> str:
    before, after = _around(change.before, change.after)
    return f"{change.path.lstrip('/')}: {before} → {after}"


def _around(before: Any, after: Any) -> tuple[str, str]:
    """Two values, long ones from where they begin to differ."""
    texts = [json.dumps(value, ensure_ascii=False) for value in (before, after)]
    same = next((at for at, pair in enumerate(zip(*texts, strict=False)) if pair[0] != pair[1]), min(map(len, texts)))
    begin = max(0, same - _MAX_VALUE // 4) if max(map(len, texts)) > _MAX_VALUE else 0
    cut = ["…" * (begin > 0) + text[begin : begin + _MAX_VALUE] for text in texts]
    first, second = (one + "…" * (len(text) > begin + _MAX_VALUE) for one, text in zip(cut, texts, strict=True))
    return first, second
