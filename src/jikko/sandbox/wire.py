"""What a server and a child say to each other: one job, then one reply, each a head, a JSON text and a block of bytes.

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
MAX_DEPTH: Final = 100
"""How deeply lists and objects of a result may be nested."""

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class BadReply(Exception):
    """A child answered something that it should not have. The message is a clause without a subject."""


def pack(text: bytes, block: bytes = b"") -> bytes:
    """One message, ready to be sent."""
    return HEAD.pack(len(text), len(block)) + text + block


def parse_reply(text: bytes) -> dict[str, Any]:
    """Read the JSON text of a reply.

    Returns:
        The object it holds. Strings in it can be encoded as UTF-8: halves of surrogate pairs became U+FFFD.

    Raises:
        BadReply: It is not JSON, no object, nested too deeply, or holds a number with thousands of digits.
    """
    try:
        decoded = text.decode("utf-8")
        value: Any = json.loads(decoded)
        if not isinstance(value, dict):
            raise BadReply("sent a reply that is no JSON object")
        if _is_deeper_than(value, MAX_DEPTH + 1, at_most=text.count(b"[") + text.count(b"{")):
            raise BadReply(f"returned a value that is nested more than {MAX_DEPTH} levels deep")
        if _SURROGATE_ESCAPE.search(decoded):
            return _without_lone_surrogates(value)
        return value
    except RecursionError:
        raise BadReply(f"returned a value that is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError as error:
        reason = "a number with too many digits" if "digits" in str(error) else "a reply that is not JSON"
        raise BadReply(f"sent {reason}") from None


def _is_deeper_than(value: Any, limit: int, *, at_most: int) -> bool:
    """Whether containers are nested more than ``limit`` deep.

    Args:
        at_most: How deep they can be at all. Most values are cleared by this alone.
    """
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
