"""Names of events in streams, independent of interleaving, so that two recordings of a run can be compared side by
side."""

from __future__ import annotations

from collections import Counter
from typing import Any

JsonObject = dict[str, Any]

# : Marks the place of the last chunk of a text with several chunks.
TEXT_END = "$text_end"

# : Events with a piece of streamed text: of a workflow, of a chatflow or basic app, and of an agent.
CHUNKS = ("text_chunk", "message", "agent_message")

# : Chunks with the text in the event itself.
FLAT = ("message", "agent_message")

# : Events between an agent's texts: no text continues after them.
BREAKS = ("agent_thought", "message_file", "message_replace")


def text_holder(chunk: JsonObject) -> tuple[JsonObject, str]:
    """Return the object that contains a chunk's text, and its key; a chatflow's chunks are flat."""
    return (chunk, "answer") if chunk.get("event") in FLAT else (_data(chunk), "text")


def with_text(chunk: JsonObject, text: str) -> JsonObject:
    """Return the chunk with another text."""
    owner, key = text_holder(chunk)
    return {**chunk, key: text} if owner is chunk else {**chunk, "data": {**owner, key: text}}


def coalesce(events: list[JsonObject]) -> list[JsonObject]:
    """Join the chunks of a streamed text: the model, not the engine, decides where to split it.

    Chunks form one text if they name the same variable, without another chunk (in a basic app: any of ``BREAKS``) in
    between. The joined chunk takes the place of the first one; a ``$text_end`` event that of the last one. Empty chunks
    of basic apps are dropped: their number depends on the model's protocol.
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
    """Return whether an event is an empty chunk of a basic app."""
    return event.get("event") in FLAT and event.get("answer") == "" and not selector_of(event)


def _kind(chunk: JsonObject) -> tuple[str, list[Any]]:
    """Return what the chunks of one text have in common."""
    return str(chunk.get("event")), selector_of(chunk)


def keys(events: list[JsonObject]) -> list[str]:
    """Return a name for each event that is independent of interleaving: type, node, round, and a running number."""
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
    """Return the container's round in which an event's node ran, or ``None``."""
    return next((r for e in events if _execution(e) == _execution(event) and (r := _round(e)) is not None), None)


def _data(event: JsonObject) -> JsonObject:
    """Return the event's data, or an empty object."""
    data = event.get("data")
    return data if isinstance(data, dict) else {}


def selector_of(event: JsonObject) -> list[Any]:
    """Return the variable of a chunk."""
    owner = event if event.get("event") in FLAT else _data(event)
    return owner.get("from_variable_selector") or []


def _text_of(chunk: JsonObject) -> str:
    """Return the text of a chunk."""
    owner, key = text_holder(chunk)
    return str(owner.get(key))


def _execution(event: JsonObject) -> tuple[Any, Any]:
    """Return the key that node_started, node_retry and node_finished share."""
    return _data(event).get("node_id"), _data(event).get("id")


def _round(event: JsonObject) -> str | None:
    """Return the round index in an event's own metadata (only in node_finished and node_retry)."""
    metadata = _data(event).get("execution_metadata")
    if not isinstance(metadata, dict) or event.get("event") not in ("node_finished", "node_retry"):
        return None
    marks = [
        f"{metadata[c + '_id']}/{metadata.get(c + '_index')}" for c in ("loop", "iteration") if metadata.get(c + "_id")
    ]
    return " ".join(marks) or None
