"""Answers that are lists: a short one is made at once, a long one away from the event loop."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from jikko.concurrency.run_in_thread import giving_way, run_in_thread
from jikko.dify.dify_events import encode
from jikko.http.responses import Response
from jikko.long_texts import encode_giving_way

A = TypeVar("A")

_MAX_ENTRIES_ON_THE_LOOP: Final = 200
"""Entries from which on a list is long: some milliseconds."""


async def list_response(entries: Sequence[A], make: Callable[[int, A], Any]) -> Response:
    """``{"data": […]}``.
    ``make``: of a position and an entry, what stands in the list. Called in a thread if the list is long."""
    if len(entries) <= _MAX_ENTRIES_ON_THE_LOOP:
        made = {"data": [make(position, entry) for position, entry in enumerate(entries)]}
        return Response(await encode_giving_way(made))

    def compute(numbered: Sequence[A]) -> bytes:
        parts = [encode(make(position, entry)) for position, entry in giving_way(enumerate(numbered), 20)]
        return b'{"data":[' + b",".join(parts) + b"]}"

    return Response(await run_in_thread(compute, entries, queue="records"))
