"""Names of the datasets in workflow files, whatever keeps them."""

from contextlib import suppress

from msgspec import Struct

from jikko.dsl.encrypted_ids import DecryptionUnavailable, plain_id


class KnownIds(Struct, frozen=True):
    """What workflow files can call the datasets: each of it is ``in`` this."""

    texts: frozenset[str] = frozenset()
    """Ids, and texts that are mapped to one."""
    workspaces: tuple[str, ...] = ()
    """Those of Dify whose encrypted ids are understood."""

    def __contains__(self, text: object) -> bool:
        if not isinstance(text, str):
            return False
        if text in self.texts:
            return True
        with suppress(DecryptionUnavailable):
            return any(plain_id(text, workspace) in self.texts for workspace in self.workspaces)
        return False
