"""Terminal-safe output of texts from runs, files and apps."""


def shown(text: str) -> str:
    """Return a text with lone surrogates, which UTF-8 lacks, as question marks."""
    return text.encode("utf-8", "replace").decode()


def harmless(text: str) -> str:
    """Return a text of any lines without terminal control sequences."""
    return "\n".join(map(printable, text.split("\n")))


def printable(text: str) -> str:
    """Return a text as one line, without characters that move the cursor, change colors or ring."""
    return "".join(character if character.isprintable() else " " for character in shown(text))
