"""What several calls of models used, as one."""

from collections.abc import Sequence

from msgspec.structs import replace

from jikko.ports.models import ModelUsage


def total_usage(usages: Sequence[ModelUsage]) -> ModelUsage:
    """The sum; of unit prices and the currency, the last."""
    total = ModelUsage()
    for usage in usages:
        total = replace(
            usage,
            prompt_tokens=total.prompt_tokens + usage.prompt_tokens,
            completion_tokens=total.completion_tokens + usage.completion_tokens,
            total_tokens=total.total_tokens + usage.total_tokens,
            prompt_price=total.prompt_price + usage.prompt_price,
            completion_price=total.completion_price + usage.completion_price,
            latency=round(total.latency + usage.latency, 3),
            time_to_first_token=None,
            time_to_generate=None,
        )
    return total
