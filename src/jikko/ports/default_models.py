"""The models that are called where nothing names one."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias, get_args

ModelPurpose: TypeAlias = Literal["llm", "embedding", "rerank", "speech_to_text", "text_to_speech", "moderation"]
PURPOSES: tuple[ModelPurpose, ...] = get_args(ModelPurpose)


class ModelName(NamedTuple):
    """One model of one provider."""

    provider: str
    """As the DSL names it."""
    model: str


DefaultModels: TypeAlias = Mapping[ModelPurpose, ModelName]
"""By what they are for; a purpose without a model is missing. Dify keeps them for each workspace, Jikko in the
providers file (``defaults``)."""
