"""Who may use the knowledge API: clients with a key of datasets."""

from functools import wraps

from jikko.errors import Unauthorized
from jikko.http.auth import api_key
from jikko.http.operation import Handler
from jikko.http.requests import Request
from jikko.http.responses import Answer
from jikko.knowledge.service import Knowledge


def for_datasets(handler: Handler) -> Handler:
    """The handler, for requests with a key that opens datasets.

    Raises:
        Unauthorized: There is no key, or it opens none: that of an app does not.
        TooManyRequests: The key was used too often in the last minute.
    """

    @wraps(handler)
    async def guarded(request: Request) -> Answer:
        key = api_key(request)
        if not await knowledge_of(request).keys.open(key):
            raise Unauthorized("Access token is invalid")
        return await handler(request)

    return guarded


def knowledge_of(request: Request) -> Knowledge:
    """The datasets that this server has."""
    return request.api.knowledge
