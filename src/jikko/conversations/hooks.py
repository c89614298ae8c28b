"""Hooks of turns: moderation, replies from annotations, names by a model.

A turn goes through these, in this order:

1. each ``TurnPolicy`` sees the question, with prepared inputs, before anything is written. It passes it on, perhaps
with another query or other inputs; or it ends the turn with a ``HookReply``: no run begins then, the message has that
answer, and later policies are skipped.
2. the ``TextGuard`` of the workflow, if any, checks the text while the run shows it; see there. A process that takes
the run over creates it anew.
3. ``first_turn`` is called once the first message of a new conversation is durable and a name is due
(``Conversation.title_due``). It must not block: it starts its work. A hook sets the name by
``ConversationStore.rename(…, only_if_due=True)``. Work that a dead process left is in ``ConversationStore.untitled``.

``title`` makes a name for a conversation on request of a client.

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
    """Question of an end user in a turn. Policies pass on changed copies (``msgspec.structs.replace``)."""

    app: App
    workflow: Workflow
    user: str
    """End user as named in the request."""
    end_user_id: str
    conversation: Conversation | None
    """``None``: the turn begins one."""
    query: str
    inputs: Mapping[str, Json]
    """Prepared: one value per declared variable."""
    files: Sequence[Json]
    replies: ReplyState | None = None
    """The app's settings of replies from annotations; ``None`` if disabled."""


class HookReply(Struct, frozen=True, kw_only=True):
    """Answer without a run."""

    text: str
    annotation: AnnotationReply | None = None


class TurnPolicy(Protocol):
    """Decides on a question before a run begins."""

    async def consider(self, asked: UserQuery) -> UserQuery | HookReply:
        """Pass the question on, or answer it. Raises ``JikkoError``: the turn is refused; nothing was written."""


async def _no_replies(app_id: str) -> ReplyState | None:
    return None


async def _cut(app: App, query: str) -> str:
    return fallback_title(query)


def fallback_title(query: str) -> str:
    """Return a conversation's name without a model. Source: docs/dify-behaviour.md, “Course of a turn”."""
    return query if len(query) <= 50 else f"{query[:47]}..."


class Hooks(Struct, frozen=True, kw_only=True):
    replies: Callable[[str], Awaitable[ReplyState | None]] = _no_replies
    """Looks up ``UserQuery.replies`` of an app (its id), while the conversation is read. Never raises."""
    policies: Sequence[TurnPolicy] = ()
    guard: Callable[[str, Workflow], TextGuard | None] = lambda app_id, workflow: None
    """Makes the guard of one run of an app (its id), by its workflow."""
    first_turn: Callable[[App, Conversation, Message], None] = lambda app, conversation, first: None
    title: Callable[[App, str], Awaitable[str]] = _cut
    """Makes a conversation's name from its first question."""
