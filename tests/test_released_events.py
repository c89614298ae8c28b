"""Compatibility of version 0.1.1 with current logs: it takes over such runs, and imports their exports."""

from typing import Final, get_args

import msgspec

from jikko.events import Event, ReasoningChunk
from jikko.store.event_codec import encode_events

KNOWN: Final = frozenset(
    "agent_logged container_started form_closed form_requested node_attempted node_finished node_started "
    "reasoning_chunk round_finished round_started run_began run_finished run_parked run_paused run_recovered "
    "run_resumed run_retried run_started step_recorded text_chunk text_replaced unknown_event".split()
)


class ReleasedReasoning(msgspec.Struct, tag_field="event", tag="reasoning_chunk", kw_only=True):
    """``ReasoningChunk`` as it was."""

    at: float
    node_id: str
    text: str
    final: bool = False


def test_it_knows_all_events() -> None:
    written = {kind.__struct_config__.tag for kind in get_args(Event)}

    assert written <= KNOWN, "it stops at a new one: docs/decisions/0092 and 0310 say what that costs"


def test_text_that_a_run_does_not_show_is_an_empty_piece_of_reasoning_of_no_node() -> None:
    log = encode_events([ReasoningChunk(at=2.5, node_id="", text="", execution_id="e", said="良い🙂\ue000")])

    assert msgspec.json.decode(log, type=list[ReleasedReasoning]) == [ReleasedReasoning(at=2.5, node_id="", text="")]
