"""Adding up what language models used."""

from collections.abc import Iterable
from decimal import Decimal

from jikko.events import Usage


def total(usages: Iterable[Usage | None]) -> Usage | None:
    """The sum, or ``None`` if nothing was used."""
    present = [usage for usage in usages if usage is not None]
    if not present:
        return None
    return Usage(
        total_tokens=sum(usage.total_tokens for usage in present),
        prompt_tokens=sum(usage.prompt_tokens for usage in present),
        completion_tokens=sum(usage.completion_tokens for usage in present),
        total_price=str(sum((Decimal(usage.total_price) for usage in present), Decimal(0))),
        currency=present[-1].currency,
    )
