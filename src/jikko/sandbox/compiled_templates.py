"""Templates as children compiled them, so that others need not."""

from collections import OrderedDict
from typing import Final, TypeAlias

TemplateKey: TypeAlias = tuple[str, bytes]
"""An app, and the digest of a template of it."""
_CACHED_TEMPLATES: Final = 1024
_CACHED_BYTES: Final = 32 << 20


class CompiledTemplates:
    """What children made of templates, kept as bytes that this process never looks into.

    An entry comes from a child that had this very template and app, and goes only to such children again. So a
    program that breaks out of Jinja2 can at most spoil itself.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, TemplateKey], bytes] = OrderedDict()
        self._size = 0

    def get(self, version: str, key: TemplateKey) -> bytes:
        entry = self._entries.get((version, key), b"")
        if entry:
            self._entries.move_to_end((version, key))
        return entry

    def put(self, version: str, key: TemplateKey, block: bytes) -> None:
        if (version, key) in self._entries:
            return
        self._entries[version, key] = block
        self._size += len(block)
        while self._size > _CACHED_BYTES or len(self._entries) > _CACHED_TEMPLATES:
            _, dropped = self._entries.popitem(last=False)
            self._size -= len(dropped)
