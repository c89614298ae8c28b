"""Suggested questions: what a model thinks that an end user may ask next. Source: docs/dify-behaviour.md,
“Conversations and messages”."""

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
"""Seconds that a model may take."""
_TURNS: Final = 3
"""Turns that the model is shown, the latest one included."""
_CHARACTERS: Final = 12_000
"""Of these turns, the end: some 3,000 tokens."""
_MAX_TURNS: Final = 10
"""Questions that are handed on."""
_ASKED: Final = (
    "The user's message is the end of a conversation between a human and an assistant. Think of the three questions "
    "that the human is most likely to ask next, each short (at most 20 characters where the language allows), in the "
    "language of the conversation. Answer with a JSON array of three strings and nothing else."
)


class Suggestions:
    """Makes suggestions when a client asks for them; they are not kept."""

    def __init__(self, store: ConversationStore, workflows: Workflows, models: Models, defaults: DefaultModels) -> None:
        """``defaults``: its ``llm`` makes them; without one there are none."""
        self._store = store
        self._workflows = workflows
        self._models = models
        self._model = defaults.get("llm")

    async def after(self, app: App, end_user_id: str, message_id: str) -> list[str]:
        """Questions that may follow a message; none if the model fails or does not keep to what it is asked.
        Raises ``NotFound``: the end user has no such message; ``BadRequest``: the app does not have the feature."""
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
    """The questions in what a model said: the first JSON array of texts."""
    text, _ = split_reasoning(answer)
    decoder = json.JSONDecoder()
    at = text.find("[")
    # Models put brackets elsewhere, too; a text of brackets alone must not take long.
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
