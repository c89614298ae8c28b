"""Moderation of questions before a run, and of answers while they are shown. Source: docs/dify-behaviour.md, “Course of
a turn”, “Messages of a chat stream”, “Features” (``sensitive_word_avoidance``)."""

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
    """Moderation settings of a workflow."""

    kind: str
    """A ``Kind``, or one unknown to this version."""
    keywords: tuple[str, ...] = ()
    """In lower case. A text that contains one of them is refused."""
    extension_id: str = ""
    """The deciding extension, for kind ``api``."""
    inputs: str | None = None
    """Preset answer to refused questions, unless an extension provides one; ``None``: questions are not moderated."""
    outputs: str | None = None
    """Likewise for answers."""

    @property
    def is_known(self) -> bool:
        """Whether this version supports the kind."""
        return self.kind in get_args(Kind)


def rules_of(workflow: Workflow) -> Rules | None:
    """Return the rules of a workflow; ``None`` without moderation."""
    # Most have none, and turns ask twice.
    document = workflow.document
    if _FEATURE not in document.features or not (feature := document.feature(_FEATURE)):
        return None
    config = _mapping(feature.get("config") or feature.get("configs"))
    words = str(config.get("keywords") or "").split("\n")
    rules = Rules(
        kind=str(feature.get("type") or "keywords"),
        # As in Dify, blanks around a word belong to it.
        keywords=tuple(line.rstrip("\r").lower() for line in words if line.rstrip("\r")),
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
    """Verdict of an API-based extension. Source: Dify's documentation of API-based extensions."""

    flagged: bool = False
    action: Literal["direct_output", "overridden"] = "direct_output"
    preset_response: str = ""
    """Answer for the action ``direct_output``."""
    inputs: dict[str, Any] | None = None
    """Replaced inputs for ``overridden``; likewise ``query``."""
    query: str | None = None
    text: str | None = None
    """Replaced answer for ``overridden``."""


_decode: Final = msgspec.json.Decoder(ExtensionVerdict).decode


class Moderation:
    """``TurnPolicy``, and factory of the ``TextGuard`` of runs."""

    def __init__(self, calls: ExtensionCalls, moderator: Moderator, defaults: DefaultModels) -> None:
        """``defaults``: Its ``moderation`` model decides where the workflow wants one."""
        self._calls = calls
        self._moderator = moderator
        self._model = defaults.get("moderation")

    async def consider(self, asked: UserQuery) -> UserQuery | HookReply:
        """See ``TurnPolicy.consider``: a refused question gets its preset answer. Raises ``InvalidParam``: the deciding
        extension or model gave no answer, or this version does not support the kind."""
        rules = rules_of(asked.workflow)
        if rules is None:
            return asked
        if not rules.is_known:
            raise InvalidParam(
                f"The app wants its questions and answers moderated by {rules.kind!r}, which this version of Jikko "
                "cannot do; it can by 'keywords', 'api' and 'openai_moderation'. Change it in the features of the "
                "workflow (sensitive_word_avoidance)."
            )
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
        # Only existing variables: the run knows no others.
        inputs = {name: (verdict.inputs or {}).get(name, value) for name, value in asked.inputs.items()}
        query = asked.query if verdict.query is None else verdict.query.replace("\x00", "")
        return replace(asked, inputs=inputs, query=query)

    def guard(self, app_id: str, workflow: Workflow) -> TextGuard | None:
        """Return the guard of a run's text; ``None`` without moderation."""
        rules = rules_of(workflow)
        if rules is None or rules.outputs is None or not rules.is_known:
            return None
        return RulesGuard(self, rules, app_id)

    async def refuses(self, rules: Rules, app_id: str, text: str) -> bool:
        """Return whether a text contains a forbidden word, or the model flags it. Raises ``InvalidParam``: no model, or
        no usable answer."""
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
        """Ask the extension with this id about a question or an answer. Raises as ``ExtensionCalls.ask``."""
        params = {"app_id": app_id, **params}
        return await self._calls.ask(id_, app_id, f"app.moderation.{point}", params, _decode, role="moderates this app")


class RulesGuard:
    """``TextGuard`` by the rules of a workflow."""

    every: Final = 300

    def __init__(self, moderation: Moderation, rules: Rules, app_id: str) -> None:
        self._moderation = moderation
        self._rules = rules
        self._app_id = app_id

    async def look(self, text: str, *, final: bool) -> str | None:
        """See ``TextGuard.look``. A replacement is shown once the answer is complete: earlier it would be cut off."""
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
    """Yield all strings in a value, and its numbers as strings."""
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
