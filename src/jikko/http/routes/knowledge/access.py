"""Who may use the knowledge API: clients with a key of datasets."""

import re
from functools import wraps
from typing import Final, Literal

from msgspec.structs import replace

from jikko.errors import Unauthorized
from jikko.http.auth import api_key
from jikko.http.operation import Handler, Operation, Route
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse
from jikko.knowledge.service import Knowledge

_ANY_TEXT: Final = ("action", "batch", "model_type")
"""Parts of paths that are no ids."""


class DatasetRoute(Route, frozen=True):
    """A route that takes a key of datasets (``dataset-…``)."""

    tag: str = "Knowledge"
    key: Literal["app", "dataset", "console"] = "dataset"

    def __call__(self, handler: Handler) -> Operation:
        """The operation; without an id in its path that is one, there is no such address."""
        ids = tuple(name for name in re.findall(r"{(\w+)}", self.path) if name not in _ANY_TEXT)
        return replace(super().__call__(_guarded(handler)), ids=ids)


def _guarded(handler: Handler) -> Handler:
    """The handler, for requests with a key that opens datasets.

    Raises:
        Unauthorized: There is no key, or it opens none: that of an app does not.
        TooManyRequests: The key was used too often in the last minute.
    """

    @wraps(handler)
    async def guarded(request: Request) -> SendableResponse:
        key = api_key(request)
        if not await knowledge_of(request).keys.open(key):
            raise Unauthorized("Access token is invalid")
        return await handler(request)

    return guarded


def knowledge_of(request: Request) -> Knowledge:
    """The datasets that this server has."""
    return request.api.knowledge
