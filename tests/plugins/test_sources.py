"""Package sources: a broken one does not affect the others."""

from pathlib import Path

import pytest

from jikko.plugins.install.package_sources import AvailablePackage, offered_in
from tests.plugins.packages import files, folder, packed


def damaged() -> bytes:
    """An archive whose list is whole, and whose manifest cannot be unpacked."""
    archive = bytearray(packed({"manifest.yaml": b"name: x" * 100}))
    start = 30 + len("manifest.yaml")
    archive[start : start + 8] = b"\xff" * 8
    return bytes(archive)


@pytest.mark.parametrize(
    "broken",
    [
        {"a.difypkg": b"PK"},
        {"a.difypkg": damaged()},
        {"a.difypkg": packed({"main.py": b""})},
        {"a.difypkg": packed({"manifest.yaml": "名前".encode("utf-16")})},
        {"a.difypkg/manifest.yaml": b"name: [x"},
        {"a.difypkg/manifest.yaml": b"#" * (2 << 20)},
    ],
)
def test_what_cannot_be_read_is_said_and_the_others_are_found(tmp_path: Path, broken: dict[str, bytes]) -> None:
    place = folder(tmp_path / "棚", {**broken, "b.difypkg": packed(files())})
    unread: list[str] = []

    found = list(offered_in(place, unread))

    assert found == [AvailablePackage(place / "b.difypkg", "tester/stand_in", "0.0.1")]
    assert [problem.partition(": ")[0] for problem in unread] == [str(place / "a.difypkg")]


def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path) -> None:
    unread: list[str] = []

    assert list(offered_in(tmp_path / "none", unread)) == []
    assert [problem.partition(": ")[0] for problem in unread] == [str(tmp_path / "none")]
