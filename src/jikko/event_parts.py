"""Parts of events that run records keep."""

import msgspec


class FailedNode(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The node at which a run failed."""

    node_id: str
    """For a failed round, the node inside the container."""
    title: str


class Exceptions(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Counts of handled errors in a run, at all levels."""

    tries: int
    """Failed attempts that were retried."""
    handled: int
    """Failed nodes with an error strategy."""
    rounds: int
    """Failed rounds."""
