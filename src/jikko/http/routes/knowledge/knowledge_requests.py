"""Requests to the knowledge API: their key, and the page of a list that they want."""

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from jikko.errors import InvalidParam, JikkoError, Unauthorized
from jikko.http.auth import api_key
from jikko.http.operation import DeclaredHandler, DeclaredRoute, Operation, ids_in
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, deleted
from jikko.knowledge.service import Knowledge


class DatasetRoute(DeclaredRoute, frozen=True, kw_only=True):
    """A route that takes a key of datasets (``dataset-…``), as the decorator that makes an operation of its handler."""

    tag: str = "Knowledge"
    key: Literal["app", "apps", "dataset", "console"] = "dataset"
    lists_are: ClassVar[type[JikkoError]] = InvalidParam
    nothing: ClassVar[tuple[str, Callable[[], Response]]] = "*/*", deleted

    def __call__(self, handler: DeclaredHandler) -> Operation:
        """The operation, for those who have such a key: others are refused, and those who used theirs too often."""
        route, answered = self.declared(handler)

        @wraps(handler)
        async def guarded(request: Request) -> SendableResponse:
            if not await knowledge_of(request).keys.open(api_key(request)):
                raise Unauthorized("Access token is invalid")
            return await answered(request, request)

        return Operation(handler=guarded, **asdict(replace(route, ids=ids_in(route.path))))


def knowledge_of(request: Request) -> Knowledge:
    """The datasets that this server has."""
    return request.api.knowledge


_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
_LIMIT = 20


class Paged(Struct):
    """A page of a list; what its numbers may be, ``lenient_page`` and the others say."""

    page: Annotated[Any, Meta(description="Default 1.", extra_json_schema={"type": "integer"})] = None
    limit: Annotated[Any, Meta(description="Default 20, at most 100.", extra_json_schema={"type": "integer"})] = None
    keyword: Annotated[str, Meta(description="A part of the name, or of the text.")] = ""


def lenient_page(query: Mapping[str, str]) -> tuple[int, int]:
    """Page and limit, whatever they are: those of datasets are echoed as they come. (Dify)
    Raises ``InvalidParam``: one is no whole number."""
    return _number(query, "page", 1), _number(query, "limit", _LIMIT)


def default_page(query: Mapping[str, str]) -> tuple[int, int]:
    """Page and limit; what is no number, and a limit of 0, counts as not given; no limit is above 100. (Dify)"""
    number, size = _given(query)
    return max(1, number), min(100, max(1, size or _LIMIT))


def strict_page(query: Mapping[str, str]) -> tuple[int, int]:
    """As ``default_page``, but a number out of its range is refused.
    Raises ``InvalidParam``: the page is below 1, or the limit not between 1 and 100."""
    number, size = _given(query)
    if number < 1 or not 1 <= size <= 100:
        raise InvalidParam("page: must be at least 1; limit: must lie between 1 and 100")
    return number, size


def _given(query: Mapping[str, str]) -> tuple[int, int]:
    page, limit = query.get("page", ""), query.get("limit", "")
    return int(page) if _WHOLE.fullmatch(page) else 1, int(limit) if _WHOLE.fullmatch(limit) else _LIMIT


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if _WHOLE.fullmatch(text) is None:
        raise InvalidParam(f"{name}: must be a whole number")
    return int(text)
