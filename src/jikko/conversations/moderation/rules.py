"""What a workflow says of moderation. Source: Dify 1.15, spec/dsl.md §5 (``sensitive_word_avoidance``)."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

from msgspec import Struct

from jikko.apps.versions import Workflow

Kind: TypeAlias = Literal["keywords", "api", "openai_moderation"]


class Rules(Struct, frozen=True, kw_only=True):
    """How questions and answers of a workflow are looked at."""

    kind: str
    """A ``Kind``, or what this version does not know."""
    keywords: tuple[str, ...] = ()
    """In lower case. A text that has one of them anywhere is refused."""
    extension_id: str = ""
    """Who decides, of kind ``api``."""
    inputs: str | None = None
    """What is answered instead, unless an extension says; ``None``: questions are not looked at."""
    outputs: str | None = None
    """Likewise of answers."""

    @property
    def is_known(self) -> bool:
        """Whether this version can do it."""
        return self.kind in get_args(Kind)


def rules_of(workflow: Workflow) -> Rules | None:
    """The rules of a workflow; ``None``: nothing is looked at."""
    feature = workflow.document.features.get("sensitive_word_avoidance")
    # Most have none, and turns ask twice.
    if feature is None or not isinstance(feature, Mapping) or feature.get("enabled") is not True:
        return None
    config = _mapping(feature.get("config") or feature.get("configs"))
    words = str(config.get("keywords") or "").split("\n")
    rules = Rules(
        kind=str(feature.get("type") or "keywords"),
        keywords=tuple(word for word in (line.strip().lower() for line in words) if word),
        extension_id=str(config.get("api_based_extension_id") or ""),
        inputs=_preset(config.get("inputs_config")),
        outputs=_preset(config.get("outputs_config")),
    )
    return rules if rules.inputs is not None or rules.outputs is not None else None


def _preset(part: Any) -> str | None:
    part = _mapping(part)
    return str(part.get("preset_response") or "") if part.get("enabled") is True else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
