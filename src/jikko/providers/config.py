"""Content of the providers file: URLs, keys and models of providers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, Literal, TypeAlias, get_args

from jikko.dsl.repair import model_provider
from jikko.ports.extensions import Extensions
from jikko.ports.models import Abilities, DefaultModels, MediaKind, ModelName, ModelPurpose
from jikko.providers.catalogue import short_name, well_known
from jikko.values import Json

ProviderType: TypeAlias = Literal[
    "openai", "azure", "anthropic", "bedrock", "vertex", "llama_cpp", "jina", "cohere", "wordllama", "plugin"
]
TYPES: Final[tuple[ProviderType, ...]] = get_args(ProviderType)
FALLBACK: Final = "*"


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a million tokens."""

    prompt: Decimal
    completion: Decimal
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTraits:
    """Settings of a model, or of all models of a provider. ``None``: not set."""

    name: str = ""
    """The provider's name for it; ``""``: that of the workflow."""
    mode: Literal["chat", "completion"] | None = None
    """Mode of calls, overriding the workflow."""
    tools: bool | None = None
    structured_output: bool | None = None
    media: Mapping[MediaKind, bool] = field(default_factory=dict)
    price: Price | None = None
    batch: int = 0
    """Embedding models: texts per request; 0 for the default."""
    dimensions: int = 0
    """Embedding models with a choice: numbers of a vector; 0 for the model's own."""
    query_prefix: str = ""
    """Embedding models: prefix of queries."""
    document_prefix: str = ""
    """Embedding models: prefix of stored texts."""
    voice: str = ""
    """Speech models: default voice; ``""`` for the usual one."""
    context_size: int = 0
    """Tokens of prompt and answer together; 0 if not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    id: str
    """The long name, or ``*``."""
    type: ProviderType
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every request."""
    plugin: str = ""
    """For type ``plugin``: ``author/name``, or ``author/name/provider``."""
    credentials: Mapping[str, Json] = field(default_factory=dict, repr=False)
    """Credentials for the plugin."""
    models: Mapping[str, ModelTraits] = field(default_factory=dict)
    """By name in workflows."""
    traits: ModelTraits = field(default_factory=ModelTraits)
    """Defaults of models."""
    max_concurrent: int = 0
    """Maximum concurrent requests; 0 for unlimited."""
    requests_per_minute: int = 0
    """0 for unlimited."""
    timeout: float = 300.0
    """Timeout of silence, in seconds: before the answer, and between two chunks."""
    connect_timeout: float = 10.0
    """Seconds."""
    max_answer: int = 4_194_304
    """Maximum characters of an answer; its pictures may have four times as many bytes."""
    options: Mapping[str, Json] = field(default_factory=dict)
    """Options of single types: ``api_version``, ``region``, ``project``, ``organization``, ``path``, ``context``,
    ``parallel``, ``pooling``."""
    unset: tuple[str, ...] = ()
    """Unset environment variables of the entry."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the values to be masked."""
        secrets = {self.api_key, *self.headers.values()}
        return tuple(sorted((secret for secret in secrets if secret), key=len, reverse=True))

    def model_name(self, model: str) -> str:
        traits = self.models.get(model)
        return traits.name if traits is not None and traits.name else model


class Providers:
    def __init__(
        self,
        entries: Mapping[str, ProviderConfig] | None = None,
        *,
        source: str = "",
        defaults: DefaultModels | None = None,
        extensions: Extensions | None = None,
    ) -> None:
        """``entries``: By long name or ``*``. ``source``: For messages; ``""`` without a file. ``defaults``: Default
        models of the file. ``extensions``: Servers that take part in chats."""
        self.entries = dict(entries or {})
        self.source = source
        self._defaults = dict(defaults or {})
        self.extensions = dict(extensions or {})

    def become(self, other: "Providers") -> None:
        """Replace the content in place, for all holders of this object."""
        self.entries, self.source, self._defaults = dict(other.entries), other.source, dict(other._defaults)
        # In place: others hold a reference to it.
        self.extensions.clear()
        self.extensions.update(other.extensions)

    @property
    def defaults(self) -> DefaultModels:
        """Return the default models: those of the file, else the usual ones of its first provider with any."""
        found: dict[ModelPurpose, ModelName] = {}
        for id_ in self.entries:
            known = well_known(id_)
            for purpose, model in known.defaults if known is not None else ():
                found.setdefault(purpose, ModelName(id_, model))
        return {**found, **self._defaults}

    def find(self, provider: str) -> ProviderConfig | None:
        """Find a provider's entry by any of its names, or the fallback."""
        return self.entries.get(model_provider(provider)) or self.entries.get(FALLBACK)

    def for_worker(self, workers: int) -> "Providers":
        """Return the configuration for one of ``workers`` processes, with limits divided, rounded up."""
        shared = {
            name: replace(
                entry,
                max_concurrent=-(-entry.max_concurrent // workers),
                requests_per_minute=-(-entry.requests_per_minute // workers),
            )
            for name, entry in self.entries.items()
        }
        return Providers(shared, source=self.source, defaults=self._defaults, extensions=self.extensions)

    @staticmethod
    def line_to_add(provider: str) -> str:
        """Return the line for the providers file that would add a provider."""
        known = well_known(provider)
        short = short_name(model_provider(provider))
        fields = [f"type: {known.type if known else 'openai'}"]
        variable = "".join(c if c.isalnum() else "_" for c in short.rpartition("/")[2]).upper()
        if known is None or (not known.base_url and known.type in ("openai", "azure")):
            fields.append(f'base_url: "${{{variable}_BASE_URL}}"')
        if known is not None and known.type == "azure":
            fields.append('api_version: "2024-10-21"')
        if known is None or known.needs_key:
            fields.append(f'api_key: "${{{variable}_API_KEY}}"')
        # Quoted: a name in a workflow file may contain anything, even line breaks.
        quoted = json.dumps(short, ensure_ascii=False)
        quoted = "".join(one if one.isprintable() else f"\\U{ord(one):08X}" for one in quoted)
        return f"  {quoted}: {{{', '.join(fields)}}}"


def abilities(config: ProviderConfig, provider: str, model: str) -> Abilities:
    """Return a model's abilities: from the file, else from the catalogue, else a careful guess."""
    known = well_known(provider)
    own = config.models.get(model, ModelTraits())
    name = config.model_name(model).rpartition("/")[2]
    structured = config.type == "llama_cpp" or (known is not None and name.startswith(known.structured))
    sees = config.type != "llama_cpp" and not (known is not None and name.startswith(known.blind))
    media: dict[MediaKind, bool] = {"image": sees, **config.traits.media, **own.media}
    return Abilities(
        # A local model always supports schemas, and functions only if its template does.
        tools=_first(own.tools, config.traits.tools, config.type != "llama_cpp"),
        structured_output=_first(own.structured_output, config.traits.structured_output, structured),
        media=frozenset(kind for kind, able in media.items() if able),
    )


def _first(*values: bool | None) -> bool:
    return next((value for value in values if value is not None), False)
