"""The wire between a server and a child: one job, then one reply, each a head, a JSON text and a block of bytes.

The reply comes from a process that may do what a stranger tells it, so ``parse_reply`` believes nothing.
"""

import json
import re
import struct
from typing import Any, Final

HEAD: Final = struct.Struct(">II")
"""The lengths of the JSON text and of the block behind it, in bytes."""
PROCESS_ID: Final = struct.Struct("=i")
"""On the control socket: a child, by its process id."""
ENDED: Final = struct.Struct("=iidq")
"""On the control socket: process id, wait status, CPU time in seconds, and the most memory of its own in bytes."""
MAX_BLOCK: Final = 1 << 20
"""How large the block of a reply may be, in bytes: the compiled form of a template."""
REPLY_SLACK: Final = 64 << 10
"""How much longer than the output limit the JSON text of a reply may be, in bytes: its frame, or an error text."""
NOT_BEGUN: Final = b"not begun: "
"""What the text of a child begins with that failed before its program began; the error is behind it."""
BROKEN: Final = b"broken: "
"""What it begins with if the child failed, and not its program, but after that began."""
MAX_DEPTH: Final = 100
"""How deeply lists and objects of a result may be nested."""

_BLOCK_BYTES: Final = 65_536
"""Bytes that are looked through at a time."""
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class BadReply(Exception):
    """A child answered something that it should not have. The message is a clause without a subject."""


def pack(text: bytes, block: bytes = b"") -> bytes:
    """One message, ready to be sent."""
    return HEAD.pack(len(text), len(block)) + text + block


def parse_reply(text: bytes, max_elements: int) -> dict[str, Any]:
    """The object in the JSON text of a reply. ``max_elements``: Of arrays and objects, counted before they are made.

    Its texts can be encoded as UTF-8: halves of surrogate pairs became U+FFFD. Raises ``BadReply``: it is no JSON, no
    object, nested too deeply, has too many elements, or holds a number with thousands of digits.
    """
    if has_more_elements(text, max_elements):
        raise BadReply(f"returned more than {max_elements} elements of arrays and objects (set by JIKKO_MAX_ELEMENTS)")
    try:
        decoded = text.decode("utf-8")
        value: Any = json.loads(decoded)
        if not isinstance(value, dict):
            raise BadReply("sent a reply that is not a JSON object")
        if _is_deeper_than(value, MAX_DEPTH + 1, at_most=text.count(b"[") + text.count(b"{")):
            raise BadReply(f"returned a value that is nested more than {MAX_DEPTH} levels deep")
        if ("\\ud" in decoded or "\\uD" in decoded) and _SURROGATE_ESCAPE.search(decoded):
            return _without_lone_surrogates(value)
        return value
    except RecursionError:
        raise BadReply(f"returned a value that is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError as error:
        reason = "a number with too many digits" if "digits" in str(error) else "a reply that is not JSON"
        raise BadReply(f"sent {reason}") from None


def has_more_elements(text: bytes, than: int) -> bool:
    """Whether a JSON text has more elements of arrays and objects than a number. An empty one counts as an element."""
    if _elements(text) <= than:
        return False  # also with all that looks like one in strings
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    found, outside = 0, 0
    for start in range(0, len(plain), _BLOCK_BYTES):
        pieces = plain[start : start + _BLOCK_BYTES].split(b'"')
        found += sum(map(_elements, pieces[outside::2]))
        # A block with an odd number of quotes ends where it did not begin: in a string, or outside of one.
        outside = (outside + len(pieces) - 1) % 2
    return found > than


def _elements(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _is_deeper_than(value: Any, limit: int, *, at_most: int) -> bool:
    """Whether containers are nested more than ``limit`` deep. ``at_most``: A bound that clears most values."""
    if at_most <= limit:
        return False
    level = [value]
    for _ in range(limit):
        level = [
            item
            for container in level
            for item in (container.values() if type(container) is dict else container)
            if type(item) in (dict, list)
        ]
        if not level:
            return False
    return True


def _without_lone_surrogates(value: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(value, ensure_ascii=False)
    repaired: dict[str, Any] = json.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    return repaired
