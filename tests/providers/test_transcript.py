"""Known providers, requests and answers of models."""

import pytest

from tests.providers.transcript import KEPT, transcript

pytestmark = pytest.mark.anyio


async def test_providers_are_known_asked_and_understood_as_the_transcript_says() -> None:
    assert await transcript() == KEPT.read_text("utf-8"), "python -m tests.providers.transcript writes it"
