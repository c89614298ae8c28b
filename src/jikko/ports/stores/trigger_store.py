"""Where the triggers of apps are kept."""

from typing import Final, Literal, Protocol, TypeAlias, get_args

from msgspec import Struct

TriggerKind: TypeAlias = Literal["webhook", "schedule", "plugin"]
KINDS: Final[tuple[TriggerKind, ...]] = get_args(TriggerKind)


class Trigger(Struct, frozen=True, kw_only=True):
    """A trigger node of an app, from the first version that has it on: later versions keep id, address and switch."""

    id: str
    app_id: str
    node_id: str
    kind: TriggerKind
    address: str = ""
    """Of a webhook: the last part of its address, 24 characters of ``A–Z a–z 0–9 - _``."""
    enabled: bool = True
    created_at: float
    """Seconds since the Unix epoch."""


class TriggerStore(Protocol):
    """Triggers. ``AppStore.publish`` makes them; they go with their app. Every answer is up to date.

    What an implementation must do is in ``tests/contract/test_trigger_store.py``.
    """

    async def of_app(self, app_id: str) -> list[Trigger]:
        """The triggers of an app, also of nodes that its current version has no more; oldest first."""
        ...

    async def all(self, kind: TriggerKind | None = None) -> list[Trigger]:
        """The triggers of all apps, oldest first."""
        ...

    async def find(self, trigger_id: str) -> Trigger | None:
        """One trigger. ``trigger_id`` in any case."""
        ...

    async def at(self, address: str) -> Trigger | None:
        """The webhook of an address."""
        ...

    async def enable(self, trigger_id: str, enabled: bool) -> bool:
        """Switch a trigger on or off. Durable when it returns. Returns whether there is one."""
        ...
