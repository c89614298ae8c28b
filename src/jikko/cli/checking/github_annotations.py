"""Workflow commands of GitHub Actions, which mark lines of a pull request."""


def annotation(kind: str, file: str, text: str, *, title: str, line: int = 0, column: int = 0) -> str:
    """One annotation. ``kind``: ``error`` or ``warning``. ``line``, ``column``: 0 if it is about the whole file."""
    fields = {"file": file, "title": title}
    if line:
        fields |= {"line": str(line)} | ({"col": str(column)} if column else {})
    listed = ",".join(f"{name}={_escaped(value, more=True)}" for name, value in fields.items())
    return f"::{kind} {listed}::{_escaped(text)}"


def _escaped(text: str, *, more: bool = False) -> str:
    for character in "%\r\n" + (":," if more else ""):
        text = text.replace(character, f"%{ord(character):02X}")
    return text
