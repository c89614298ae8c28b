"""The providers file: addresses, keys and models of providers."""

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
    """What a million tokens cost."""

    prompt: Decimal
    completion: Decimal
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTraits:
    """What the file says of a model, or of all models of a provider. ``None`` where it says nothing."""

    name: str = ""
    """What the provider calls it; ``""``: as the workflow does."""
    mode: Literal["chat", "completion"] | None = None
    """How it is called, whatever the workflow says."""
    tools: bool | None = None
    structured_output: bool | None = None
    media: Mapping[MediaKind, bool] = field(default_factory=dict)
    price: Price | None = None
    batch: int = 0
    """Models that make vectors: texts of one request; 0 for the usual number."""
    dimensions: int = 0
    """Numbers of a vector, for models that let one choose; 0 for as many as it has by itself."""
    query_prefix: str = ""
    """What the model wants in front of texts that are looked for."""
    document_prefix: str = ""
    """And of those that are kept."""
    voice: str = ""
    """Models that speak: the voice, if no request names one; ``""`` for the usual one."""
    context_size: int = 0
    """Tokens of prompt and answer together; 0 where it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    id: str
    """The long name, or ``*``."""
    type: ProviderType
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent along with every request."""
    plugin: str = ""
    """Of the type ``plugin``: ``author/name``, or ``author/name/provider``."""
    credentials: Mapping[str, Json] = field(default_factory=dict, repr=False)
    """What it is told."""
    models: Mapping[str, ModelTraits] = field(default_factory=dict)
    """By the name that workflows use."""
    traits: ModelTraits = field(default_factory=ModelTraits)
    """Of models that do not say otherwise."""
    max_concurrent: int = 0
    """Requests under way at once; 0 for any number."""
    requests_per_minute: int = 0
    """0 for any number."""
    timeout: float = 300.0
    """Seconds that the provider may be silent: before its answer, and between two pieces of it."""
    connect_timeout: float = 10.0
    """Seconds."""
    max_answer: int = 4_194_304
    """Characters that an answer may have; its pictures may have four times as many bytes."""
    options: Mapping[str, Json] = field(default_factory=dict)
    """What only some types have: ``api_version``, ``region``, ``project``, ``organization``, ``path``, ``context``,
    ``parallel``, ``pooling``."""
    unset: tuple[str, ...] = ()
    """Environment variables that the entry names and that are not set."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
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
        """``entries``: By long name or ``*``. ``source``: For messages; ``""`` without a file. ``defaults``: Models
        called where nothing names one, by the file. ``extensions``: Servers that take part in chats.
        """
        self.entries = dict(entries or {})
        self.source = source
        self._defaults = dict(defaults or {})
        self.extensions = dict(extensions or {})

    def become(self, other: "Providers") -> None:
        """Say what another file says: who has these providers has those from now on."""
        self.entries, self.source, self._defaults = dict(other.entries), other.source, dict(other._defaults)
        # Changed in place: it is handed on by itself.
        self.extensions.clear()
        self.extensions.update(other.extensions)

    @property
    def defaults(self) -> DefaultModels:
        """The models that are called where nothing names one: those of the file, else what is usual for the first
        provider in it that has such models."""
        found: dict[ModelPurpose, ModelName] = {}
        for id_ in self.entries:
            known = well_known(id_)
            for purpose, model in known.defaults if known is not None else ():
                found.setdefault(purpose, ModelName(id_, model))
        return {**found, **self._defaults}

    def find(self, provider: str) -> ProviderConfig | None:
        """The entry for a provider, by any of its names; the fallback, if it has none."""
        return self.entries.get(model_provider(provider)) or self.entries.get(FALLBACK)

    def for_worker(self, workers: int) -> "Providers":
        """The same for one of ``workers`` processes: limits are shared out, rounded up."""
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
        """The line for the providers file that would make a provider known."""
        known = well_known(provider)
        short = short_name(model_provider(provider))
        fields = [f"type: {known.type if known else 'openai'}"]
        if known is None or (not known.base_url and known.type in ("openai", "azure")):
            fields.append("base_url: https://…")
        if known is not None and known.type == "azure":
            fields.append('api_version: "2024-10-21"')
        if known is None or known.needs_key:
            variable = "".join(c if c.isalnum() else "_" for c in short.rpartition("/")[2]).upper()
            fields.append(f'api_key: "${{{variable}_API_KEY}}"')
        # A name is whatever a workflow file has: quoted, it is one in YAML, too, and no further line.
        quoted = json.dumps(short, ensure_ascii=False)
        quoted = "".join(one if one.isprintable() else f"\\U{ord(one):08X}" for one in quoted)
        return f"  {quoted}: {{{', '.join(fields)}}}"


def abilities(config: ProviderConfig, provider: str, model: str) -> Abilities:
    """What a model can do: what the file says, else what is known of the provider, else a careful guess."""
    known = well_known(provider)
    own = config.models.get(model, ModelTraits())
    name = config.model_name(model).rpartition("/")[2]
    structured = config.type == "llama_cpp" or (known is not None and name.startswith(known.structured))
    sees = config.type != "llama_cpp" and not (known is not None and name.startswith(known.blind))
    media: dict[MediaKind, bool] = {"image": sees, **config.traits.media, **own.media}
    return Abilities(
        # A local model keeps to a schema for certain, and calls functions only if its template has them.
        tools=_first(own.tools, config.traits.tools, config.type != "llama_cpp"),
        structured_output=_first(own.structured_output, config.traits.structured_output, structured),
        media=frozenset(kind for kind, able in media.items() if able),
    )


def _first(*values: bool | None) -> bool:
    return next((value for value in values if value is not None), False)
