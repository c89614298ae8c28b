"""Rows beside the record of a run that follow from the same events, and are written with them or not at all.

``RunStore.append`` takes them in ``Append.projections``, in any append of a run. A store has for each kind how it is
written (and what may be refused), and contract tests go over all kinds (``tests/contract/test_projections.py``). What
follows from the record of each run alone is no kind of its own: a store keeps that by itself (how many runs there are,
the index of keywords, when a call-back becomes due). Those that a client asks for with a run are its ``StartOptions``.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct

from jikko.ports.stores.messages import Conversation, ConversationVariable, Message, MessageAnswer
from jikko.ports.stores.trigger_store import Delivery
from jikko.values import Json


class KeyClaim(msgspec.Struct, frozen=True, kw_only=True):
    """The idempotency key of a request, which becomes that of the run; refused with ``KeyTaken`` if it has one."""

    key: str
    fingerprint: bytes
    """The same for the same request, and for no other."""
    at: float
    """When the request came, in seconds since the Unix epoch."""
    lifetime: float = 86_400.0
    """Seconds for which a key is remembered."""


class CallbackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call-back, which is due once the run has ended. A run has one at most, asked for when it is created."""

    url: str


class TurnBegan(msgspec.Struct, frozen=True, kw_only=True):
    """A message, which the run answers if it names it. It is the newest of its conversation, and its time that of the
    last update.

    If the conversation is not there (it was deleted meanwhile), nothing is written.
    """

    message: Message
    new: Conversation | None = None
    """The conversation, if the message is its first."""
    variables: Sequence[ConversationVariable] = ()
    """Variables that it gets; those that it has keep their values."""


class TurnRepeated(msgspec.Struct, frozen=True, kw_only=True):
    """The run answers, from now on, a message that another run has answered. Without that message: nothing."""

    message_id: str


class TurnChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the answer to the message of the run. Of a run that answers none: nothing."""

    answer: MessageAnswer


class VariablesAssigned(msgspec.Struct, frozen=True, kw_only=True):
    """Variables of the conversation that nodes of the run have changed.

    Those that the conversation does not have, and those of a conversation that is gone, are passed over.
    """

    values: dict[str, Json]
    """By name."""
    at: float


class DeliveryReceived(msgspec.Struct, frozen=True, kw_only=True):
    """The call of a webhook that the run is of. It outlives the run, until retention removes it."""

    delivery: Delivery
    """Its ``run_id`` is that of the run, whatever it says."""


Projection: TypeAlias = (
    DeliveryReceived | KeyClaim | CallbackRequest | TurnBegan | TurnRepeated | TurnChanged | VariablesAssigned
)


class StartOptions(Struct, frozen=True, kw_only=True):
    """What is promised to the client by accepting the run: written with its first event, or not at all."""

    claim: KeyClaim | None = None
    delivery: Delivery | None = None
    """The call of a webhook that the run is of."""
    callback_url: str | None = None
    """Where the run is reported to once it has ended."""

    @property
    def is_delivery_alone(self) -> bool:
        """Whether nothing is promised but that the call of a webhook is kept, which cannot be refused."""
        return self.delivery is not None and self.claim is None and self.callback_url is None

    @property
    def projections(self) -> tuple[Projection, ...]:
        """What a store writes of it."""
        found: list[Projection] = [] if self.claim is None else [self.claim]
        if self.delivery is not None:
            found.append(DeliveryReceived(delivery=self.delivery))
        if self.callback_url is not None:
            found.append(CallbackRequest(url=self.callback_url))
        return tuple(found)
