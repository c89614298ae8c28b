"""Queries of requests: what stands behind the ``?`` of an address, as a struct that also describes it to clients.

    class LogFilter(Struct):
        page: Annotated[int, Meta(ge=1, le=99_999, description="Default 1.")] = 1

A field is a text, a number, a ``Literal``, or of a class whose ``parse`` makes one of a text; ``ValueError`` says what
it must be.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from jikko.errors import InvalidParam
from jikko.http.body_fields import must, problems, worded
from jikko.ids import is_uuid

_DIGITS: Final = 16
"""A page of that many digits times the entries of a page fits into the integers of a database."""
_MAX_NUMBER: Final = 1e15


class _Uuid(str):
    """A UUID in lower case."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "_Uuid":
        if not is_uuid(text):
            raise ValueError("must be a valid UUID")
        return cls(text.lower())


Id: TypeAlias = Annotated[
    _Uuid, Meta(extra_json_schema={"type": "string", "format": "uuid"}, extra=must("must be a valid UUID"))
]
"""A UUID, in lower case."""
Query = TypeVar("Query", bound=Struct)


def queried(query: Mapping[str, str], into: type[Query]) -> Query:
    """A query as a struct. What is empty counts as not given; what ``into`` does not have is not looked at.
    Raises ``InvalidParam``: some is missing or wrong. Tells all of it."""
    readers = _readers(into)
    given = {name: readers[name](text) if name in readers else text for name, text in query.items() if text}
    try:
        return msgspec.convert(given, into, dec_hook=_parsed)
    except msgspec.ValidationError:
        raise InvalidParam("; ".join(problems(given, into, _worded, _parsed))) from None


def is_on(text: str) -> bool:
    """Whether a switch is on; all other texts switch it off."""
    return text.lower() in ("1", "true")


def _parsed(kind: Any, text: str) -> Any:
    return kind.parse(text)


@cache
def _readers(into: type[Struct]) -> Mapping[str, Callable[[str], Any]]:
    """What reads the numbers of a query, by parameter."""
    return {
        field.encode_name: _READERS[kind]
        for field in msgspec.structs.fields(into)
        for kind in _parts(field.type)
        if kind in _READERS
    }


def _parts(kind: Any) -> Iterator[Any]:
    """A type, and the types and annotations of which it is made."""
    yield kind
    for part in get_args(kind):
        yield from _parts(part)


def _whole(text: str) -> int | str:
    digits = text[1:] if text.startswith(("+", "-")) else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS else text


def _number(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if abs(number) < _MAX_NUMBER else text


_READERS: Final[Mapping[Any, Callable[[str], Any]]] = {int: _whole, float: _number}
"""What is no number stays a text, which is refused as one."""


def _worded(message: str, kind: Any) -> tuple[str, str]:
    """As ``worded``; of a number out of its range, the range."""
    bounds = next((part for part in _parts(kind) if isinstance(part, Meta) and part.ge is not None), None)
    if bounds is None or "got" in message:
        return worded(message, kind)
    return "", f"must be at least {bounds.ge}" if bounds.le is None else f"must lie between {bounds.ge} and {bounds.le}"
