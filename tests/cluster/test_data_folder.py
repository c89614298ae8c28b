"""Contents of a data folder, and the place of its record."""

from pathlib import Path

import pytest

from jikko.cluster.data_folder import FOLDER_ID, require_own_record
from jikko.errors import InvalidSettings


def test_a_folder_whose_record_is_in_postgresql_is_not_begun_anew_without_it(tmp_path: Path) -> None:
    require_own_record(tmp_path)
    (tmp_path / FOLDER_ID).write_text("a-folder")

    with pytest.raises(InvalidSettings, match="set database_url, as it was"):
        require_own_record(tmp_path)

    (tmp_path / "jikko.db").touch()
    require_own_record(tmp_path)
