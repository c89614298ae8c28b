"""API keys: what one looks like, and lists of keys that are brought from elsewhere."""

import hashlib
import re
import secrets
import string
from collections.abc import Iterator
from typing import Final

from jikko.errors import InvalidParam

_ALPHABET: Final = string.ascii_letters + string.digits
"""Nothing that a double click, Markdown or a pattern for words would cut off."""
_PREFIX: Final = "app-"
SHARED: Final = "apps-"
"""How keys for several apps begin."""
_LENGTH: Final = 32
"""190 random bits."""
_KEY: Final = re.compile(r"app-[A-Za-z0-9]{24,200}")
_LINE: Final = re.compile(r"(?P<app>.*\S)\s*=\s*(?P<key>app-\S*)")
_HINT_LENGTH: Final = 8


def new_key() -> str:
    """A new API key: ``app-`` and 32 random letters and digits."""
    return _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def new_shared_key() -> str:
    """A new key for several apps: as ``new_key``, with ``apps-``."""
    return new_key().replace(_PREFIX, SHARED, 1)


def key_for(shared: str, app_id: str) -> str:
    """The key of one app that is part of a key for several: clients may send it, too."""
    return f"{shared}@{app_id}"


def digest(key: str) -> bytes:
    """What is kept of a key. A key has at least 142 random bits, so a plain hash is as good as a slow one."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


def hint_of(key: str) -> str:
    """The first characters of a key, to tell keys apart."""
    return f"{key[:_HINT_LENGTH]}…"


def checked_key(text: str) -> str:
    """A key from outside, without white space around it.
    Raises ``InvalidParam``: it is none. The message does not quote it."""
    key = text.strip()
    if _KEY.fullmatch(key) is None:
        raise InvalidParam(
            "What was given is no API key: that is `app-` and 24 to 200 letters and digits, on one line."
        )
    return key


def is_list_of_keys(text: str) -> bool:
    """Whether a text is a list of keys itself, and not the name of a file that has it."""
    return any(_LINE.fullmatch(line.strip()) for line in text.splitlines())


def parse_keys(text: str, source: str) -> Iterator[tuple[str, str]]:
    """App (name or id) and key of each line ``APP = KEY``, in the order of the text. ``#`` begins a line of comment.
    Raises ``InvalidParam``: a line is neither. The message tells its number, and nothing of it."""
    for number, line in enumerate(text.splitlines(), 1):
        if not (line := line.strip()) or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None or _KEY.fullmatch(found["key"]) is None:
            raise InvalidParam(
                f"{source}: line {number} is not APP = KEY, with a key that is `app-` and 24 to 200 letters and digits."
            )
        yield found["app"], found["key"]
