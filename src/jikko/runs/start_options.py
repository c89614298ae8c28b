"""Promises that a client asks for with a run."""

from msgspec import Struct

from jikko.ports.stores.projections import CallbackRequest, DeliveryReceived, KeyClaim, Projection
from jikko.ports.stores.trigger_store import Delivery


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
