"""Declarations, requests and messages of tools."""

from pathlib import Path

import pytest

from tests.tools.transcript import KEPT, transcript

pytestmark = pytest.mark.anyio


async def test_tools_declare_send_and_say_what_the_transcript_says(tmp_path: Path) -> None:
    assert await transcript(tmp_path) == KEPT.read_text("utf-8"), "python -m tests.tools.transcript writes it"
