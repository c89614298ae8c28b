"""Asks a model whether a text may be said.

Source: docs/dify-behaviour.md, “Features” (``sensitive_word_avoidance`` of the type ``openai_moderation``).
"""

from jikko.errors import InvalidParam
from jikko.ports.default_models import DefaultModels
from jikko.ports.models import ModelFailure
from jikko.ports.moderation import ModerationRequest, Moderator


class ModerationModel:
    """The model that moderates: the default one for it."""

    def __init__(self, moderator: Moderator, defaults: DefaultModels) -> None:
        self._moderator = moderator
        self._model = defaults.get("moderation")

    async def refuses(self, text: str, app_id: str) -> bool:
        """Whether it finds anything in a text that must not be said.

        Raises:
            InvalidParam: There is no model, or it gave no answer that can be used.
        """
        if self._model is None:
            raise InvalidParam(
                "No model is set up that moderates this app. Name one in the providers file: "
                "defaults: {moderation: {provider: openai, model: omni-moderation-latest}}"
            )
        provider, model = self._model
        request = ModerationRequest(provider=provider, model=model, text=text, app_id=app_id)
        try:
            return await self._moderator.flags(request)
        except ModelFailure as failure:
            raise InvalidParam(f"The model {model!r} that moderates this app cannot be asked: {failure}") from None
