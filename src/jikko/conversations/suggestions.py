"""Suggested questions: follow-ups proposed by a model. Source: docs/dify-behaviour.md, “Conversations and messages”."""

import asyncio
import json
import logging
from typing import Any, Final

from jikko.apps.versions import Workflows
from jikko.errors import BadRequest, NotFound
from jikko.nodes.model.reasoning import split_reasoning
from jikko.ports.models import DefaultModels, ModelFailure, ModelRequest, Models
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
    "language of the conversation. Answer with a JSON array of three strings and nothing else."
)


class Suggestions:
    """Makes suggestions on request; they are not stored."""

    def __init__(self, store: ConversationStore, workflows: Workflows, models: Models, defaults: DefaultModels) -> None:
        """``defaults``: Its ``llm`` makes them; without one there are none."""
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
        if not workflow.document.feature("suggested_questions_after_answer"):
            raise BadRequest("Suggested Questions Is Disabled.")
        if self._model is None:
            return []
        before = await self._store.messages(message.conversation_id, before=message.id, limit=_TURNS - 1) or []
        request = ModelRequest(
            provider=self._model.provider,
            model=self._model.model,
            messages=(Prompt("system", (_ASKED,)), Prompt("user", (_transcript([*reversed(before), message]),))),
            parameters={"max_tokens": 256, "temperature": 0},
            stream=False,
            app_id=app.id,
        )
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                answer = await self._models.complete(request)
        except (ModelFailure, TimeoutError) as failure:
            log.warning("no questions were suggested in the app %s: %s", app.name, failure or "the model was silent")
            return []
        return questions_in(answer.text)


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
