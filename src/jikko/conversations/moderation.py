"""Looks at questions before a run begins, and at answers while they are shown. Source: docs/dify-behaviour.md, “Course
of a turn”, “Messages of a chat stream”, “Features” (``sensitive_word_avoidance``)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jikko.apps.versions import Workflow
from jikko.conversations.extension_calls import ExtensionCalls
from jikko.conversations.hooks import HookReply, UserQuery
from jikko.errors import InvalidParam
from jikko.ports.models import DefaultModels, ModelFailure
from jikko.ports.other_models import ModerationRequest, Moderator, TextGuard
from jikko.values import Json

_FEATURE: Final = "sensitive_word_avoidance"
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
    # Most have none, and turns ask twice.
    document = workflow.document
    if _FEATURE not in document.features or not (feature := document.feature(_FEATURE)):
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


class ExtensionVerdict(msgspec.Struct):
    """What an API-based extension thinks of a text. Source: Dify's documentation of API-based extensions."""

    flagged: bool = False
    action: Literal["direct_output", "overridden"] = "direct_output"
    preset_response: str = ""
    """What is said instead, if the action is ``direct_output``."""
    inputs: dict[str, Any] | None = None
    """What is asked instead, if it is ``overridden``; so ``query``."""
    query: str | None = None
    text: str | None = None
    """What is answered instead, if it is ``overridden``."""


_decode: Final = msgspec.json.Decoder(ExtensionVerdict).decode


class Moderation:
    """A ``TurnPolicy``, and what makes the ``TextGuard`` of runs."""

    def __init__(self, calls: ExtensionCalls, moderator: Moderator, defaults: DefaultModels) -> None:
        """``defaults``: its ``moderation`` decides where the workflow wants a model to."""
        self._calls = calls
        self._moderator = moderator
        self._model = defaults.get("moderation")

    async def consider(self, asked: UserQuery) -> UserQuery | HookReply:
        """See ``TurnPolicy.consider``: a question that is refused gets the answer that was set for it.
        Raises ``InvalidParam``: an extension or a model decides, and gave no answer; or the workflow wants what this
        version cannot do."""
        rules = rules_of(asked.workflow)
        if rules is None:
            return asked
        if not rules.is_known:
            raise _unknown(rules)
        if rules.inputs is None:
            return asked
        if rules.kind != "api":
            text = "\n".join((*_texts(dict(asked.inputs)), asked.query))
            return HookReply(text=rules.inputs) if await self.refuses(rules, asked.app.id, text) else asked
        params = {"inputs": dict(asked.inputs), "query": asked.query}
        verdict = await self.verdict(rules.extension_id, asked.app.id, "input", params)
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
        return RulesGuard(self, rules, app_id)

    async def refuses(self, rules: Rules, app_id: str, text: str) -> bool:
        """Whether a text has a forbidden word, or the model finds anything in it that must not be said.
        Raises ``InvalidParam``: there is no model, or it gave no answer that can be used."""
        if rules.kind == "keywords":
            lower = text.lower()
            return any(keyword in lower for keyword in rules.keywords)
        if self._model is None:
            raise InvalidParam(
                "No model is set up that moderates this app. Name one in the providers file: "
                "defaults: {moderation: {provider: openai, model: omni-moderation-latest}}"
            )
        provider, model = self._model
        request = ModerationRequest(provider=provider, model=model, text=text, app_id=app_id)
        try:
            return await self._moderator.flags(request)
        except ModelFailure as failure:
            raise InvalidParam(f"The model {model!r} that moderates this app cannot be asked: {failure}") from None

    async def verdict(
        self, id_: str, app_id: str, point: Literal["input", "output"], params: dict[str, Json]
    ) -> ExtensionVerdict:
        """What the extension with this id thinks of a question or an answer. Raises as ``ExtensionCalls.ask``."""
        params = {"app_id": app_id, **params}
        return await self._calls.ask(id_, app_id, f"app.moderation.{point}", params, _decode, role="moderates this app")


class RulesGuard:
    """A ``TextGuard`` by the rules of a workflow."""

    every: Final = 300

    def __init__(self, moderation: Moderation, rules: Rules, app_id: str) -> None:
        self._moderation = moderation
        self._rules = rules
        self._app_id = app_id

    async def look(self, text: str, *, final: bool) -> str | None:
        """See ``TextGuard.look``. Another wording is shown once the answer is whole: it would be cut off before."""
        rules = self._rules
        if rules.kind != "api":
            return rules.outputs if await self._moderation.refuses(rules, self._app_id, text) else None
        verdict = await self._moderation.verdict(rules.extension_id, self._app_id, "output", {"text": text})
        if not verdict.flagged:
            return None
        if verdict.action == "direct_output":
            return verdict.preset_response
        return verdict.text if final else None


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
