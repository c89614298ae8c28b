"""Files of keys: named after their apps, and found again by the ids of keys."""

import errno
import os
from pathlib import Path

import pytest

from jikko.apps.key_files import forget_key, keep_key, write_key
from jikko.ids import new_id
from jikko.repositories.app_store import ApiKey


def entry() -> ApiKey:
    return ApiKey(id=new_id(), app_id=new_id(), digest=b"", hint="app-x…", created_at=0.0)


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("Word list", "word-list-"),
        ("単語 リスト 🌸", "単語-リスト-"),
        ("../../etc/passwd", "etc-passwd-"),
        ("🌸\ue000", "app-"),
        ("x" * 300, "x" * 40 + "-"),
    ],
)
def test_the_name_begins_with_that_of_the_app(tmp_path: Path, name: str, begins: str) -> None:
    file = keep_key(tmp_path, entry(), "secret", name)

    assert file.parent == (tmp_path / "keys").resolve()
    assert file.name.startswith(begins)
    assert file.read_text() == "secret\n"
    assert file.stat().st_mode & 0o077 == 0


def test_a_key_that_is_revoked_takes_its_file_along_and_no_other(tmp_path: Path) -> None:
    first, second = entry(), entry()
    kept = [keep_key(tmp_path, each, "secret", "Word list") for each in (first, second)]
    earlier = tmp_path / "keys" / first.id  # as earlier versions called it
    earlier.write_text("secret")

    forget_key(tmp_path, first.id.upper())

    assert [path.exists() for path in (kept[0], kept[1], earlier)] == [False, True, False]


def test_where_the_disk_is_full_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, mode: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fchmod", full, raising=False)
    file = tmp_path / "鍵"

    with pytest.raises(OSError, match="No space left") as caught:
        write_key(file, "secret")

    assert caught.value.filename == str(file)
