"""What the command line prints of runs."""

from jikko.runs.secrets import masked


def shown(text: str) -> str:
    """A text of a run as it may be printed: secrets are asterisks, and halves of characters question marks."""
    return masked(text.encode("utf-8", "replace")).decode()
