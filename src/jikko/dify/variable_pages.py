"""Pages of the variables of a conversation, in Dify's order.

All variables of a conversation are made at once, and Dify sorts them by when that was: so their order is what its
database makes of equals. Of a few it is the order in which they were made. Of many, of which a page is few, the
database keeps the first of them in a heap, which hands them out with the first of all behind the others: a page of two
of nine are the second and the third. Here the variables that a page passes over in this way come with the next one.
[QUIRK]
"""

from collections.abc import Sequence

from jikko.ports.stores.messages import ConversationVariable


def page_of(
    variables: Sequence[ConversationVariable], limit: int, after: str | None
) -> tuple[list[ConversationVariable], bool]:
    """A page, and whether more follow.

    Args:
        variables: All of them, in the order in which they were made.
        after: The last one of the page before, which had the same limit; ``None`` for the first page.
    """
    left = list(variables)
    while True:
        page = _first(left, limit)
        left = [variable for variable in left if variable not in page]
        if after is None:
            return page, bool(left)
        ids = [variable.id for variable in page]
        if after in ids:
            # Usually the last; what stands behind it, if another limit was used before, is not passed over.
            left = page[ids.index(after) + 1 :] + left
            after = None
        elif not left:
            return [], False


def _first(left: Sequence[ConversationVariable], limit: int) -> list[ConversationVariable]:
    kept = limit + 1  # one more, to know whether there is more
    if len(left) <= 2 * kept:
        return list(left[:limit])
    return _out_of_heap(left[:kept])[:limit]


def _out_of_heap(equals: Sequence[ConversationVariable]) -> list[ConversationVariable]:
    """Equals, in the order in which a binary heap of them hands them out, filled from its end."""
    heap = list(equals)
    for end in range(len(heap) - 1, 0, -1):
        heap[0], heap[end] = heap[end], heap[0]
    return heap
