"""Picks what hears and speaks. It is made with the first recording or text."""

from jikko.concurrency.later import later
from jikko.ports.models import Models
from jikko.ports.speech import Speech
from jikko.providers.models import ProviderModels


def make_speech(models: Models) -> Speech:
    """What hears and speaks beside these language models, over the same connections; no model, if they are fake."""

    def made() -> Speech:
        from jikko.providers.speech.fake import FakeSpeech
        from jikko.providers.speech.speaker import ProviderSpeech

        return ProviderSpeech(models.connections) if isinstance(models, ProviderModels) else FakeSpeech()

    return later(made)
