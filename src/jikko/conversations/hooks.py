"""Hooks of turns: moderation, replies from annotations, names by a model.

A turn goes through these, in this order:

1. each ``TurnPolicy`` sees what was asked, with prepared inputs, before anything is written. It hands on what it got,
   or that with another query or other inputs; or it ends the turn with a ``HookReply``: no run begins then, and the
   message has that answer. Later policies are not asked then.
2. the ``TextGuard`` of the workflow, if it wants one, looks at the text while the run shows it; see there. It is made
   anew by a process that takes the run over.
3. ``first_turn`` is called once the first message of a new conversation is durable and a name is due
   (``Conversation.title_due``). It must not wait: it starts what it has to do. A hook that has a name gives it by
   ``ConversationStore.rename(…, only_if_due=True)``. What a process that died had not done yet is in
   ``ConversationStore.untitled``.

``title`` makes a name for a conversation when a client asks for one.

The assembly fills ``Hooks``; with the defaults a turn is the run alone.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from jikko.apps.versions import Workflow
from jikko.ports.other_models import TextGuard
from jikko.ports.stores.annotation_store import ReplyState
from jikko.ports.stores.messages import AnnotationReply, Conversation, Message
from jikko.repositories.app_store import App
from jikko.values import Json


class UserQuery(Struct, frozen=True, kw_only=True):
    """What an end user asks in a turn. Policies hand on changed copies (``msgspec.structs.replace``)."""

    app: App
    workflow: Workflow
    user: str
    """As the request names the end user."""
    end_user_id: str
    conversation: Conversation | None
    """``None``: the turn begins one."""
    query: str
    inputs: Mapping[str, Json]
    """Prepared: one value per declared variable."""
    files: Sequence[Json]
    replies: ReplyState | None = None
    """How the app answers by its annotations; ``None``: it does not."""


class HookReply(Struct, frozen=True, kw_only=True):
    """An answer that takes no run."""

    text: str
    annotation: AnnotationReply | None = None


class TurnPolicy(Protocol):
    """Decides what becomes of a question before a run begins."""

    async def consider(self, asked: UserQuery) -> UserQuery | HookReply:
        """Hand the question on, or answer it. Raises ``JikkoError``: the turn is refused; nothing was written."""


def _no_guard(app_id: str, workflow: Workflow) -> TextGuard | None:
    return None


async def _no_replies(app_id: str) -> ReplyState | None:
    return None


async def _cut(app: App, query: str) -> str:
    return fallback_title(query)


def fallback_title(query: str) -> str:
    """The name of a conversation that no model has made one for. Source: docs/dify-behaviour.md, “Course of a turn”."""
    return query if len(query) <= 50 else f"{query[:47]}..."


def _nothing_to_do(app: App, conversation: Conversation, first: Message) -> None:
    pass


class Hooks(Struct, frozen=True, kw_only=True):
    """Who takes part in turns."""

    replies: Callable[[str], Awaitable[ReplyState | None]] = _no_replies
    """Looks up ``UserQuery.replies`` of an app (its id), while the conversation is read. Raises nothing."""
    policies: Sequence[TurnPolicy] = ()
    guard: Callable[[str, Workflow], TextGuard | None] = _no_guard
    """What looks at the text of one run of an app (its id), by a workflow."""
    first_turn: Callable[[App, Conversation, Message], None] = _nothing_to_do
    title: Callable[[App, str], Awaitable[str]] = _cut
    """Makes a name for a conversation, of the question that it began with."""
