"""Texts and exit codes of commands."""

from pathlib import Path

import pytest

from tests.cli.transcript import transcripts


@pytest.mark.once
def test_commands_print_what_the_transcripts_say(tmp_path: Path) -> None:
    for path, text in transcripts(tmp_path):
        assert text == path.read_text("utf-8"), "python -m tests.cli.transcript writes it"
