"""Ids of the files that the events of a run may name."""

import re
from collections.abc import Sequence
from typing import Final

from jikko.events import Event
from jikko.values import encode_json

_UUID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def possible_file_ids(events: Sequence[Event]) -> set[str]:
    """All that could be the id of a file: not only in file mappings, but in texts and addresses as well.

    Takes some milliseconds for each megabyte.
    """
    return {match.decode() for match in _UUID.findall(encode_json(events).lower())}
