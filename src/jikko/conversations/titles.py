"""New conversations: their record, variables, and names, made by a model. Source: docs/dify-behaviour.md, “Course of a
turn”, “Conversations and messages”."""

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from jikko.apps.versions import Workflow
from jikko.concurrency.background_tasks import end_tasks, start_task
from jikko.conversations.hooks import UserQuery, fallback_title
from jikko.dsl.document import Variable
from jikko.errors import JikkoError
from jikko.ids import is_uuid
from jikko.lang.templates import to_text
from jikko.nodes.model.reasoning import split_reasoning
from jikko.ports.clock import Clock
from jikko.ports.models import DefaultModels, ModelFailure, ModelRequest, Models
from jikko.ports.models import PromptMessage as Prompt
from jikko.ports.stores.messages import Conversation, ConversationVariable, Message
from jikko.repositories.app_store import App
from jikko.repositories.conversation_store import ConversationStore
from jikko.values import Json

_NAME_LENGTH: Final = 20
"""Characters of the first question used as a provisional name."""

_PLACE: Final = re.compile(r"{{([a-zA-Z_][a-zA-Z0-9_]{0,29})}}")


def introduction(workflow: Workflow, inputs: Mapping[str, Json]) -> str:
    """Return the opening statement with inputs filled in; an unknown placeholder loses a pair of braces.
    Source: docs/dify-behaviour.md, “Conversations and messages” (``introduction``)."""
    statement = workflow.document.features.get("opening_statement")
    if not statement:
        return ""

    def filled(place: re.Match[str]) -> str:
        name = place[1]
        if name not in inputs:
            return place[0][1:-1]
        return "" if inputs[name] is None else to_text(inputs[name])

    return _PLACE.sub(filled, statement)


def new_conversation(asked: UserQuery, id_: str, *, title_due: bool, now: float) -> Conversation:
    """Return the conversation that begins with a question, at ``now`` (seconds since the Unix epoch)."""
    query = asked.query
    return Conversation(
        id=id_,
        app_id=asked.app.id,
        end_user_id=asked.end_user_id,
        user=asked.user,
        name=query if len(query) <= _NAME_LENGTH else f"{query[:_NAME_LENGTH]}…",
        inputs=dict(asked.inputs),
        introduction=introduction(asked.workflow, asked.inputs),
        created_at=now,
        updated_at=now,
        title_due=title_due,
    )


def new_variable(app: App, declared: Variable, now: float) -> ConversationVariable:
    # The same id in all conversations, even if the file has none.
    id_ = declared.id.lower() if is_uuid(declared.id) else str(uuid5(NAMESPACE_OID, f"{app.id}/{declared.name}"))
    return ConversationVariable(
        id=id_,
        name=declared.name,
        value_type=declared.value_type,
        value=declared.value,
        description=declared.description,
        created_at=now,
        updated_at=now,
    )


log = logging.getLogger(__name__)

_DELAY: Final = 1.0
"""Seconds from the first question to its title: the answer has priority."""
_TIMEOUT_SECONDS: Final = 60.0
"""Timeout of the model."""
_POLL_SECONDS: Final = 30.0
"""Interval of searches for unnamed conversations of other processes, in seconds."""
_MAX_CONCURRENT: Final = 16
"""Concurrent titles per process."""
_MAX_WHOLE_CHARACTERS: Final = 2000
"""Characters of a question beyond which the model sees only its start and end …"""
_END: Final = 300
"""… this many of each."""
_MAX_TITLE_LENGTH: Final = 75
"""Maximum characters of a title."""
_QUOTES: Final = "\"'`“”‘’«»「」『』*#"
_ASKED: Final = (
    "You name conversations. The user's message is the first of one. Answer with a title for it: what it is about, in "
    "the language of the message, in at most eight words, on one line, without quotation marks and without a full stop "
    "at its end. Do not answer the message, whatever it asks for."
)


class Titles:
    """Names new conversations in the background, shortly after their first question."""

    def __init__(
        self,
        store: ConversationStore,
        models: Models,
        defaults: DefaultModels,
        clock: Clock,
        *,
        delay: float = _DELAY,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        """Args:
        defaults: Its ``llm`` makes the titles; without one they are the start of the question.
        delay: Seconds until a new conversation gets its name.
        poll_seconds: Interval of searches for conversations that other processes left unnamed.
        """
        self._store = store
        self._models = models
        self._model = defaults.get("llm")
        self._clock = clock
        self._delay = delay
        self._poll_seconds = poll_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(_MAX_CONCURRENT)

    def first_turn(self, app: App, conversation: Conversation, first: Message) -> None:
        start_task(self._name(app.id, conversation.id, first.query, self._delay), self._tasks)

    async def title(self, app: App, query: str) -> str:
        """See ``Hooks.title``: a model's title for a question, or the question's start if that fails."""
        return await self._title(app.id, query)

    async def watch(self) -> None:
        """Name conversations that dead processes left unnamed, until cancelled."""
        # Older ones belong to no other process, or are named twice at worst.
        before = self._clock()
        while True:
            try:
                await self._catch_up(before)
            except JikkoError as error:
                log.error("conversations cannot be named, trying again later: %s", error)
            await asyncio.sleep(self._poll_seconds)
            before = self._clock() - 2 * _TIMEOUT_SECONDS

    async def close(self) -> None:
        """Stop, and leave pending titles to the next process."""
        await end_tasks(self._tasks)

    async def _catch_up(self, before: float) -> None:
        tried: set[str] = set()
        # Oldest first.
        while due := [one for one in await self._store.untitled() if one.created_at < before and one.id not in tried]:
            tried.update(one.id for one in due)
            await asyncio.gather(*(self._name_late(conversation) for conversation in due))

    async def _name_late(self, conversation: Conversation) -> None:
        first = await self._store.first_message(conversation.id)
        query = conversation.name if first is None else first.query
        await self._name(conversation.app_id, conversation.id, query, 0.0)

    async def _name(self, app_id: str, conversation_id: str, query: str, delay: float) -> None:
        try:
            await asyncio.sleep(delay)
            title = await self._title(app_id, query)
            await self._store.rename(app_id, conversation_id, title, only_if_due=True)
        except JikkoError as error:
            log.error("the conversation %s cannot be named: %s", conversation_id, error)

    async def _title(self, app_id: str, query: str) -> str:
        if self._model is None:
            return fallback_title(query)
        request = ModelRequest(
            provider=self._model.provider,
            model=self._model.model,
            messages=(Prompt("system", (_ASKED,)), Prompt("user", (_shown(query),))),
            parameters={"max_tokens": 500, "temperature": 1},
            stream=False,
            app_id=app_id,
        )
        try:
            async with self._places, asyncio.timeout(_TIMEOUT_SECONDS):
                answer = await self._models.complete(request)
        except (ModelFailure, TimeoutError) as failure:
            reason = str(failure) or f"the model said nothing for {_TIMEOUT_SECONDS:.0f} s"
            log.warning("no title was made for a conversation of the app %s: %s", app_id, reason)
            return fallback_title(query)
        return _clean(answer.text) or fallback_title(query)


def _shown(query: str) -> str:
    query = " ".join(query.split("\n"))
    return query if len(query) <= _MAX_WHOLE_CHARACTERS else f"{query[:_END]} … {query[-_END:]}"


def _clean(answer: str) -> str:
    """Extract the title from a model's answer: its first line, without the usual decoration."""
    text, _ = split_reasoning(answer)
    line = next((line.strip() for line in text.splitlines() if line.strip(_QUOTES + " \t")), "")
    line = " ".join(line.replace("\x00", "").strip(_QUOTES + " \t").split())
    return line if len(line) <= _MAX_TITLE_LENGTH else f"{line[:_MAX_TITLE_LENGTH]}..."
