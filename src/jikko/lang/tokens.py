"""Token counts of texts, roughly, for providers that do not count."""


def estimated(text: str) -> int:
    """One token for four ASCII characters and one for each other one: within a third for most languages and models."""
    ascii_ = len(text.encode("ascii", "ignore"))
    return -(-ascii_ // 4) + len(text) - ascii_
