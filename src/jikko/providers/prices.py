"""Prices of model calls, from the bundled list of genai-prices (``scripts/price_list.py``)."""

import asyncio
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.resources import files
from typing import Any, Final

import msgspec

from jikko.ports.models import PRICE_UNIT
from jikko.providers.config import Price, ProviderConfig, well_known

_UNKNOWN: Final = Price(Decimal(0), Decimal(0))
_COMPACT_DATE: Final = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
"""Dates without hyphens; the list has hyphens."""


class _Step(msgspec.Struct, array_like=True, frozen=True):
    """Prices of a million tokens, from a size of the prompt on."""

    tokens: int
    """Minimum tokens of the prompt; the price applies to all tokens."""
    prompt: Decimal
    completion: Decimal


class _Prices(msgspec.Struct, array_like=True, frozen=True):
    """Prices with their validity: from a day on, or between two times of each day, in UTC; ``""``: always."""

    since: str
    begin: str
    end: str
    steps: list[_Step]

    def hold(self, now: datetime) -> bool:
        if self.since:
            return now.date() >= date.fromisoformat(self.since)
        if self.begin:
            begin, end = time.fromisoformat(self.begin), time.fromisoformat(self.end)
            return begin <= now.time() < end if begin <= end else not end <= now.time() < begin
        return True


class _Model(msgspec.Struct, array_like=True, frozen=True):
    names: list[Any]
    """Pattern of its names; see ``_matches``."""
    context: int | None
    prices: list[_Prices]
    """The last valid one applies; without any, the first."""

    def price(self, prompt: int, now: datetime) -> Price:
        """Return the price of a million tokens, for a call with that many prompt tokens."""
        holding = next((each for each in reversed(self.prices) if each.hold(now)), self.prices[0])
        step = next((each for each in reversed(holding.steps) if prompt > each.tokens), None)
        return _UNKNOWN if step is None else Price(step.prompt, step.completion)


class _Provider(msgspec.Struct, array_like=True, frozen=True):
    others: list[str]
    """Other providers whose models it has, too."""
    models: list[_Model]


class Prices:
    """Unit prices by model. Only requested parts of the list stay in memory."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], _Model | None] = {}

    async def of(self, config: ProviderConfig, provider: str, model: str, prompt: int) -> Price:
        """Return the price of a million tokens of a model, for a call with that many prompt tokens. Zero if unknown."""
        traits = config.models.get(model)
        own = traits.price if traits is not None and traits.price is not None else config.traits.price
        if own is not None:
            return own
        if config.type in ("llama_cpp", "wordllama"):
            return _UNKNOWN
        found = await self._model(config, provider, model)
        return _UNKNOWN if found is None else found.price(max(1, prompt), datetime.now(UTC))

    async def context_size(self, config: ProviderConfig, provider: str, model: str) -> int | None:
        """Return a model's context size in the list; ``None`` if missing."""
        if config.type == "llama_cpp":
            return int(config.options.get("context") or 0) or None
        found = await self._model(config, provider, model)
        return None if found is None else found.context

    async def _model(self, config: ProviderConfig, provider: str, model: str) -> _Model | None:
        known = well_known(provider)
        if known is None or not known.prices:
            return None
        key = known.prices, config.model_name(model)
        if key not in self._found:
            self._found[key] = await asyncio.to_thread(_listed, *key)
        return self._found[key]


def amount(unit_price: Decimal, tokens: int) -> Decimal:
    """Return the cost of ``tokens``, by the price of a million."""
    return (unit_price * tokens * PRICE_UNIT).normalize()


def _listed(provider: str, model: str) -> _Model | None:
    content = files("jikko.providers").joinpath("prices.json").read_bytes()
    providers = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    if provider not in providers:
        return None
    asked = msgspec.json.decode(providers[provider], type=_Provider)
    name = model.lower()
    for each in dict.fromkeys((name, _COMPACT_DATE.sub(r"-\1-\2-\3", name))):
        others = (msgspec.json.decode(providers[other], type=_Provider).models for other in asked.others)
        for models in (asked.models, *others):
            for found in models:
                if _matches(found.names, each):
                    return found
    return None


def _matches(names: list[Any], name: str) -> bool:
    kind, wanted = names
    match kind:
        case "or":
            return any(_matches(each, name) for each in wanted)
        case "and":
            return all(_matches(each, name) for each in wanted)
        case "^":
            return name.startswith(wanted)
        case "$":
            return name.endswith(wanted)
        case "~":
            return wanted in name
        case "re":
            return re.search(wanted, name) is not None
    return bool(name == wanted)
