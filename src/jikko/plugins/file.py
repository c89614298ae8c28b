"""Reads the plugins file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from jikko.config_file import read_config_file, require_no_problems
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.expansion import expanded
from jikko.dsl.fields import Fields
from jikko.dsl.text.yaml_text import LoadLimits, YamlProblem, parse
from jikko.errors import InvalidSettings
from jikko.plugins.config import Network, PluginConfig, PluginsConfig
from jikko.plugins.package.names import is_plugin_name, provider_name

_LIMITS: Final = LoadLimits(max_bytes=1 << 20, max_depth=20, max_values=100_000)
_KEYS: Final = ("plugins", "aliases", "summary_model")
_ENTRY: Final = ("credentials", "accounts", "network")
_NETWORKS: Final = ("gate", "direct")


def read_plugins_file(file: Path | None, environment: Mapping[str, str]) -> PluginsConfig:
    """What a plugins file says; nothing if there is no file.

    Args:
        environment: What ``${NAME}`` in the file stands for. A name that is not set is no error of the file: only the
            tools of that plugin fail.

    Raises:
        InvalidSettings: The file cannot be read. Carries every problem found.
    """
    if file is None:
        return PluginsConfig()
    text = read_config_file(file, "plugins file", _LIMITS.max_bytes)
    return parse_plugins_file(text, environment, source=str(file))


def parse_plugins_file(text: bytes, environment: Mapping[str, str], *, source: str = "plugins file") -> PluginsConfig:
    """What a text says. See ``read_plugins_file``."""
    try:
        raw = parse(text.decode(), _LIMITS)
    except (YamlProblem, UnicodeDecodeError) as error:
        what = f"{error} (line {error.line})" if isinstance(error, YamlProblem) else "is no UTF-8 text"
        raise InvalidSettings(f"The plugins file {source} {what}.") from None
    problems: list[Diagnostic] = []
    root = Fields("", raw if isinstance(raw, dict) else {}, problems)
    if raw is not None and not isinstance(raw, dict):
        root.problem(
            "",
            Phrase("document.no_mapping"),
            Phrase("remedy.expected", {"wanted": "plugins:, aliases: and summary_model:"}),
        )
    root.check_names(_KEYS)
    listed, entries = root.mapping("plugins"), dict[str, PluginConfig]()
    for name in listed.raw:
        fields = Fields(f"plugins[{name!r}]", listed.mapping(name).raw, problems)
        # A bare name is what old workflow files have: that of the provider.
        id_ = name if "/" in name else provider_name(name).plugin
        if not is_plugin_name(id_):
            fields.problem("", Phrase("document.no_plugin_name"), Phrase("remedy.expected", {"wanted": "author/name"}))
        entries[id_] = _entry(id_, fields, environment)
    aliases = root.mapping("aliases")
    model = root.mapping("summary_model")
    named = (model.text("provider", required=True), model.text("name") or model.text("model")) if model.raw else None
    if named is not None and not named[1]:
        model.problem("model", Phrase("document.missing"), Phrase("remedy.model_name"))
    require_no_problems(problems, "plugins", source)
    return PluginsConfig(entries, {str(name): aliases.text(name) for name in aliases.raw}, named, source)


def _entry(id_: str, fields: Fields, environment: Mapping[str, str]) -> PluginConfig:
    unset: list[str] = []
    fields = Fields(fields.where, expanded(fields.raw, environment, unset), fields.problems, fields.raw)
    fields.check_names(_ENTRY)
    accounts = fields.mapping("accounts")
    return PluginConfig(
        id=id_,
        credentials=dict(fields.mapping("credentials").raw),
        accounts={str(name): dict(accounts.mapping(name).raw) for name in accounts.raw},
        network=cast(Network, fields.choice("network", _NETWORKS, "gate")),
        unset=tuple(dict.fromkeys(unset)),
    )
