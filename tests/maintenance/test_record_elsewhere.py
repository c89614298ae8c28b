"""Keys that several servers have in their database, as a backup has them."""

from pathlib import Path

from jikko.files.signing_keys import KeyFiles
from jikko.maintenance.backup import write_keys


def test_a_data_folder_reads_keys_as_they_were_in_the_database(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_bytes(b"x" * 32)
    (tmp_path / "signing.key.5").write_bytes(b"y" * 32)
    keys = [bytes([number]) * 32 for number in range(12)]

    write_keys(tmp_path, keys)

    read = KeyFiles(tmp_path / "signing.key").load_or_create()
    assert [read.newest, *reversed(read.older)] == keys
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
