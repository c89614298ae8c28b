"""Streams: naming events so that two recordings of one run can be laid side by side, whatever their interleaving."""

from __future__ import annotations

from collections import Counter
from typing import Any

JsonObject = dict[str, Any]

#: Marks where the last chunk of a text of several chunks came.
TEXT_END = "$text_end"

#: Events that carry a piece of a streamed text: of a workflow, of a chatflow or a basic app, and of an agent.
CHUNKS = ("text_chunk", "message", "agent_message")

#: Chunks whose text lies in the event itself.
FLAT = ("message", "agent_message")

#: Events between which an agent says something: a text does not go on behind them.
BREAKS = ("agent_thought", "message_file", "message_replace")


def text_holder(chunk: JsonObject) -> tuple[JsonObject, str]:
    """The object in which a chunk has its text, and the key; a chatflow's chunks are flat."""
    return (chunk, "answer") if chunk.get("event") in FLAT else (_data(chunk), "text")


def with_text(chunk: JsonObject, text: str) -> JsonObject:
    """The same chunk with another text."""
    owner, key = text_holder(chunk)
    return {**chunk, key: text} if owner is chunk else {**chunk, "data": {**owner, key: text}}


def coalesce(events: list[JsonObject]) -> list[JsonObject]:
    """Join the chunks of one streamed text: how a model cuts its text is not the engine's doing.

    Chunks are one text when they name the same variable and no other chunk (in a basic app: none of ``BREAKS``) lies
    between them.  The joined chunk stands where the first one stood; a ``$text_end`` event stands where the last one
    stood. Empty chunks of basic apps are left out: how many there are depends on the model's wire.
    """
    events = [e for e in events if not _is_empty(e)]
    groups: list[list[int]] = []
    broken = False
    for index, event in enumerate(events):
        broken = broken or event.get("event") in BREAKS
        if event.get("event") not in CHUNKS:
            continue
        if groups and not broken and _kind(events[groups[-1][0]]) == _kind(event):
            groups[-1].append(index)
        else:
            groups.append([index])
        broken = False
    long = {g[0]: g for g in groups if len(g) > 1}
    ends = {g[-1] for g in long.values()}
    dropped = {i for g in long.values() for i in g[1:]}
    result = []
    for index, event in enumerate(events):
        if index in long:
            event = with_text(event, "".join(_text_of(events[i]) for i in long[index]))
        if index not in dropped:
            result.append(event)
        if index in ends:
            result.append({"event": TEXT_END, "data": {"from_variable_selector": selector_of(event)}})
    return result


def _is_empty(event: JsonObject) -> bool:
    """Whether an event is an empty chunk of a basic app."""
    return event.get("event") in FLAT and event.get("answer") == "" and not selector_of(event)


def _kind(chunk: JsonObject) -> tuple[str, list[Any]]:
    """What chunks of one text have in common."""
    return str(chunk.get("event")), selector_of(chunk)


def keys(events: list[JsonObject]) -> list[str]:
    """A name for each event that does not depend on interleaving: type, node, round, and a running number."""
    rounds = {_execution(e): r for e in events if (r := _round(e)) is not None}
    seen: Counter[str] = Counter()
    names = []
    for event in events:
        data = _data(event)
        parts = [str(event.get("event")), str(data.get("node_id") or ".".join(map(str, selector_of(event))))]
        if (turn := rounds.get(_execution(event))) is not None:
            parts.append(f"round {turn}")
        elif str(event.get("event")).endswith("_next"):
            parts.append(f"index {data.get('index')}")
        name = " ".join(p for p in parts if p)
        seen[name] += 1
        names.append(f"{name} #{seen[name]}" if seen[name] > 1 else name)
    return names


def round_of(event: JsonObject, events: list[JsonObject]) -> Any:
    """Round of its container in which an event's node ran, or None."""
    return next((r for e in events if _execution(e) == _execution(event) and (r := _round(e)) is not None), None)


def _data(event: JsonObject) -> JsonObject:
    """The event's data, or nothing."""
    data = event.get("data")
    return data if isinstance(data, dict) else {}


def selector_of(event: JsonObject) -> list[Any]:
    """The variable that a chunk belongs to."""
    owner = event if event.get("event") in FLAT else _data(event)
    return owner.get("from_variable_selector") or []


def _text_of(chunk: JsonObject) -> str:
    """The text of a chunk."""
    owner, key = text_holder(chunk)
    return str(owner.get(key))


def _execution(event: JsonObject) -> tuple[Any, Any]:
    """What ties node_started, node_retry and node_finished together."""
    return _data(event).get("node_id"), _data(event).get("id")


def _round(event: JsonObject) -> str | None:
    """Round index in an event's own execution metadata (only node_finished and node_retry tell it)."""
    metadata = _data(event).get("execution_metadata")
    if not isinstance(metadata, dict) or event.get("event") not in ("node_finished", "node_retry"):
        return None
    marks = [
        f"{metadata[c + '_id']}/{metadata.get(c + '_index')}" for c in ("loop", "iteration") if metadata.get(c + "_id")
    ]
    return " ".join(marks) or None
