"""Texts of runs, files and apps as a terminal may be given them: nothing in them steers it."""


def shown(text: str) -> str:
    """A text of a run as it may be printed: halves of characters, which UTF-8 lacks, are question marks."""
    return text.encode("utf-8", "replace").decode()


def harmless(text: str) -> str:
    """A text for people, of one or several lines: without what would steer the terminal."""
    return "\n".join(map(printable, text.split("\n")))


def printable(text: str) -> str:
    """A text as a line of a terminal: without what would move the cursor, change colors or ring."""
    return "".join(character if character.isprintable() else " " for character in shown(text))
