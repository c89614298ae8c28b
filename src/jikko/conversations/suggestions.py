"""Suggested questions: follow-ups proposed by a model. Source: docs/dify-behaviour.md, “Conversations and messages”."""

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jikko.apps.versions import Workflows
from jikko.dsl.repair import model_provider
from jikko.errors import BadRequest, NotFound
from jikko.nodes.model.reasoning import split_reasoning
from jikko.ports.models import DefaultModels, ModelFailure, ModelName, ModelRequest, Models
from jikko.ports.models import PromptMessage as Prompt
from jikko.ports.stores.messages import Message
from jikko.repositories.app_store import App
from jikko.repositories.conversation_store import ConversationStore

log = logging.getLogger(__name__)

_TIMEOUT_SECONDS: Final = 60.0
"""Timeout of the model."""
_TURNS: Final = 3
"""Number of latest turns in the prompt."""
_CHARACTERS: Final = 12_000
"""Characters kept from the end of these turns: some 3,000 tokens."""
_MAX_TURNS: Final = 10
"""Maximum number of suggestions."""
_ASKED: Final = (
    "The user's message is the end of a conversation between a human and an assistant. Think of the three questions "
    "that the human is most likely to ask next, each short (at most 20 characters where the language allows), in the "
    "language of the conversation."
)
_FORM: Final = "Answer with a JSON array of three strings and nothing else."
_PARAMETERS: Final[dict[str, Any]] = {"max_tokens": 256, "temperature": 0}


class Suggestions:
    """Makes suggestions on request; they are not stored."""

    def __init__(self, store: ConversationStore, workflows: Workflows, models: Models, defaults: DefaultModels) -> None:
        """``defaults``: Its ``llm`` makes them if the app names no model, or if that one fails."""
        self._store = store
        self._workflows = workflows
        self._models = models
        self._model = defaults.get("llm")

    async def after(self, app: App, end_user_id: str, message_id: str) -> list[str]:
        """Return follow-up questions of a message; none if the model fails or answers in another form. Raises
        ``NotFound``: the end user has no such message; ``BadRequest``: the app lacks the feature."""
        message = await self._store.message(app.id, end_user_id, message_id)
        if message is None:
            raise NotFound("Message Not Exists.")
        workflow = await self._workflows.get(app)
        feature = workflow.document.feature("suggested_questions_after_answer")
        if not feature:
            raise BadRequest("Suggested Questions Is Disabled.")
        given = feature.get("prompt")
        asked = given if isinstance(given, str) and given.strip() else _ASKED
        before = await self._store.messages(message.conversation_id, before=message.id, limit=_TURNS - 1) or []
        messages = (
            Prompt("system", (f"{asked} {_FORM}",)),
            Prompt("user", (_transcript([*reversed(before), message]),)),
        )
        default = [] if self._model is None else [(self._model, _PARAMETERS)]
        for model, parameters in (*_chosen(feature.get("model")), *default):
            request = ModelRequest(
                provider=model.provider,
                model=model.model,
                messages=messages,
                parameters=parameters,
                stream=False,
                app_id=app.id,
            )
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    return questions_in((await self._models.complete(request)).text)
            except (ModelFailure, TimeoutError) as failure:
                reason = failure or "the model was silent"
                log.warning("%s suggested no questions in the app %s: %s", model.model, app.name, reason)
        return []


def _chosen(given: Any) -> Iterator[tuple[ModelName, dict[str, Any]]]:
    """Yield the model that an app names for its suggestions, if any, and its parameters."""
    match given:
        case {"provider": str(provider), "name": str(name)} if provider and name:
            parameters = given.get("completion_params")
            yield ModelName(model_provider(provider), name), dict(parameters) if isinstance(parameters, Mapping) else {}


def questions_in(answer: str) -> list[str]:
    """Extract the questions from a model's answer: its first JSON array of strings."""
    text, _ = split_reasoning(answer)
    decoder = json.JSONDecoder()
    at = text.find("[")
    # Models put brackets elsewhere, too; a text full of brackets must not take long.
    for _ in range(_MAX_TURNS):
        if at < 0:
            break
        try:
            found: Any = decoder.raw_decode(text, at)[0]
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list) and any(isinstance(question, str) for question in found):
            texts = (question.strip() for question in found if isinstance(question, str))
            return [question for question in texts if question][:_MAX_TURNS]
        at = text.find("[", at + 1)
    return []


def _transcript(messages: list[Message]) -> str:
    lines = []
    for message in messages:
        lines.append(f"Human: {message.query}")
        if message.answer.text:
            lines.append(f"Assistant: {message.answer.text}")
    return "\n".join(lines)[-_CHARACTERS:]
