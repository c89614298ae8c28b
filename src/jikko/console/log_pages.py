"""Pages of logs with long values truncated: few readers need them, and all would load them.

An ended run's log is cached for some seconds, since its pages are read one after another.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from jikko.concurrency.run_in_thread import giving_way, run_in_thread
from jikko.console.guest_view import GuestView
from jikko.events import Event, FormRequested
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord
from jikko.values import Json, encode_json

_TTL_SECONDS: Final = 10.0
_MAX_KEPT_EVENTS: Final = 300_000
"""Largest cached log in events."""
_MAX_INLINE_EVENTS: Final = 50
"""Events encoded on the event loop."""


class LogView(Struct, frozen=True):
    """What a visitor sees of a log."""

    reveals: bool = True
    """Whether it includes the answers to forms."""
    guest_view: GuestView | None = None
    """For guests."""


_WHOLE: Final = LogView()


class EventSlice(Struct, frozen=True):
    """Events of a log, as JSON objects."""

    events: Sequence[bytes]
    end: int
    """Number of events in the log."""
    closed: bool
    """Whether the log is complete."""


class LogPages(Struct, eq=False):
    store: RunStore
    _kept: tuple[str, Sequence[Event]] | None = None
    _dropping: asyncio.TimerHandle | None = None

    async def page(self, record: RunRecord, *, after: int, limit: int, view: LogView) -> EventSlice:
        """Return events after a position. Raises ``LogDamaged``."""
        run_id, closed = record.identity.run_id, not record.is_open
        if closed:
            log = await self._closed_log(run_id)
            end, events = len(log), log[after + 1 : after + 1 + limit]
        else:
            found = await self.store.events(run_id, after=after)
            end, events = max(after + 1, 0) + len(found), found[:limit]
            if not found:
                end = await self.store.log_end(run_id)

        def encode(numbered: Sequence[tuple[int, Event]]) -> list[bytes]:
            return [encoded(position, event, view) for position, event in giving_way(numbered)]

        numbered = list(enumerate(events, max(after + 1, 0)))
        if len(numbered) <= _MAX_INLINE_EVENTS:
            return EventSlice([encoded(at, event, view) for at, event in numbered], end, closed)
        return EventSlice(await run_in_thread(encode, numbered, queue="records"), end, closed)

    async def event(self, record: RunRecord, position: int) -> Event | None:
        """Return the event at a position, or ``None``. Raises ``LogDamaged``."""
        if not record.is_open:
            log = await self._closed_log(record.identity.run_id)
            return log[position] if position < len(log) else None
        found = await self.store.events(record.identity.run_id, after=position - 1)
        return found[0] if found else None

    async def _closed_log(self, run_id: str) -> Sequence[Event]:
        if self._kept is not None and self._kept[0] == run_id:
            log = self._kept[1]
        else:
            log = await self.store.events(run_id)
        if len(log) <= _MAX_KEPT_EVENTS:
            self._kept = run_id, log
            if self._dropping is not None:
                self._dropping.cancel()
            self._dropping = asyncio.get_running_loop().call_later(_TTL_SECONDS, self._drop)
        return log

    def _drop(self) -> None:
        self._kept = self._dropping = None


MAX_WHOLE_BYTES: Final = 4096
"""Bytes of JSON above which a value is truncated."""
_MAX_CHARACTERS: Final = 1000
"""Characters of a truncated text."""
_MAX_SHORT_VALUES_BYTES: Final = 65_536
"""Bytes above which an object of short values is truncated as a whole."""
_PLAIN: Final = ("id", "at", "event", "rounds", "selector")
"""Fields never truncated: they identify the event."""


def encoded(position: int, event: Event, view: LogView = _WHOLE) -> bytes:
    """Encode an event as JSON, with its position as ``id``; ``cut`` has the paths of truncated values, and their size
    in bytes of JSON. A truncated text keeps its beginning, other values become null."""
    if view.guest_view is None and (view.reveals or not isinstance(event, FormRequested)):
        whole = encode_json(event)
        if len(whole) <= MAX_WHOLE_BYTES:
            return b'{"id":%d,%b' % (position, whole[1:])
    plain = plain_event(event, view)
    cut: list[dict[str, Json]] = []
    for name, value in plain.items():
        if name not in _PLAIN:
            plain[name] = _field(f"/{_escaped(name)}", value, cut)
    return encode_json({"id": position, **plain, **({"cut": cut} if cut else {})})


def plain_event(event: Event, view: LogView = _WHOLE) -> dict[str, Any]:
    """Return an event as JSON, complete."""
    plain: dict[str, Any] = msgspec.to_builtins(event)
    if not view.reveals and isinstance(event, FormRequested):
        hidden: dict[str, Json] = {"form_token": None, "approval_channels": []}
        plain["form"] = {**plain["form"], **{name: hidden[name] for name in hidden if name in plain["form"]}}
    return plain if view.guest_view is None else view.guest_view.event(plain)


def value_at(value: Json, path: str) -> Json:
    """Return the part of a value at a path (JSON Pointer). Raises ``LookupError``."""
    if not path:
        return value
    if not path.startswith("/"):
        raise LookupError(path)
    for part in path[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value[name]
        elif isinstance(value, (list, tuple)) and name.isascii() and name.isdigit() and len(name) < 10:
            value = value[int(name)]
        else:
            raise LookupError(path)
    return value


def _field(path: str, value: Json, cut: list[dict[str, Json]]) -> Json:
    size = len(encode_json(value))
    if size <= MAX_WHOLE_BYTES:
        return value
    if not isinstance(value, dict):
        return _shortened(path, value, size, cut)
    found: list[dict[str, Json]] = []
    short = {}
    for name, entry in value.items():
        length = len(encode_json(entry))
        inside = f"{path}/{_escaped(name)}"
        short[name] = entry if length <= MAX_WHOLE_BYTES else _shortened(inside, entry, length, found)
    if len(encode_json(short)) > _MAX_SHORT_VALUES_BYTES:
        return _shortened(path, value, size, cut)
    cut += found
    return short


def _shortened(path: str, value: Json, size: int, cut: list[dict[str, Json]]) -> Json:
    cut.append({"path": path, "bytes": size})
    return value[:_MAX_CHARACTERS] if isinstance(value, str) else None


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
