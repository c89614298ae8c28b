"""Triggers of apps, as stored."""

from typing import Final, Literal, TypeAlias, get_args

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
