"""Picks what hears and speaks."""

from jikko.ports.models import Models
from jikko.ports.speech import Speech
from jikko.providers.models import ProviderModels
from jikko.providers.speech.fake import FakeSpeech
from jikko.providers.speech.speaker import ProviderSpeech


def make_speech(models: Models) -> Speech:
    """What hears and speaks beside these language models, over the same connections; no model, if they are fake."""
    return ProviderSpeech(models.connections) if isinstance(models, ProviderModels) else FakeSpeech()
