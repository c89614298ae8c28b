"""The plugins file: credentials, the way to the network, other names, the model of summaries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from jikko.values import Json

Network: TypeAlias = Literal["gate", "direct"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginConfig:
    """One plugin's entry."""

    id: str
    """``author/name``."""
    credentials: Mapping[str, Json] = field(default_factory=dict)
    accounts: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """Other sets of credentials, by the ``credential_id`` of nodes."""
    network: Network = "gate"
    """``direct``: it connects by itself, and the address policy does not hold for it."""
    unset: tuple[str, ...] = ()
    """Environment variables that the entry names and that are not set."""

    def credentials_for(self, credential_id: str) -> Mapping[str, Json]:
        """Those that a node means; the usual ones if the file does not know its id."""
        return self.accounts.get(credential_id, self.credentials)


@dataclass(frozen=True, slots=True)
class PluginsConfig:
    """The whole file."""

    entries: Mapping[str, PluginConfig] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Plugins, or providers, by another name that workflow files have for them."""
    summary_model: tuple[str, str] | None = None
    """Provider and model that summarise pages for tools."""
    source: str = ""
    """Where it comes from; ``""`` if there is no file."""

    def of(self, plugin_id: str) -> PluginConfig:
        """The entry of a plugin; an empty one if there is none."""
        return self.entries.get(plugin_id) or PluginConfig(id=plugin_id)

    def line_to_add(self, plugin_id: str, credentials: tuple[str, ...]) -> str:
        """What to write into the file for credentials that are missing."""
        wanted = ", ".join(f'{name}: "${{{name.upper()}}}"' for name in credentials)
        return f"  {plugin_id}: {{credentials: {{{wanted}}}}}"
