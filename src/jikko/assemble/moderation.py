"""Picks what looks at texts. It is made with the first text."""

from jikko.concurrency.later import later
from jikko.ports.models import Models
from jikko.ports.moderation import Moderator
from jikko.providers.models import ProviderModels


def make_moderator(models: Models) -> Moderator:
    """What looks at texts beside these language models, over the same connections; no model, if they are fake."""

    def made() -> Moderator:
        from jikko.providers.fake_moderator import FakeModerator
        from jikko.providers.moderators import ProviderModerators

        return ProviderModerators(models.connections) if isinstance(models, ProviderModels) else FakeModerator()

    return later(made)
