"""Where conversations are kept."""

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct, field

from jikko.ports.stores.messages import Conversation, ConversationVariable, Feedback, Message
from jikko.values import Json

Order: TypeAlias = Literal["created_at", "-created_at", "updated_at", "-updated_at"]
"""``-``: the newest first."""


class ConversationQuery(Struct, frozen=True, kw_only=True):
    """Which conversations of an end user to list."""

    app_id: str
    end_user_id: str
    order: Order = "-updated_at"
    """Those of one moment come in the order in which they were made."""
    after: str | None = None
    """Begin behind this one."""
    limit: int = 20


class Opened(Struct, frozen=True):
    """A conversation as a turn finds it."""

    conversation: Conversation
    variables: Sequence[ConversationVariable] = field(default=())


class ConversationStore(Protocol):
    """Conversations, messages, feedback and variables.

    What a run changes of them comes as projections (``ports/stores/projections.py``: ``TurnBegan``, ``TurnChanged``,
    ``VariablesAssigned``, …), in the transaction of the events that it follows from; the rest is written here. Ids may
    be given in any case. Nothing of one end user is found for another.

    What an implementation must do is in ``tests/contract/test_conversation_store.py``.
    """

    async def opened(self, app_id: str, end_user_id: str, conversation_id: str) -> Opened | None:
        """A conversation with its variables, as they are at one moment; ``None`` if the end user has no such one."""
        ...

    async def conversation(self, app_id: str, end_user_id: str, conversation_id: str) -> Conversation | None:
        """A conversation of an end user."""
        ...

    async def conversations(self, query: ConversationQuery) -> list[Conversation] | None:
        """Some conversations of an end user; ``None``: there is no such one as ``after``."""
        ...

    async def rename(
        self, app_id: str, conversation_id: str, name: str, *, at: float | None = None, only_if_due: bool = False
    ) -> Conversation | None:
        """Give a conversation a name; none is due any more then. Durable when it returns.

        Args:
            at: When, if that is to count as a change of it.
            only_if_due: Only if it still waits for one: a client may have named it, or deleted it, meanwhile.

        Returns:
            It, as it is now; ``None`` if there is no such one, or it waits for no name.
        """
        ...

    async def untitled(self, limit: int = 100) -> list[Conversation]:
        """Conversations of all apps that wait for a name, oldest first."""
        ...

    async def delete(self, app_id: str, end_user_id: str, conversation_id: str) -> bool:
        """Remove a conversation with its messages, feedback and variables. What runs of it still tell is dropped.

        Durable when it returns.

        Returns:
            Whether there was one.
        """
        ...

    async def delete_all(self, app_id: str, end_user_id: str) -> int:
        """``delete`` all conversations of an end user. Returns how many there were."""
        ...

    async def message(self, app_id: str, end_user_id: str, message_id: str) -> Message | None:
        """A message of an end user."""
        ...

    async def message_of_run(self, run_id: str) -> Message | None:
        """The message that a run answers."""
        ...

    async def messages(
        self, conversation_id: str, *, before: str | None = None, limit: int = 20
    ) -> list[Message] | None:
        """Messages of a conversation, newest first, in the order in which they were made.

        Args:
            before: Only those that were made before this one.

        Returns:
            ``None``: the conversation has no such message as ``before``.
        """
        ...

    async def first_message(self, conversation_id: str) -> Message | None:
        """The message that a conversation began with."""
        ...

    async def version_of(self, conversation_id: str) -> str | None:
        """The id of the version that answered last; ``None`` if no run did, or the record no longer has that run."""
        ...

    async def add_turn(
        self, message: Message, new: Conversation | None = None, variables: Sequence[ConversationVariable] = ()
    ) -> None:
        """Keep a turn that no run answers. See ``TurnBegan``. Durable when it returns."""
        ...

    async def rate(self, feedback: Feedback) -> None:
        """Keep what is thought of a message, in the place of what was; id and time of creation stay then.

        Durable when it returns. Nothing happens if there is no such message.
        """
        ...

    async def unrate(self, message_id: str) -> bool:
        """Forget what is thought of a message. Returns whether something was."""
        ...

    async def feedbacks(self, app_id: str, *, page: int = 1, limit: int = 20) -> list[Feedback]:
        """One page of what is thought of the answers of an app, newest first. ``page`` is counted from 1."""
        ...

    async def variables(self, conversation_id: str) -> list[ConversationVariable]:
        """The variables of a conversation, in the order in which the workflow declared them."""
        ...

    async def set_variable(self, conversation_id: str, variable_id: str, value: Json, *, at: float) -> bool:
        """Change a variable. Durable when it returns. ``False``: there is no such one."""
        ...

    async def uses_file(self, app_id: str | None, file_id: str) -> bool:
        """Whether a stored file is one of a message of the app, or of any app (``None``)."""
        ...

    async def files(self) -> set[str]:
        """The ids of all stored files of messages."""
        ...

    async def prune(self, before: float, *, limit: int = 100, app_id: str | None = None) -> int:
        """Remove conversations that were last updated before a time, with all that is theirs.

        Args:
            limit: How many to remove at most, so that others may write in between.

        Returns:
            How many were removed. Fewer than ``limit``: there are no more.
        """
        ...
