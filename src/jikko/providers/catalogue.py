"""Catalogue of the model providers with Dify plugins, so that most users only need a key."""

from typing import Final

from msgspec import Struct

from jikko.dsl.repair import model_provider
from jikko.ports.models import ModelPurpose


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
