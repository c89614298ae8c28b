"""Estimated token counts, for providers that do not report them."""


def estimated(text: str) -> int:
    """Estimate one token per four ASCII characters and per other character: within a third for most models."""
    ascii_ = len(text.encode("ascii", "ignore"))
    return -(-ascii_ // 4) + len(text) - ascii_
