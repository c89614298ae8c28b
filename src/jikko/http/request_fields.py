"""Common fields of bodies and queries, and the errors of invalid ones.

A query is a struct, which also describes it to clients:

    class LogFilter(Struct):
        page: Annotated[int, Meta(ge=1, le=99_999, description="Default 1.")] = 1

A field of it is a text, a number, a ``Literal``, or of a class whose ``parse`` converts a text, and raises
``ValueError`` with what it must be.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from jikko.errors import BadRequest, InvalidParam
from jikko.http.requests import Request
from jikko.ids import is_uuid
from jikko.values import Json

_USER_LENGTH: Final = 255
_TRACE_SESSION_LENGTH: Final = 200
_MUST: Final = "must"

_EXPECTED: Final = re.compile(
    r"Expected `([^`]+)`(?: of length (>=|<=|==) (\d+)|(?: (>=|<=|>|<) (-?[\d.]+)))?(?:, got `([^`]+)`)?"
)
_PLACE: Final = re.compile(r" - at `\$([^`]*)`$")
_MISSING: Final = re.compile(r"Object missing required field `([^`]+)`")
_KINDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_BOUNDS: Final = {">=": "at least", "<=": "at most", "==": "exactly", ">": "more than", "<": "less than"}


def must(text: str) -> dict[str, str]:
    """Make the ``extra`` of a field's ``Meta``: what it must be, as its error says."""
    return {_MUST: text}


AnyUser: TypeAlias = Annotated[
    Any, Meta(extra_json_schema={"anyOf": [{"type": "string", "minLength": 1, "maxLength": 255}, {"type": "number"}]})
]
"""``user`` of a body; see ``user_named``."""
Mode: TypeAlias = Literal["blocking", "streaming", "async"]
"""Response mode of a run's start."""
AnyMode: TypeAlias = Annotated[Mode | None, Meta(extra=must("must be 'blocking', 'streaming' or 'async'"))]
StartMode: TypeAlias = Annotated[
    AnyMode,
    Meta(
        description="blocking (default): answer at the end. streaming: server-sent events. async: answer at once "
        "with 202."
    ),
]
GivenFiles: TypeAlias = Annotated[list[dict[str, Json]] | None, Meta(extra=must("must be a list of objects"))]
CallbackUrl: TypeAlias = Annotated[
    Any,
    Meta(
        description="Where the run detail is posted once the run has ended, signed per Standard Webhooks.",
        extra_json_schema={
            "anyOf": [{"type": "string", "pattern": "^https?://[^/?#]", "maxLength": 2000}, {"type": "null"}]
        },
    ),
]

TRACE_SESSION: Final = {"type": "string", "minLength": 1, "maxLength": 200}
TraceSession: TypeAlias = Annotated[Any, Meta(extra_json_schema={"anyOf": [TRACE_SESSION, {"type": "null"}]})]


class UserRequest(Struct):
    """Body with the user only."""

    user: AnyUser


Body = TypeVar("Body", bound=Struct)


def checked(body: dict[str, Any], into: type[Body]) -> Body:
    """Convert a body to a struct. Fields with ``must`` say what they have to be.
    Raises ``InvalidParam``: missing fields or wrong types; lists all of them."""
    try:
        return msgspec.convert(body, into)
    except msgspec.ValidationError:
        raise InvalidParam("; ".join(problems(body, into))) from None


def worded(message: str, kind: Any) -> tuple[str, str]:
    """Translate a message of msgspec for clients: place and problem. ``kind``: The expected type."""
    place = _PLACE.search(message)
    bare = message if place is None else message[: place.start()]
    return "" if place is None else place[1], _what(bare, kind)


def problems(
    body: Mapping[str, Any],
    into: type[Struct],
    words: Callable[[str, Any], tuple[str, str]] = worded,
    parsed: Callable[[Any, Any], Any] | None = None,
) -> Iterator[str]:
    """Yield the problems of values for a struct, field by field. ``parsed``: ``dec_hook`` of msgspec."""
    for field in msgspec.structs.fields(into):
        value = body.get(field.encode_name)
        if not field.required and field.encode_name not in body:
            continue
        try:
            msgspec.convert(value, field.type, dec_hook=parsed)
        except msgspec.ValidationError as error:
            given = next((part.extra for part in get_args(field.type) if isinstance(part, Meta) and part.extra), {})
            where, what = ("", given[_MUST]) if _MUST in given else words(str(error), field.type)
            is_missing = value is None and field.required
            yield f"{field.encode_name}{where}: {f'is required and {what}' if is_missing else what}"


def _what(bare: str, kind: Any) -> str:
    if bare.startswith("Invalid enum value"):
        choices = _choices(kind)
        return f"must be one of {', '.join(choices)}" if choices else bare.replace("Invalid enum value", "cannot be")
    if missing := _MISSING.fullmatch(bare):
        return f"the field {missing[1]!r} is required"
    found = _EXPECTED.fullmatch(bare)
    if found is None:
        return bare
    kinds = [_KINDS.get(each, each) for each in found[1].split(" | ") if each != "null"] or ["null"]
    bound = ""
    if found[2]:
        unit = "character" if found[1].startswith("str") else "element"
        bound = f" of {_BOUNDS[found[2]]} {found[3]} {unit}{'' if found[3] == '1' else 's'}"
    elif found[4]:
        bound = f" of {_BOUNDS[found[4]]} {found[5]}"
    return f"must be {' or '.join(kinds)}{bound}"


def _choices(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(each) for each in get_args(kind)]
    return next((found for part in get_args(kind) if (found := _choices(part))), [])


def user_of(body: Mapping[str, Any]) -> str:
    """Return the ``user`` of a body or query. Raises ``InvalidParam``: missing or empty, or see ``user_named``."""
    user = user_named(body.get("user"))
    if not user:
        raise InvalidParam("Arg user must be provided.")
    return user


def user_named(user: Any) -> str:
    """Normalise a user to a text without NULs; ``""`` for a missing one or, as in Dify, 0 and the like.

    Raises ``InvalidParam``: neither text nor number, or longer than 255 characters."""
    if not user:
        return ""
    if isinstance(user, (int, float)) and not isinstance(user, bool):
        user = str(user)
    if not isinstance(user, str):
        raise InvalidParam("Arg user must be a string.")
    name = user.replace("\x00", "")
    if len(name) > _USER_LENGTH:
        raise InvalidParam(f"Arg user must have at most {_USER_LENGTH} characters.")
    return name


def check_trace_session(request: Request, in_body: Any) -> None:
    """Check a start's trace session: from the header, else the query, else the body. It has no effect.

    Source: docs/dify-behaviour.md, “Running a workflow”.
    Raises ``BadRequest``: not a text of 1 to 200 characters, without surrounding whitespace.
    """
    session: Any = request.header(b"x-trace-session-id")
    if session is None and request.scope["query_string"]:
        session = request.query.get("trace_session_id")
    if session is None:
        session = in_body
    if session is None:
        return
    if not isinstance(session, str) or not 0 < len(session.strip()) <= _TRACE_SESSION_LENGTH:
        raise BadRequest(f"trace_session_id must be a text of 1 to {_TRACE_SESSION_LENGTH} characters.")


_DIGITS: Final = 16
"""A page number of so many digits, times the page size, fits a database integer."""
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
    """Convert a query to a struct. Empty texts count as missing, empty numbers and choices are invalid; unknown
    parameters are ignored. Raises ``InvalidParam``: missing or invalid parameters; lists all of them."""
    readers = _readers(into)
    given = {name: readers.get(name, str)(text) for name, text in query.items() if text or name in readers}
    try:
        return msgspec.convert(given, into, dec_hook=_parsed)
    except msgspec.ValidationError:
        raise InvalidParam("; ".join(problems(given, into, _worded, _parsed))) from None


_WORDS: Final = {
    **dict.fromkeys(("true", "1", "yes", "y", "on", "t"), True),
    **dict.fromkeys(("false", "0", "no", "n", "off", "f"), False),
}


def flag(value: Json, name: str) -> bool:
    """Parse a boolean or a word for one. Raises ``InvalidParam``."""
    word = _WORDS.get(str(value).strip().lower()) if isinstance(value, (str, int)) else None
    if word is None:
        raise InvalidParam(f"{name}: must be a boolean")
    return word


def is_on(text: str) -> bool:
    """Return whether a switch is on; any other text is off."""
    return text.lower() in ("1", "true")


def _parsed(kind: Any, text: str) -> Any:
    return kind.parse(text)


@cache
def _readers(into: type[Struct]) -> Mapping[str, Callable[[str], Any]]:
    """Return the readers of a query's numbers and choices, by parameter."""
    return {
        field.encode_name: reader
        for field in msgspec.structs.fields(into)
        for kind in _parts(field.type)
        if (reader := _READERS.get(get_origin(kind) or kind))
    }


def _parts(kind: Any) -> Iterator[Any]:
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


_READERS: Final[Mapping[Any, Callable[[str], Any]]] = {int: _whole, float: _number, Literal: str}
"""Text that is not a number stays text, and is rejected as such."""


def _worded(message: str, kind: Any) -> tuple[str, str]:
    """Like ``worded``, with the range of a number out of range."""
    bounds = next((part for part in _parts(kind) if isinstance(part, Meta) and part.ge is not None), None)
    if bounds is None or "got" in message:
        return worded(message, kind)
    return "", f"must be at least {bounds.ge}" if bounds.le is None else f"must lie between {bounds.ge} and {bounds.le}"
