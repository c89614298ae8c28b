"""Conversations in memory: for tests, for ``jikko run``, and as the plainest statement of the contract."""

from collections.abc import Sequence

from msgspec.structs import replace

from jikko.ports.stores.conversation_store import ConversationQuery, Opened
from jikko.ports.stores.messages import Conversation, ConversationVariable, Feedback, Message
from jikko.ports.stores.projections import TurnBegan, TurnChanged, TurnRepeated, VariablesAssigned
from jikko.values import Json


class MemoryConversationStore:
    """A ``ConversationStore`` that forgets everything when the process ends."""

    def __init__(self) -> None:
        self._conversations: dict[str, Conversation] = {}
        self._messages: dict[str, Message] = {}
        """In the order in which they were made."""
        self._variables: dict[str, dict[str, ConversationVariable]] = {}
        """By conversation and name."""
        self._feedbacks: dict[str, Feedback] = {}
        """By message, in the order in which they were made."""

    # What comes with the events of a run: for ``MemoryRunStore``.

    def project(self, run_id: str, projection: TurnBegan | TurnRepeated | TurnChanged | VariablesAssigned) -> None:
        """Write what follows from events of a run."""
        if isinstance(projection, TurnBegan):
            self._begin(projection.message, projection.new, projection.variables)
            return
        if isinstance(projection, TurnRepeated):
            if (known := self._messages.get(projection.message_id)) is not None:
                self._messages[known.id] = replace(known, run_id=run_id)
            return
        message = self._of_run(run_id)
        if message is None:
            return
        if isinstance(projection, TurnChanged):
            self._messages[message.id] = replace(message, answer=projection.answer)
            return
        variables = self._variables.get(message.conversation_id, {})
        for name, value in projection.values.items():
            if name in variables:
                variables[name] = replace(variables[name], value=value, updated_at=projection.at)

    def _begin(self, message: Message, new: Conversation | None, variables: Sequence[ConversationVariable]) -> None:
        if new is not None:
            self._conversations.setdefault(new.id, new)
        conversation = self._conversations.get(message.conversation_id)
        if conversation is None or message.id in self._messages:
            return
        self._conversations[conversation.id] = replace(
            conversation,
            updated_at=max(conversation.updated_at, message.created_at),
            turns=conversation.turns + 1,
        )
        self._messages[message.id] = message
        known = self._variables.setdefault(conversation.id, {})
        for variable in variables:
            known.setdefault(variable.name, variable)

    def _of_run(self, run_id: str) -> Message | None:
        return next((message for message in self._messages.values() if message.run_id == run_id.lower()), None)

    # What clients ask for.

    async def opened(self, app_id: str, end_user_id: str, conversation_id: str) -> Opened | None:
        found = await self.conversation(app_id, end_user_id, conversation_id)
        return None if found is None else Opened(found, await self.variables(found.id))

    async def conversation(self, app_id: str, end_user_id: str, conversation_id: str) -> Conversation | None:
        found = self._conversations.get(conversation_id.lower())
        return found if found is not None and (found.app_id, found.end_user_id) == (app_id, end_user_id) else None

    async def conversations(self, query: ConversationQuery) -> list[Conversation] | None:
        own = [
            conversation
            for conversation in self._conversations.values()
            if (conversation.app_id, conversation.end_user_id) == (query.app_id, query.end_user_id)
        ]
        by_update = query.order.endswith("updated_at")
        own.sort(key=lambda conversation: conversation.updated_at if by_update else conversation.created_at)
        if query.order.startswith("-"):
            own.reverse()
        first = 0
        if query.after is not None:
            ids = [conversation.id for conversation in own]
            if query.after.lower() not in ids:
                return None
            first = ids.index(query.after.lower()) + 1
        return own[first : first + query.limit]

    async def rename(
        self, app_id: str, conversation_id: str, name: str, *, at: float | None = None, only_if_due: bool = False
    ) -> Conversation | None:
        found = self._conversations.get(conversation_id.lower())
        if found is None or found.app_id != app_id or (only_if_due and not found.title_due):
            return None
        changed = replace(found, name=name, title_due=False, updated_at=found.updated_at if at is None else at)
        self._conversations[found.id] = changed
        return changed

    async def untitled(self, limit: int = 100) -> list[Conversation]:
        return [conversation for conversation in self._conversations.values() if conversation.title_due][:limit]

    async def delete(self, app_id: str, end_user_id: str, conversation_id: str) -> bool:
        found = await self.conversation(app_id, end_user_id, conversation_id)
        if found is None:
            return False
        self._remove(found.id)
        return True

    def _remove(self, conversation_id: str) -> None:
        del self._conversations[conversation_id]
        self._variables.pop(conversation_id, None)
        for message in [one for one in self._messages.values() if one.conversation_id == conversation_id]:
            del self._messages[message.id]
            self._feedbacks.pop(message.id, None)

    async def delete_all(self, app_id: str, end_user_id: str) -> int:
        own = [
            conversation.id
            for conversation in self._conversations.values()
            if (conversation.app_id, conversation.end_user_id) == (app_id, end_user_id)
        ]
        for conversation_id in own:
            self._remove(conversation_id)
        return len(own)

    async def message(self, app_id: str, end_user_id: str, message_id: str) -> Message | None:
        found = self._messages.get(message_id.lower())
        if found is None or (found.app_id, found.end_user_id) != (app_id, end_user_id):
            return None
        return self._rated(found)

    def _rated(self, message: Message) -> Message:
        return replace(message, feedback=self._feedbacks.get(message.id))

    async def message_of_run(self, run_id: str) -> Message | None:
        found = self._of_run(run_id)
        return None if found is None else self._rated(found)

    async def messages(
        self, conversation_id: str, *, before: str | None = None, limit: int = 20
    ) -> list[Message] | None:
        own = [one for one in self._messages.values() if one.conversation_id == conversation_id.lower()]
        if before is not None:
            ids = [message.id for message in own]
            if before.lower() not in ids:
                return None
            own = own[: ids.index(before.lower())]
        return [self._rated(message) for message in own[::-1][:limit]]

    async def first_message(self, conversation_id: str) -> Message | None:
        own = (one for one in self._messages.values() if one.conversation_id == conversation_id.lower())
        first = next(own, None)
        return None if first is None else self._rated(first)

    async def add_turn(
        self, message: Message, new: Conversation | None = None, variables: Sequence[ConversationVariable] = ()
    ) -> None:
        self._begin(message, new, variables)

    async def rate(self, feedback: Feedback) -> None:
        if feedback.message_id not in self._messages:
            return
        known = self._feedbacks.get(feedback.message_id)
        if known is not None:
            feedback = replace(feedback, id=known.id, created_at=known.created_at)
        self._feedbacks[feedback.message_id] = feedback

    async def unrate(self, message_id: str) -> bool:
        return self._feedbacks.pop(message_id.lower(), None) is not None

    async def feedbacks(self, app_id: str, *, page: int = 1, limit: int = 20) -> list[Feedback]:
        own = [feedback for feedback in reversed(self._feedbacks.values()) if feedback.app_id == app_id]
        return own[(page - 1) * limit : page * limit]

    async def variables(self, conversation_id: str) -> list[ConversationVariable]:
        return list(self._variables.get(conversation_id.lower(), {}).values())

    async def set_variable(self, conversation_id: str, variable_id: str, value: Json, *, at: float) -> bool:
        variables = self._variables.get(conversation_id.lower(), {})
        for name, variable in variables.items():
            if variable.id == variable_id.lower():
                variables[name] = replace(variable, value=value, updated_at=at)
                return True
        return False

    async def uses_file(self, app_id: str | None, file_id: str) -> bool:
        return file_id.lower() in self._files(app_id)

    async def files(self) -> set[str]:
        return self._files(None)

    def _files(self, app_id: str | None) -> set[str]:
        return {
            file["related_id"]
            for message in self._messages.values()
            if app_id in (None, message.app_id)
            for file in (*message.files, *message.answer.files)
            if isinstance(file, dict) and file.get("related_id")
        }

    async def prune(self, before: float, *, limit: int = 100, app_id: str | None = None) -> int:
        old = [
            conversation.id
            for conversation in self._conversations.values()
            if conversation.updated_at < before and app_id in (None, conversation.app_id)
        ][:limit]
        for conversation_id in old:
            self._remove(conversation_id)
        return len(old)
