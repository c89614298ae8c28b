"""Short ids of runs."""

from collections.abc import Iterable
from typing import Final

from jikko.errors import NotFound
from jikko.ids import is_uuid
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord

_SHORT_ID_LENGTH: Final = 13
"""Characters of a short id: up to its second dash, the run's millisecond. Several runs of one have more."""
_MIN_DIGITS: Final = 4
_MAX_LISTED_IDS: Final = 10


class AmbiguousId(NotFound):
    """Several runs have ids with this prefix."""

    def __init__(self, prefix: str, found: list[str], *, more: bool) -> None:
        listed = "\n  ".join([*found, *(["…"] if more else [])])
        super().__init__(f"Several runs have ids that begin with {prefix!r}:\n  {listed}", code="ambiguous_id")


async def run_of(store: RunStore, given: str) -> RunRecord:
    """Return the run with an id or id prefix, in any case, with or without dashes.

    Raises:
        NotFound: No such run.
        AmbiguousId: There are several.
    """
    if is_uuid(given):
        if (record := await store.record(given)) is not None:
            return record
        raise NotFound(f"No run {given!r}; `jikko runs list` lists the runs.")
    digits = given.replace("-", "").lower()
    if len(digits) > 32 or set(digits) - set("0123456789abcdef"):
        raise NotFound(f"{given!r} is not a run id; `jikko runs list` lists the runs.")
    if len(digits) < _MIN_DIGITS:
        raise NotFound(f"{given!r} is too short for an id of a run: give {_MIN_DIGITS} digits or more.")
    whole = digits.ljust(32, "0")
    first = f"{whole[:8]}-{whole[8:12]}-{whole[12:16]}-{whole[16:20]}-{whole[20:]}"
    near = await store.scan(after=first, limit=_MAX_LISTED_IDS + 1)
    if (record := await store.record(first)) is not None:
        near = [record, *near]
    found = [record for record in near if record.identity.run_id.replace("-", "").startswith(digits)]
    if not found:
        archived = await store.archived_until() is not None
        of_archive = ", except archived ones, which need their full ids" if archived else ""
        raise NotFound(f"No run id begins with {given!r}; `jikko runs list` lists the runs{of_archive}.")
    if len(found) > 1:
        ids = [record.identity.run_id for record in found]
        raise AmbiguousId(given, ids[:_MAX_LISTED_IDS], more=len(ids) > _MAX_LISTED_IDS)
    return found[0]


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Return the unique prefix of each id."""
    ordered = sorted(set(ids))
    short = {}
    for index, run_id in enumerate(ordered):
        neighbours = ordered[max(0, index - 1) : index] + ordered[index + 1 : index + 2]
        length = max([_SHORT_ID_LENGTH, *(_common(run_id, other) + 1 for other in neighbours)])
        short[run_id] = run_id[: length + 1].rstrip("-") if run_id[length - 1] == "-" else run_id[:length]
    return short


def _common(one: str, other: str) -> int:
    return next((index for index, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]), len(one))
