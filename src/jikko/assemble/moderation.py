"""Picks what looks at texts."""

from jikko.ports.models import Models
from jikko.ports.moderation import Moderator
from jikko.providers.fake_moderator import FakeModerator
from jikko.providers.models import ProviderModels
from jikko.providers.moderators import ProviderModerators


def make_moderator(models: Models) -> Moderator:
    """What looks at texts beside these language models, over the same connections; no model, if they are fake."""
    return ProviderModerators(models.connections) if isinstance(models, ProviderModels) else FakeModerator()
