"""Content of the providers file: URLs, keys and models of providers; and the catalogue of providers with Dify plugins,
so that most users only need a key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct

from jikko.dsl.repair import model_provider
from jikko.ports.extensions import Extensions
from jikko.ports.models import Abilities, DefaultModels, MediaKind, ModelName, ModelPurpose
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
    def patience(self) -> float:
        """Seconds without a part of the answer while the connection is kept alive, and of a whole answer.

        DeepSeek keeps queued requests alive for up to ten minutes.
        """
        return 3 * self.timeout

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the values to be masked."""
        return tuple(filter(None, (self.api_key, *self.headers.values())))

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


class WellKnown(Struct, frozen=True, kw_only=True):
    type: str = "openai"
    """Protocol: a ``type`` of the providers file."""
    base_url: str = ""
    """``""``: the user has to set it, or the vendor's library knows it."""
    structured: tuple[str, ...] = ()
    """Name prefixes of models with native JSON schema support; ``""`` for all."""
    blind: tuple[str, ...] = ()
    """Name prefixes of models without vision."""
    prices: str = ""
    """Its id in genai-prices; ``""`` if missing."""
    needs_key: bool = True
    defaults: tuple[tuple[ModelPurpose, str], ...] = ()
    """Its default models."""


_OPENAI_STRUCTURED: Final = ("gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "gpt-6", "o1", "o3", "o4", "chatgpt-4o")
_OPENAI_BLIND: Final = ("gpt-3.5", "davinci", "babbage")
_ALL: Final = ("",)


def _plugin(name: str) -> str:
    return f"langgenius/{name}/{name}"


WELL_KNOWN: Final[dict[str, WellKnown]] = {
    _plugin("openai"): WellKnown(
        base_url="https://api.openai.com/v1",
        structured=_OPENAI_STRUCTURED,
        blind=_OPENAI_BLIND,
        prices="openai",
        defaults=(
            ("llm", "gpt-4o-mini"),
            ("embedding", "text-embedding-3-small"),
            ("speech_to_text", "whisper-1"),
            ("moderation", "omni-moderation-latest"),
            ("text_to_speech", "tts-1"),
        ),
    ),
    _plugin("azure_openai"): WellKnown(
        type="azure", structured=_OPENAI_STRUCTURED, blind=_OPENAI_BLIND, prices="azure"
    ),
    _plugin("anthropic"): WellKnown(type="anthropic", prices="anthropic"),
    _plugin("bedrock"): WellKnown(type="bedrock", prices="aws", needs_key=False),
    _plugin("vertex_ai"): WellKnown(type="vertex", prices="google", needs_key=False),
    "langgenius/gemini/google": WellKnown(
        base_url="https://generativelanguage.googleapis.com/v1beta/openai/", structured=_ALL, prices="google"
    ),
    _plugin("deepseek"): WellKnown(base_url="https://api.deepseek.com/v1", blind=_ALL, prices="deepseek"),
    _plugin("tongyi"): WellKnown(base_url="https://dashscope.aliyuncs.com/compatible-mode/v1"),
    _plugin("moonshot"): WellKnown(base_url="https://api.moonshot.cn/v1", prices="moonshotai"),
    _plugin("siliconflow"): WellKnown(base_url="https://api.siliconflow.cn/v1"),
    _plugin("zhipuai"): WellKnown(base_url="https://open.bigmodel.cn/api/paas/v4", prices="zhipuai"),
    _plugin("minimax"): WellKnown(base_url="https://api.minimaxi.com/v1", prices="minimax"),
    _plugin("volcengine_maas"): WellKnown(base_url="https://ark.cn-beijing.volces.com/api/v3"),
    _plugin("wenxin"): WellKnown(base_url="https://qianfan.baidubce.com/v2"),
    _plugin("hunyuan"): WellKnown(base_url="https://api.hunyuan.cloud.tencent.com/v1"),
    _plugin("baichuan"): WellKnown(base_url="https://api.baichuan-ai.com/v1"),
    _plugin("spark"): WellKnown(base_url="https://spark-api-open.xf-yun.com/v1"),
    _plugin("stepfun"): WellKnown(base_url="https://api.stepfun.com/v1"),
    _plugin("yi"): WellKnown(base_url="https://api.lingyiwanwu.com/v1"),
    _plugin("gitee_ai"): WellKnown(base_url="https://ai.gitee.com/v1"),
    _plugin("openrouter"): WellKnown(base_url="https://openrouter.ai/api/v1", prices="openrouter"),
    _plugin("groq"): WellKnown(base_url="https://api.groq.com/openai/v1", prices="groq"),
    _plugin("mistralai"): WellKnown(base_url="https://api.mistral.ai/v1", structured=_ALL, prices="mistral"),
    _plugin("togetherai"): WellKnown(base_url="https://api.together.xyz/v1", prices="together"),
    _plugin("fireworks"): WellKnown(
        base_url="https://api.fireworks.ai/inference/v1", structured=_ALL, prices="fireworks"
    ),
    _plugin("novita"): WellKnown(base_url="https://api.novita.ai/v3/openai", prices="novita"),
    _plugin("nvidia"): WellKnown(base_url="https://integrate.api.nvidia.com/v1"),
    _plugin("perplexity"): WellKnown(base_url="https://api.perplexity.ai", structured=_ALL, prices="perplexity"),
    _plugin("cohere"): WellKnown(base_url="https://api.cohere.ai/compatibility/v1", structured=_ALL, prices="cohere"),
    _plugin("x"): WellKnown(base_url="https://api.x.ai/v1", structured=_ALL, prices="x-ai"),
    _plugin("cerebras"): WellKnown(base_url="https://api.cerebras.ai/v1", structured=_ALL, prices="cerebras"),
    _plugin("sambanova"): WellKnown(base_url="https://api.sambanova.ai/v1"),
    _plugin("deepinfra"): WellKnown(base_url="https://api.deepinfra.com/v1/openai"),
    _plugin("huggingface_hub"): WellKnown(base_url="https://router.huggingface.co/v1"),
    _plugin("jina"): WellKnown(
        type="jina", base_url="https://api.jina.ai/v1", defaults=(("rerank", "jina-reranker-v2-base-multilingual"),)
    ),
    _plugin("ollama"): WellKnown(base_url="http://localhost:11434/v1", structured=_ALL, needs_key=False),
    _plugin("vllm"): WellKnown(base_url="http://localhost:8000/v1", structured=_ALL, needs_key=False),
    _plugin("localai"): WellKnown(base_url="http://localhost:8080/v1", needs_key=False),
    _plugin("xinference"): WellKnown(base_url="http://localhost:9997/v1", needs_key=False),
    _plugin("lmstudio"): WellKnown(base_url="http://localhost:1234/v1", structured=_ALL, needs_key=False),
    _plugin("openai_api_compatible"): WellKnown(needs_key=False),
    _plugin("openllm"): WellKnown(base_url="http://localhost:3000/v1", needs_key=False),
}
"""By full name; ``dsl.repair.model_provider`` expands bare ones."""


def short_name(provider: str) -> str:
    """Return a provider's short name, if it has one."""
    last = provider.rpartition("/")[2]
    return last if model_provider(last) == provider else provider


def well_known(provider: str) -> WellKnown | None:
    """Return the catalogue entry of a provider, by any of its names."""
    return WELL_KNOWN.get(model_provider(provider))
