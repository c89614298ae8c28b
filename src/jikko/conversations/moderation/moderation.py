"""Looks at questions before a run begins, and at answers while they are shown.

Source: docs/dify-behaviour.md, “Course of a turn”, “Messages of a chat stream”.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

from msgspec import Struct
from msgspec.structs import replace

from jikko.apps.versions import Workflow
from jikko.conversations.hooks import HookReply, UserQuery
from jikko.conversations.moderation.extension import ModerationExtension
from jikko.conversations.moderation.moderation_model import ModerationModel
from jikko.errors import InvalidParam
from jikko.ports.text_guard import TextGuard
from jikko.values import Json

# What a workflow says of moderation. Source: docs/dify-behaviour.md, “Features” (``sensitive_word_avoidance``).

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


_EVERY: Final = 300
"""Characters of an answer after which it is looked at again."""


class Moderation:
    """A ``TurnPolicy``, and what makes the ``TextGuard`` of runs."""

    def __init__(self, extension: ModerationExtension, model: ModerationModel) -> None:
        self._extension = extension
        self._model = model

    async def consider(self, asked: UserQuery) -> UserQuery | HookReply:
        """See ``TurnPolicy.consider``: a question that is refused gets the answer that was set for it.

        Raises:
            InvalidParam: An extension or a model decides, and gave no answer; or the workflow wants what this version
                cannot do.
        """
        rules = rules_of(asked.workflow)
        if rules is None:
            return asked
        if not rules.is_known:
            raise _unknown(rules)
        if rules.inputs is None:
            return asked
        if rules.kind != "api":
            text = "\n".join((*_texts(dict(asked.inputs)), asked.query))
            if rules.kind == "keywords":
                refused = _has_one(text, rules.keywords)
            else:
                refused = await self._model.refuses(text, asked.app.id)
            return HookReply(text=rules.inputs) if refused else asked
        verdict = await self._extension.of_input(rules.extension_id, asked.app.id, asked.inputs, asked.query)
        if not verdict.flagged:
            return asked
        if verdict.action == "direct_output":
            return HookReply(text=verdict.preset_response)
        # Only values of variables that there are: the run knows no others.
        inputs = {name: (verdict.inputs or {}).get(name, value) for name, value in asked.inputs.items()}
        query = asked.query if verdict.query is None else verdict.query.replace("\x00", "")
        return replace(asked, inputs=inputs, query=query)

    def guard(self, app_id: str, workflow: Workflow) -> TextGuard | None:
        """What looks at the text of one run; ``None``: nothing does."""
        rules = rules_of(workflow)
        if rules is None or rules.outputs is None or not rules.is_known:
            return None
        if rules.kind == "keywords":
            return KeywordGuard(rules.keywords, rules.outputs)
        if rules.kind == "openai_moderation":
            return ModelGuard(self._model, app_id, rules.outputs)
        return ExtensionGuard(self._extension, rules.extension_id, app_id)


class KeywordGuard:
    """A ``TextGuard`` that replaces a text with a forbidden word in it."""

    every: Final = _EVERY

    def __init__(self, keywords: tuple[str, ...], instead: str) -> None:
        self._keywords = keywords
        self._instead = instead

    async def look(self, text: str, *, final: bool) -> str | None:
        return self._instead if _has_one(text, self._keywords) else None


class ModelGuard:
    """A ``TextGuard`` that a model decides for."""

    every: Final = _EVERY

    def __init__(self, model: ModerationModel, app_id: str, instead: str) -> None:
        self._model = model
        self._app_id = app_id
        self._instead = instead

    async def look(self, text: str, *, final: bool) -> str | None:
        return self._instead if await self._model.refuses(text, self._app_id) else None


class ExtensionGuard:
    """A ``TextGuard`` that an extension decides for."""

    every: Final = _EVERY

    def __init__(self, extension: ModerationExtension, extension_id: str, app_id: str) -> None:
        self._extension = extension
        self._id = extension_id
        self._app_id = app_id

    async def look(self, text: str, *, final: bool) -> str | None:
        """See ``TextGuard.look``. Another wording is shown once the answer is whole: it would be cut off before."""
        verdict = await self._extension.of_output(self._id, self._app_id, text)
        if not verdict.flagged:
            return None
        if verdict.action == "direct_output":
            return verdict.preset_response
        return verdict.text if final else None


def _has_one(text: str, keywords: tuple[str, ...]) -> bool:
    lower = text.lower()
    return any(keyword in lower for keyword in keywords)


def _texts(value: Json) -> Iterator[str]:
    """All texts in a value, and its numbers as texts."""
    match value:
        case str():
            yield value
        case Mapping():
            for item in value.values():
                yield from _texts(item)
        case list() | tuple():
            for item in value:
                yield from _texts(item)
        case int() | float() if not isinstance(value, bool):
            yield str(value)


def _unknown(rules: Rules) -> InvalidParam:
    return InvalidParam(
        f"The app wants its questions and answers moderated by {rules.kind!r}, which this version of Jikko cannot do; "
        "it can by 'keywords', 'api' and 'openai_moderation'. Change it in the features of the workflow "
        "(sensitive_word_avoidance)."
    )
