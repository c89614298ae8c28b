"""Ids of apps, versions, runs, node executions and files: UUIDs, as text in lower case."""

import re
import time
from random import getrandbits

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

_VERSION = 0x7000 << 64 | 0x8000 << 48


def new_id() -> str:
    """A new UUID (version 7) in its canonical text form.

    Later ids sort behind earlier ones (to the millisecond), so an index over them grows at its end. Ids name things,
    they do not protect them: who may see what is decided by the key.
    """
    bits = getrandbits(80) & 0x0FFF_3FFF_FFFF_FFFF_FFFF
    value = (time.time_ns() // 1_000_000) << 80 | _VERSION | bits
    text = value.to_bytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_uuid(text: str) -> bool:
    """Whether ``text`` is a UUID in its hyphenated form, in either case."""
    return _UUID.fullmatch(text) is not None
