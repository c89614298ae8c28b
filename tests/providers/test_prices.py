"""Prices of models, by the list that comes with this version."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from scripts.install import LOCK
from scripts.price_list import LIST, price_list

from jikko.providers import prices
from jikko.providers.config import WELL_KNOWN, ProviderConfig

pytestmark = pytest.mark.anyio

PROVIDERS = {known.prices: name for name, known in WELL_KNOWN.items() if known.prices}
IS_LOCKED = f"\ngenai-prices=={version('genai-prices')} " in LOCK.read_text("utf-8")
"""Whether the library is in the version that the list is of: `make test-newest` takes a newer one."""
TOKENS = [0, 1, 128_000, 128_001, 200_000, 200_001, 272_001, 10_000_000]


def test_the_list_is_that_of_the_library() -> None:
    assert not IS_LOCKED or LIST.read_bytes() == price_list(), "python -m scripts.price_list writes it"


def names(provider: str) -> Iterator[str]:
    """How models of a provider are called, and names near to that."""
    found = find_provider_by_id(get_snapshot().providers, provider)
    assert found is not None
    for model in found.models:
        yield from (model.id, model.id.upper(), f"{model.id}-20250131", f"{model.id}-2025-01-31", f"花{model.id}")
    yield from ("gpt-5.2-20251211", "claude-3-5-sonnet@20240620", "no-such-model", "")


def expected(provider: str, model: str, prompt: int, at: datetime) -> tuple[Decimal, Decimal] | None:
    count = max(1, prompt)
    usage = genai_prices.Usage(input_tokens=count, output_tokens=1_000_000)
    try:
        found = genai_prices.calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)
    except (LookupError, ValueError):
        return None
    return round(found.input_price / count * 1_000_000, 12), found.output_price


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "openrouter"])
async def test_every_model_costs_what_the_library_says_at_any_time_and_length(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(provider)
    config = ProviderConfig(id=provider, type="openai", api_key="k", base_url="https://example.org")
    asked = prices.Prices()
    wrong: list[Any] = []
    for model in names(provider):
        at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=dice.randrange(3 * 525_600))
        monkeypatch.setattr(prices, "datetime", clock(at))
        prompt = dice.choice(TOKENS)
        found = await asked.of(config, PROVIDERS[provider], model, prompt)
        wanted = expected(provider, model, prompt, at)
        if (found.prompt, found.completion) != (wanted or (0, 0)):
            wrong.append((model, prompt, at, found, wanted))
    assert not IS_LOCKED or wrong == []


def clock(at: datetime) -> type[datetime]:
    """A ``datetime`` whose now is a moment."""

    class At(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return at

    return At


async def test_models_take_as_many_tokens_as_the_library_says() -> None:
    asked = prices.Prices()
    wrong: list[Any] = []
    sizes = set[int | None]()
    for provider, name in PROVIDERS.items():
        listed = find_provider_by_id(get_snapshot().providers, provider)
        assert listed is not None
        config = ProviderConfig(id=provider, type="openai", api_key="k", base_url="https://example.org")
        for model in listed.models[:12]:
            found = await asked.context_size(config, name, model.id)
            wanted = listed.find_model(model.id)
            sizes.add(found)
            if wanted is not None and found != wanted.context_window:
                wrong.append((model.id, found, wanted.context_window))
    assert not IS_LOCKED or wrong == []
    assert None in sizes
    assert max(size or 0 for size in sizes) >= 1_000_000
