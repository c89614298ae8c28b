"""The files that an operator writes: providers, tools."""

from pathlib import Path

from jikko.errors import InvalidSettings


def read_config_file(file: Path, kind: str, max_bytes: int) -> bytes:
    """The whole content of such a file.

    Args:
        kind: What it is, as errors name it: ``providers file``.

    Raises:
        InvalidSettings: It cannot be read, or is larger than ``max_bytes``.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(max_bytes + 1)
    except OSError as error:
        raise InvalidSettings(f"The {kind} {file} cannot be read: {error.strerror}.") from None
    if len(text) > max_bytes:
        raise InvalidSettings(f"The {kind} {file} is larger than {max_bytes} bytes.")
    return text
