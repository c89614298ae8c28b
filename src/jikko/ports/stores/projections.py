"""Rows beside the record of a run that follow from the same events, and are written with them or not at all.

``RunStore.append`` takes them in ``Append.projections``, in any append of a run. A store has for each kind how it is
written (and what may be refused), and contract tests go over all kinds (``tests/contract/test_projections.py``). What
follows from the record of each run alone is no kind of its own: a store keeps that by itself (how many runs there are,
the index of keywords, when a call-back becomes due).
"""

from typing import TypeAlias

import msgspec


class KeyClaim(msgspec.Struct, frozen=True, kw_only=True):
    """The idempotency key of a request, which becomes that of the run; refused with ``KeyTaken`` if it has one."""

    key: str
    fingerprint: bytes
    """The same for the same request, and for no other."""
    at: float
    """When the request came, in seconds since the Unix epoch."""
    lifetime: float = 86_400.0
    """Seconds for which a key is remembered."""


class CallbackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call-back, which is due once the run has ended. A run has one at most, asked for when it is created."""

    url: str


Projection: TypeAlias = KeyClaim | CallbackRequest
