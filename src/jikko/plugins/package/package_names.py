"""Plugin and provider names in workflows. Source: docs/dify-behaviour.md, “Older files”."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"[a-z0-9_-]{1,128}")
_AUTHOR: Final = re.compile(r"[a-z0-9_-]{1,64}", re.IGNORECASE)
_IDENTIFIER: Final = re.compile(r"(?P<plugin>[^:@\s]+)(?::(?P<version>[^@\s]+))?(?:@(?P<checksum>[0-9a-fA-F]{32,64}))?")
_WITH_SUFFIX: Final = frozenset({"jina", "siliconflow", "stepfun", "gitee_ai"})
"""Old provider names whose plugin has the suffix ``_tool``: its model provider took the plain name."""
_RENAMED: Final = {"aws": "aws_tools"}
_HOUSE: Final = "langgenius"
"""Author implied by old names without one."""


class ProviderName(NamedTuple):
    plugin: str
    """``author/name``."""
    provider: str
    """Provider name within the plugin."""

    def __str__(self) -> str:
        return f"{self.plugin}/{self.provider}"


class Identifier(NamedTuple):
    """``author/name:version@checksum``; missing parts are ``""``."""

    plugin: str
    version: str
    checksum: str


def is_plugin_name(name: str) -> bool:
    """Return True for a valid ``author/name``."""
    author, slash, plain = name.partition("/")
    return bool(slash and _AUTHOR.fullmatch(author) and _NAME.fullmatch(plain))


def provider_name(written: str, aliases: Mapping[str, str] | None = None) -> ProviderName:
    """Resolve ``author/plugin/provider``, ``author/plugin`` (its provider has the same name), or an old name such as
    ``duckduckgo``. ``aliases``: Other names for a whole provider, or for its plugin part."""
    aliases = aliases or {}
    written = aliases.get(written, written)
    parts = [part for part in written.split("/") if part]
    if len(parts) >= 3:
        plugin = "/".join(parts[:-1])
        return ProviderName(aliases.get(plugin, plugin), parts[-1])
    if len(parts) == 2:
        return ProviderName(aliases.get(written, written), parts[1])
    name = parts[0] if parts else ""
    name = _RENAMED.get(name, name)
    plugin = f"{name}_tool" if name in _WITH_SUFFIX else name
    return ProviderName(f"{_HOUSE}/{plugin}", name)


def identifier(text: str) -> Identifier | None:
    """Parse ``author/name[:version][@checksum]``; ``None`` if it does not match."""
    found = _IDENTIFIER.fullmatch(text.strip())
    if found is None or not is_plugin_name(found["plugin"]):
        return None
    return Identifier(found["plugin"], found["version"] or "", (found["checksum"] or "").lower())
