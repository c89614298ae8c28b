"""What is printed of runs and files."""


def shown(text: str) -> str:
    """A text of a run as it may be printed: halves of characters, which UTF-8 lacks, are question marks."""
    return text.encode("utf-8", "replace").decode()


def one_line(text: str) -> str:
    """A text of a file as it may stand in a line: what is no printable character is a space.

    Titles may hold line breaks, and sequences that terminals obey.
    """
    return "".join(character if character.isprintable() else " " for character in text)
