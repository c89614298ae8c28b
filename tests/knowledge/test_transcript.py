"""Answers of the knowledge API to one request after the other."""

from pathlib import Path

import pytest

from tests.knowledge.transcript import KEPT, transcript

pytestmark = pytest.mark.anyio


async def test_the_knowledge_api_answers_what_the_transcript_says(tmp_path: Path) -> None:
    assert await transcript(tmp_path) == KEPT.read_text("utf-8"), "python -m tests.knowledge.transcript writes it"
