"""Names of plugins and their providers in workflows. Source: docs/dify-behaviour.md, “Older files”."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"[a-z0-9_-]{1,128}")
_AUTHOR: Final = re.compile(r"[a-z0-9_-]{1,64}", re.IGNORECASE)
_IDENTIFIER: Final = re.compile(r"(?P<plugin>[^:@\s]+)(?::(?P<version>[^@\s]+))?(?:@(?P<checksum>[0-9a-fA-F]{32,64}))?")
_WITH_SUFFIX: Final = frozenset({"jina", "siliconflow", "stepfun", "gitee_ai"})
"""Old names of providers whose plugin has ``_tool`` behind its name."""
_RENAMED: Final = {"aws": "aws_tools"}
_HOUSE: Final = "langgenius"
"""The author of the plugins that old names without one mean."""


class ProviderName(NamedTuple):
    plugin: str
    """``author/name``."""
    provider: str
    """Its name within the plugin."""

    def __str__(self) -> str:
        return f"{self.plugin}/{self.provider}"


class Identifier(NamedTuple):
    """``author/name:version@checksum``; parts that are not given are ``""``."""

    plugin: str
    version: str
    checksum: str


def is_plugin_name(name: str) -> bool:
    """Whether a text is ``author/name`` as packages may be called."""
    author, slash, plain = name.partition("/")
    return bool(slash and _AUTHOR.fullmatch(author) and _NAME.fullmatch(plain))


def provider_name(written: str, aliases: Mapping[str, str] | None = None) -> ProviderName:
    """The provider that a workflow means by ``author/plugin/provider``, ``author/plugin`` (called as its plugin), or an
    old name: ``duckduckgo``. ``aliases``: Other names of plugins; either of the whole or of the plugin's part.
    """
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
    """Read ``author/name[:version][@checksum]``; ``None`` if it is nothing like it."""
    found = _IDENTIFIER.fullmatch(text.strip())
    if found is None or not is_plugin_name(found["plugin"]):
        return None
    return Identifier(found["plugin"], found["version"] or "", (found["checksum"] or "").lower())
