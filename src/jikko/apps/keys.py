"""API keys: their format, and lists of keys brought from elsewhere."""

import hashlib
import re
import secrets
import string
from collections.abc import Iterator
from typing import Final

from jikko.errors import InvalidParam

_ALPHABET: Final = string.ascii_letters + string.digits
"""Characters that survive a double click, Markdown and word patterns."""
_PREFIX: Final = "app-"
SHARED: Final = "apps-"
"""Prefix of keys for several apps."""
_LENGTH: Final = 32
"""190 random bits."""
_KEY: Final = re.compile(r"app-[A-Za-z0-9]{24,200}")
_LINE: Final = re.compile(r"(?P<app>.*\S)\s*=\s*(?P<key>app-\S*)")
_HINT_LENGTH: Final = 8


def new_key() -> str:
    """Return a new API key: ``app-`` and 32 random letters and digits."""
    return _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def new_shared_key() -> str:
    """Return a new key for several apps: as ``new_key``, with ``apps-``."""
    return new_key().replace(_PREFIX, SHARED, 1)


def key_for(shared: str, app_id: str) -> str:
    """Return the key for one app derived from a key for several; clients may send it, too."""
    return f"{shared}@{app_id}"


def digest(key: str) -> bytes:
    """Return the stored digest of a key. A key has at least 142 random bits, so a fast hash suffices."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


def hint_of(key: str) -> str:
    """Return the first characters of a key, to tell keys apart."""
    return f"{key[:_HINT_LENGTH]}…"


def checked_key(text: str) -> str:
    """Validate a given key, stripped of white space. Raises ``InvalidParam``, which does not quote it."""
    key = text.strip()
    if _KEY.fullmatch(key) is None:
        raise InvalidParam("Not an API key: it must be `app-` and 24 to 200 letters and digits, on one line.")
    return key


def is_list_of_keys(text: str) -> bool:
    """Return whether a text is a list of keys, rather than a file name."""
    return any(_LINE.fullmatch(line.strip()) for line in text.splitlines())


def parse_keys(text: str, source: str) -> Iterator[tuple[str, str]]:
    """Parse lines ``APP = KEY``: yield app (name or id) and key. ``#`` starts a comment line. Raises ``InvalidParam``
    for an invalid line, with its number but not its text."""
    for number, line in enumerate(text.splitlines(), 1):
        if not (line := line.strip()) or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None or _KEY.fullmatch(found["key"]) is None:
            raise InvalidParam(
                f"{source}: line {number} is not APP = KEY, with a key that is `app-` and 24 to 200 letters and digits."
            )
        yield found["app"], found["key"]
