"""Parts of events that the record keeps."""

import msgspec


class FailedNode(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The node that a run failed at."""

    node_id: str
    """Of a container whose round failed, the node within it."""
    title: str


class Exceptions(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What went wrong in a run and was borne, at all levels."""

    tries: int
    """Attempts that failed and were followed by another."""
    handled: int
    """Nodes that failed and had an error strategy."""
    rounds: int
    """Rounds that failed."""
