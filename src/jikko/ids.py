"""Ids of apps, versions, runs, node executions and files: UUIDs as lower-case text."""

import re
import time
from random import getrandbits

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

_VERSION = 0x7000 << 64 | 0x8000 << 48


def new_id() -> str:
    """Return a new UUID (version 7) in its canonical text form. Later ids sort behind earlier ones (to the
    millisecond), so that indexes grow at their end. Ids are names, not secrets: access depends on the key."""
    bits = getrandbits(80) & 0x0FFF_3FFF_FFFF_FFFF_FFFF
    value = (time.time_ns() // 1_000_000) << 80 | _VERSION | bits
    text = value.to_bytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_uuid(text: str) -> bool:
    """Return whether ``text`` is a hyphenated UUID, in either case."""
    return _UUID.fullmatch(text) is not None
