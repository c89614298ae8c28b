"""What model calls cost, by genai-prices."""

from decimal import Decimal
from typing import Any

from jikko.concurrency.async_lazy import AsyncLazy
from jikko.ports.models import PRICE_UNIT
from jikko.providers.catalogue import well_known
from jikko.providers.config import Price, ProviderConfig

_UNKNOWN = Price(Decimal(0), Decimal(0))


class Prices:
    """Unit prices by model. The price list is imported when the first one is asked for; nothing is fetched."""

    def __init__(self) -> None:
        self._list: AsyncLazy[Any] = AsyncLazy(_load)
        self._flat: dict[tuple[str, str], Price | None] = {}
        """Prices that do not depend on the number of tokens; ``None`` where they do."""
        self._contexts: dict[tuple[str, str], int | None] = {}

    async def of(self, config: ProviderConfig, provider: str, model: str, prompt: int, completion: int) -> Price:
        """The price of a million tokens of a model, for a call with that many tokens. Zero if it is not known."""
        traits = config.models.get(model)
        own = traits.price if traits is not None and traits.price is not None else config.traits.price
        if own is not None:
            return own
        known = well_known(provider)
        if known is None or not known.prices or config.type in ("llama_cpp", "wordllama"):
            return _UNKNOWN
        name = config.model_name(model)
        key = known.prices, name
        price = self._flat.get(key)
        if price is None:
            prices = await self._list.get()
            price = _price(prices, known.prices, name, prompt, completion)
            if key not in self._flat:
                # Large prompts cost more per token with some models; then it is asked each time.
                tiers = (_price(prices, known.prices, name, tokens, tokens) for tokens in (1000, 10_000_000))
                self._flat[key] = price if len({price, *tiers}) == 1 else None
        return price

    async def context_size(self, config: ProviderConfig, provider: str, model: str) -> int | None:
        """How many tokens a model takes, as genai-prices knows; ``None`` if it does not."""
        if config.type == "llama_cpp":
            return int(config.options.get("context") or 0) or None
        known = well_known(provider)
        if known is None or not known.prices:
            return None
        key = known.prices, config.model_name(model)
        if key not in self._contexts:
            self._contexts[key] = _context_size(await self._list.get(), *key)
        return self._contexts[key]

    def close(self) -> None:
        """Forget a load that is under way."""
        self._list.close()


def amount(unit_price: Decimal, tokens: int) -> Decimal:
    """What ``tokens`` cost, by the price of a million."""
    return (unit_price * tokens * PRICE_UNIT).normalize()


def _price(prices: Any, provider: str, model: str, prompt: int, completion: int) -> Price:
    # At least one token of each, so that there is a unit price.
    prompt, completion = max(1, prompt), max(1, completion)
    try:
        usage = prices.Usage(input_tokens=prompt, output_tokens=completion)
        found = prices.calc_price(usage, model, provider_id=provider)
    except (LookupError, ValueError):
        return _UNKNOWN
    return Price(
        (found.input_price / prompt / PRICE_UNIT).normalize(),
        (found.output_price / completion / PRICE_UNIT).normalize(),
    )


def _context_size(prices: Any, provider: str, model: str) -> int | None:
    try:
        found = prices.calc_price(prices.Usage(input_tokens=1), model, provider_id=provider)
    except (LookupError, ValueError):
        return None
    size: int | None = found.model.context_window
    return size


def _load() -> Any:
    import genai_prices

    # The first question reads the list.
    genai_prices.calc_price(genai_prices.Usage(input_tokens=1), "gpt-4o", provider_id="openai")
    return genai_prices
