"""Ids of apps, versions, runs, node executions and files: UUIDs, as text in lower case."""

import re
import time
from random import getrandbits

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

_latest = (0, "")
"""The last millisecond in which an id was made, and how ids of it begin: many are made in one."""


def new_id() -> str:
    """A new UUID (version 7) in its canonical text form.

    Later ids sort behind earlier ones (to the millisecond), so an index over them grows at its end. Ids name things,
    they do not protect them: who may see what is decided by the key.
    """
    global _latest
    millisecond = time.time_ns() // 1_000_000
    made_in, begin = _latest
    if made_in != millisecond:
        digits = f"{millisecond:012x}"
        begin = f"{digits[:8]}-{digits[8:]}-7"
        _latest = millisecond, begin
    return "%s%03x-%04x-%012x" % (begin, getrandbits(12), getrandbits(14) | 0x8000, getrandbits(48))  # noqa: UP031  # quicker


def is_uuid(text: str) -> bool:
    """Whether ``text`` is a UUID in its hyphenated form, in either case."""
    return _UUID.fullmatch(text) is not None
