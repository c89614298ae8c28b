"""The id by which the database knows a data folder."""

from pathlib import Path

from jikko.cluster.data_folder import FOLDER_ID
from jikko.errors import InvalidSettings
from jikko.ids import new_id
from jikko.private import make_whole_file


def folder_id_of(home: Path) -> str:
    """What it is, read from the folder, where it is made if it is missing.
    Raises ``InvalidSettings``: it is lost, or the folder cannot be used."""
    path = home / FOLDER_ID
    try:
        known = path.read_bytes() if path.exists() else make_whole_file(path, new_id().encode())
    except OSError as error:
        raise InvalidSettings(f"The data folder {home} cannot be used: {error.strerror}.") from None
    folder_id = known.decode("ascii", "replace").strip()
    if not folder_id:
        raise InvalidSettings(
            f"{path} is empty: what the database knows the data folder by is lost. Write into it what the database "
            "has: SELECT convert_from(value, 'UTF8') FROM installation WHERE name = 'data_folder'"
        )
    return folder_id


def known_folder_id(home: Path) -> str:
    """What it is; empty if it is not made yet. Raises ``InvalidSettings``: as for ``folder_id_of``."""
    return folder_id_of(home) if (home / FOLDER_ID).exists() else ""
