"""Usage of language models, added up."""

from collections.abc import Iterable
from decimal import Decimal

from jikko.events import Usage
from jikko.values import Json


def total(usages: Iterable[Usage | None]) -> Usage | None:
    """The sum, or ``None`` if nothing was used."""
    present = [usage for usage in usages if usage is not None]
    if not present:
        return None
    return Usage(
        total_tokens=sum(usage.total_tokens for usage in present),
        prompt_tokens=sum(usage.prompt_tokens for usage in present),
        completion_tokens=sum(usage.completion_tokens for usage in present),
        total_price=_sum(usage.total_price for usage in present),
        currency=present[-1].currency,
        prompt_price=_sum(usage.prompt_price for usage in present),
        completion_price=_sum(usage.completion_price for usage in present),
        prompt_unit_price=_last(usage.prompt_unit_price for usage in present),
        completion_unit_price=_last(usage.completion_unit_price for usage in present),
        latency=sum(usage.latency for usage in present),
    )


def _sum(prices: Iterable[str]) -> str:
    return str(sum(map(Decimal, prices), Decimal(0)))


def _last(prices: Iterable[str]) -> str:
    last = "0"
    for price in prices:
        last = price if Decimal(price) else last
    return last


def container_metadata(usage: Usage | None) -> dict[str, Json]:
    """What goes into the metadata of a container: it tells its usage also when that is nothing."""
    return {} if usage is not None else {"total_tokens": 0, "total_price": "0", "currency": "USD"}
