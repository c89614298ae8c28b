"""Projections: rows beside a run's record that follow from the same events, written atomically with them.

``RunStore.append`` takes them in ``Append.projections``, in any append of a run. A store implements the writing of each
kind (and which writes it refuses), and contract tests cover all kinds (``tests/contract/test_projections.py``). Data
derived from each run's record alone is not a kind: a store maintains it by itself (run counts, the keyword index, due
times of callbacks). Projections that a client requests with a run are its ``StartOptions``.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct

from jikko.ports.stores.messages import Conversation, ConversationVariable, Message, MessageAnswer
from jikko.ports.stores.trigger_store import Delivery
from jikko.values import Json


class KeyClaim(msgspec.Struct, frozen=True, kw_only=True):
    """Claims a request's idempotency key for the run; refused with ``KeyTaken`` if the key has a run."""

    key: str
    fingerprint: bytes
    """Unique to the request's content."""
    at: float
    """Time of the request in seconds since the Unix epoch."""
    lifetime: float = 86_400.0
    """Seconds until the key expires."""


class CallbackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A callback, due once the run has ended. A run has at most one, requested at its creation."""

    url: str


class TurnBegan(msgspec.Struct, frozen=True, kw_only=True):
    """A message, answered by the run if it names the run. It becomes the newest of its conversation, and sets the time
    of the last update.

    Nothing is written if the conversation was deleted meanwhile.
    """

    message: Message
    new: Conversation | None = None
    """The conversation, for its first message."""
    variables: Sequence[ConversationVariable] = ()
    """Variables to create; existing ones keep their values."""


class TurnRepeated(msgspec.Struct, frozen=True, kw_only=True):
    """The run now answers another run's message. No effect without that message."""

    message_id: str


class TurnChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Current answer to the run's message. No effect if the run answers none."""

    answer: MessageAnswer


class VariablesAssigned(msgspec.Struct, frozen=True, kw_only=True):
    """Conversation variables that the run's nodes changed.

    Missing variables, and those of a deleted conversation, are skipped.
    """

    values: dict[str, Json]
    """By name."""
    at: float


class DeliveryReceived(msgspec.Struct, frozen=True, kw_only=True):
    """The webhook call of the run. It outlives the run, until retention removes it."""

    delivery: Delivery
    """Its ``run_id`` is replaced by the run's."""


Projection: TypeAlias = (
    DeliveryReceived | KeyClaim | CallbackRequest | TurnBegan | TurnRepeated | TurnChanged | VariablesAssigned
)


class StartOptions(Struct, frozen=True, kw_only=True):
    """Promises made to the client by accepting the run, written with its first event or not at all."""

    claim: KeyClaim | None = None
    delivery: Delivery | None = None
    """Webhook call of the run."""
    callback_url: str | None = None
    """URL to report the run's end to."""

    @property
    def is_delivery_alone(self) -> bool:
        """True if the only promise is to keep a webhook call, which cannot be refused."""
        return self.delivery is not None and self.claim is None and self.callback_url is None

    @property
    def projections(self) -> tuple[Projection, ...]:
        found: list[Projection] = [] if self.claim is None else [self.claim]
        if self.delivery is not None:
            found.append(DeliveryReceived(delivery=self.delivery))
        if self.callback_url is not None:
            found.append(CallbackRequest(url=self.callback_url))
        return tuple(found)
