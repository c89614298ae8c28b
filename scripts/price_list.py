"""Generates the price list, ``src/jikko/providers/prices.json``, from genai-prices for known providers.

Usage: python -m scripts.price_list

Importing the library itself would take twelve times the memory that a model call otherwise needs.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import genai_prices
import msgspec
from genai_prices import types
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

from jikko.providers.config import WELL_KNOWN

LIST: Final = Path(__file__).parents[1] / "src/jikko/providers/prices.json"
_KINDS: Final = {
    types.ClauseEquals: ("=", "equals"),
    types.ClauseStartsWith: ("^", "starts_with"),
    types.ClauseEndsWith: ("$", "ends_with"),
    types.ClauseContains: ("~", "contains"),
    types.ClauseRegex: ("re", "regex"),
}


def price_list() -> bytes:
    """Return the file's content: one line per provider."""
    every = get_snapshot().providers
    wanted = {known.prices for known in WELL_KNOWN.values() if known.prices}
    found = {name: provider for name in sorted(wanted) if (provider := find_provider_by_id(every, name)) is not None}
    for provider in [*found.values()]:
        found |= {each.id: each for each in every if each.id in (provider.fallback_model_providers or ())}
    lines = [
        b'"%b":%b' % (name.encode(), msgspec.json.encode([provider.fallback_model_providers or [], _models(provider)]))
        for name, provider in found.items()
    ]
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def _models(provider: types.Provider) -> list[Any]:
    return [[_clause(model.match), model.context_window, _prices(model)] for model in provider.models]


def _clause(clause: Any) -> list[Any]:
    if isinstance(clause, types.ClauseOr):
        return ["or", [_clause(each) for each in clause.or_]]
    if isinstance(clause, types.ClauseAnd):
        return ["and", [_clause(each) for each in clause.and_]]
    kind, field = _KINDS[type(clause)]
    value: str = getattr(clause, field)
    return [kind, value if kind == "re" else value.lower()]


def _prices(model: types.ModelInfo) -> list[Any]:
    """Return each price period with its price steps by number of tokens."""
    if not model.prices:
        return [["", "", "", []]]
    dated = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    return [[*_times(each.constraint), _steps(each.prices)] for each in dated]


def _times(constraint: Any) -> tuple[str, str, str]:
    """Return start date, and start and end time of day."""
    match constraint:
        case None:
            return "", "", ""
        case types.StartDateConstraint(start_date=day):
            return day.isoformat(), "", ""
        case types.TimeOfDateConstraint(start_time=start, end_time=end):
            if start.utcoffset() or end.utcoffset():
                raise ValueError(f"not in UTC: {constraint}")
            return "", start.replace(tzinfo=None).isoformat(), end.replace(tzinfo=None).isoformat()
    raise TypeError(f"unknown constraint: {constraint}")


def _steps(prices: types.ModelPrice) -> list[tuple[int, str, str]]:
    """Return prices per million tokens of prompt and answer, each above a number of prompt tokens."""
    tiered = [price for price in vars(prices).values() if isinstance(price, types.TieredPrices)]
    starts = sorted({0, *(tier.start for price in tiered for tier in price.tiers)})
    try:
        return [(start, *_unit_prices(prices, start + 1)) for start in starts]
    except (LookupError, ValueError):
        return []


def _unit_prices(prices: types.ModelPrice, tokens: int) -> tuple[str, str]:
    found = prices.calc_price(genai_prices.Usage(input_tokens=tokens, output_tokens=1_000_000))
    answer = found["output_price"]
    prompt = found["input_price"] / tokens * 1_000_000
    return f"{prompt.quantize(Decimal('1e-12')).normalize():f}", f"{answer.normalize():f}"


if __name__ == "__main__":
    LIST.write_bytes(price_list())
