"""The plugins file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import MISSING, Fields, expected
from jikko.dsl.operator_file import OperatorFile, filled_in, read_operator_file
from jikko.plugins.package.package_names import is_plugin_name, provider_name
from jikko.values import Json

Network: TypeAlias = Literal["gate", "direct"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginConfig:
    id: str
    """``author/name``."""
    credentials: Mapping[str, Json] = field(default_factory=dict)
    accounts: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """Other sets of credentials, by ``credential_id``."""
    network: Network = "gate"
    """``direct``: the plugin opens its own connections, without the address policy."""
    unset: tuple[str, ...] = ()
    """Unset environment variables that the entry refers to."""

    def credentials_for(self, credential_id: str) -> Mapping[str, Json]:
        """Return the credentials of that id, or the default ones if the id is unknown."""
        return self.accounts.get(credential_id, self.credentials)


@dataclass(frozen=True, slots=True)
class PluginsConfig:
    entries: Mapping[str, PluginConfig] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Plugins or providers by the other names that workflow files use."""
    summary_model: tuple[str, str] | None = None
    """Provider and model that summarise pages for tools."""
    source: str = ""
    """Path of the file; ``""`` if there is none."""

    def of(self, plugin_id: str) -> PluginConfig:
        return self.entries.get(plugin_id) or PluginConfig(id=plugin_id)

    def line_to_add(self, plugin_id: str, credentials: tuple[str, ...]) -> str:
        wanted = ", ".join(f'{name}: "${{{name.upper()}}}"' for name in credentials)
        return f"  {plugin_id}: {{credentials: {{{wanted}}}}}"


_KEYS: Final = ("plugins", "aliases", "summary_model")
_ENTRY: Final = ("credentials", "accounts", "network")
_NETWORKS: Final = ("gate", "direct")


def read_plugins_file(file: Path | None, environment: Mapping[str, str]) -> PluginsConfig:
    """Read a plugins file; empty if there is none. Raises ``InvalidSettings``, listing every problem.

    ``environment``: For ``${NAME}``. An unset variable only fails the tools of its plugin.
    """
    if file is None:
        return PluginsConfig()
    return parse_plugins_file(read_operator_file(file, "plugins"), environment, source=str(file))


def parse_plugins_file(text: bytes, environment: Mapping[str, str], *, source: str = "plugins file") -> PluginsConfig:
    """Parse the text of a plugins file. See ``read_plugins_file``."""
    file = OperatorFile(text, "plugins", source, _KEYS)
    root, entries = file.root, dict[str, PluginConfig]()
    for name, fields in root.mapping("plugins").entries():
        # A bare name is a provider's name from old workflow files.
        id_ = name if "/" in name else provider_name(name).plugin
        if not is_plugin_name(id_):
            fields.problem("", Phrase("document.no_plugin_name"), expected("author/name"))
        entries[id_] = _entry(id_, fields, environment)
    aliases = root.mapping("aliases")
    model = root.mapping("summary_model")
    named = (model.text("provider", required=True), model.text("name") or model.text("model")) if model.raw else None
    if named is not None and not named[1]:
        model.problem("model", MISSING, Phrase("remedy.model_name"))
    file.require_no_problems()
    return PluginsConfig(entries, {str(name): aliases.text(name) for name in aliases.raw}, named, source)


def _entry(id_: str, fields: Fields, environment: Mapping[str, str]) -> PluginConfig:
    unset: list[str] = []
    fields = filled_in(fields, environment, unset)
    fields.check_names(_ENTRY)
    accounts = fields.mapping("accounts")
    return PluginConfig(
        id=id_,
        credentials=dict(fields.mapping("credentials").raw),
        accounts={str(name): dict(accounts.mapping(name).raw) for name in accounts.raw},
        network=cast(Network, fields.choice("network", _NETWORKS, "gate")),
        unset=tuple(dict.fromkeys(unset)),
    )
