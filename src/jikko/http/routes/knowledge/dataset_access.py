"""Access to the knowledge API: for clients with a key of datasets."""

from functools import wraps
from typing import Literal

from jikko.errors import Unauthorized
from jikko.http.auth import api_key
from jikko.http.operation import Handler, Operation, RouteOfIds
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse
from jikko.knowledge.service import Knowledge


class DatasetRoute(RouteOfIds, frozen=True):
    """A route that takes a key of datasets (``dataset-…``)."""

    tag: str = "Knowledge"
    key: Literal["app", "dataset", "console"] = "dataset"

    def __call__(self, handler: Handler) -> Operation:
        """The operation, for those who have such a key."""
        return super().__call__(_guarded(handler))


def _guarded(handler: Handler) -> Handler:
    """The handler, for requests with a key that opens datasets. Raises ``Unauthorized``: there is no key, or it opens
    none: that of an app does not; ``TooManyRequests``: the key was used too often in the last minute."""

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
