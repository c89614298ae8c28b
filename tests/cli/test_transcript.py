"""Texts and exit codes of commands."""

from pathlib import Path

import pytest

from tests.cli.transcript import TABLE, transcript


@pytest.mark.once
def test_commands_print_what_the_transcript_says(tmp_path: Path) -> None:
    assert transcript(tmp_path) == TABLE.read_text("utf-8"), "python -m tests.cli.transcript writes it"
