"""Fields of the commands' ``--json`` output."""

from pathlib import Path

from tests.cli.json_fields import TABLE, fields


def test_no_field_is_lost_or_renamed(tmp_path: Path) -> None:
    assert fields(tmp_path) == TABLE.read_text("utf-8"), "python -m tests.cli.json_fields writes it"
