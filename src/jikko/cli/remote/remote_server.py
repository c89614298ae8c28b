"""HTTP clients of commands for a remote server: with an app's key; and with a management token, by ``jikko --url …
--token …``."""

import json
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import click
from msgspec import Meta, Struct, ValidationError, convert, defstruct

from jikko.cli.command_failure import Failure
from jikko.errors import system_reason
from jikko.exit_codes import ExitCode, of_answer
from jikko.ids import is_uuid

TIMEOUT_SECONDS: Final = 60.0


class _NoRedirects(HTTPRedirectHandler):
    """Tokens and keys are sent only to the named server."""

    def redirect_request(self, *_: Any) -> None:
        return None


class RemoteServer:
    """Server with its credentials. Paths start with a slash, or are below ``/api/v1/``."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._open = build_opener(_NoRedirects).open

    def json(self, method: str, path: str, *request: Any, **options: Any) -> Any:
        """Send a request for JSON, as ``raw``. Raises ``Failure``: unreachable, refused, or not Jikko."""
        try:
            return json.loads(self.raw(method, path, *request, **options) or b"null")
        except (ValueError, RecursionError):
            raise self.stranger() from None

    def raw(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "application/json",
        seconds: float | None = TIMEOUT_SECONDS,
    ) -> bytes:
        """Send a request for any content. ``seconds``: Timeout, or ``None``. Raises ``Failure`` as ``json``."""
        with self._answer(method, path, body, kind, seconds) as answer:
            try:
                return bytes(answer.read())
            except (HTTPException, OSError) as error:
                raise self._unreachable(error) from None

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        """Iterate over the events of a stream, until it ends. Raises ``Failure`` as ``json``."""
        name = ""
        with self._answer("GET", path, None, "", TIMEOUT_SECONDS) as answer:
            try:
                for line in answer:
                    if line.startswith(b"event: "):
                        name = line[7:].strip().decode()
                    elif line.startswith(b"data: ") and name != "hello":
                        event = self.checked(json.loads(line[6:]), dict)
                        if name == "error":
                            raise Failure(str(event.get("message")), code=str(event.get("code")))
                        yield event
            except (HTTPException, OSError) as error:
                raise self._unreachable(error) from None
            except (ValueError, RecursionError):
                raise self.stranger() from None

    def checked(self, answer: Any, shape: Any) -> Any:
        """Return JSON that has a shape, unchanged. ``shape``: A type that msgspec converts to. Raises ``Failure``."""
        try:
            convert(answer, shape)
        except ValidationError:
            raise self.stranger() from None
        return answer

    def _answer(self, method: str, path: str, body: bytes | None, kind: str, seconds: float | None) -> Any:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": kind}
        url = self._url + (path if path.startswith("/") else f"/api/v1/{path}")
        try:
            return self._open(Request(url, body, headers, method=method), timeout=seconds)
        except HTTPError as error:
            raise self._refused(error) from None
        except (URLError, HTTPException, OSError) as error:
            raise self._unreachable(error) from None
        except ValueError as error:
            raise click.UsageError(f"--url: {error}") from None

    def _refused(self, answer: HTTPError) -> Failure:
        status = answer.code
        try:
            error = json.loads(answer.read())
            return Failure(f"{status}: {error['message']}", exit_code=of_answer(status), code=str(error["code"]))
        except (ValueError, KeyError, TypeError, RecursionError, HTTPException, OSError):
            return self.stranger(f" ({status})")

    def _unreachable(self, error: Exception) -> Failure:
        reason = getattr(error, "reason", None) or error
        message = f"{self._url}: no server answers: {system_reason(reason) if isinstance(reason, OSError) else reason}"
        return Failure(
            message, exit_code=ExitCode.UNAVAILABLE, code="no_server", hint="Name the server with --url or JIKKO_URL."
        )

    def stranger(self, status: str = "") -> Failure:
        return Failure(f"{self._url}: the answer{status} is not one of Jikko's.", code="no_server")


PAGE = 200
"""Maximum entries per page."""

Id = Annotated[str, Meta(pattern=r"\A[0-9a-f-]{36}\Z")]


def shape(optional: Mapping[str, Any] = MappingProxyType({}), /, **fields: Any) -> type[Struct]:
    """Return the type of an object with these fields, for ``RemoteServer.checked``: it may have others."""
    return defstruct("Shape", [*fields.items(), *((name, kind | None, None) for name, kind in optional.items())])


def many(entry: Any, least: int = 0) -> Any:
    """Return the type of a list of objects of a shape."""
    return Annotated[list[entry], Meta(min_length=least)]


HAS_ID: Final = shape(id=Id)
HAS_RUN_ID: Final = shape(run_id=Id)
VERSION: Final = shape(workflow_id=Id, number=int)
_APP: Final = shape(id=Id, name=str, mode=str, description=str, version=VERSION)
_TRIGGER: Final = shape(id=Id, node_id=str, app=shape(name=str))


class Management(RemoteServer):
    """Server with a management token. Paths are below ``/api/v1/``, or start with a slash."""

    def __init__(self, url: str, token: str) -> None:
        """Raises ``click.UsageError``: the URL is invalid."""
        if not url.startswith(("http://", "https://")):
            raise click.UsageError(f"--url: {url!r} is not the address of a server, such as https://jikko.example.")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise click.UsageError("--token: not a token; `jikko console tokens new NAME` makes one on the server.")
        super().__init__(url, token)

    def get(self, path: str, shape: Any, **query: Any) -> Any:
        """Get JSON of a shape, as ``checked``. Parameters that are ``None`` are omitted."""
        given = urlencode({name: value for name, value in query.items() if value is not None})
        return self.checked(self.json("GET", f"{path}?{given}" if given else path), shape)

    def post(self, path: str, shape: Any, body: Any = None) -> Any:
        """Send JSON, and return JSON of a shape, as ``checked``."""
        return self.checked(self.json("POST", path, b"{}" if body is None else json.dumps(body).encode()), shape)

    def delete(self, path: str) -> None:
        if self.raw("DELETE", path):
            raise self.stranger()

    def entries(self, path: str, entry: Any, **query: Any) -> list[dict[str, Any]]:
        """Return a list without pages. ``entry``: The shape of each."""
        found: list[dict[str, Any]] = self.get(path, shape(data=many(entry)), **query)["data"]
        return found

    def pages(self, path: str, entry: Any, limit: int, **query: Any) -> list[dict[str, Any]]:
        """Return the first entries of a list, newest first. ``entry``: The shape of each."""
        found: list[dict[str, Any]] = []
        listed, cursor = shape({"next": str}, data=many(entry)), None
        while len(found) < limit:
            page = self.get(path, listed, **query, cursor=cursor, limit=min(PAGE, limit - len(found)))
            found += page["data"]
            cursor = page.get("next")
            if cursor is None:
                break
        return found

    def apps(self) -> list[dict[str, Any]]:
        return self.entries("apps", _APP)

    def app(self, name_or_id: str) -> dict[str, Any]:
        """Return an app by its id or exact name. Raises ``Failure`` if it does not exist."""
        return _named(self.apps(), name_or_id, ("id", "name"), "app")

    def app_id(self, name_or_id: str) -> str:
        """Return the id of an app; an id is not looked up."""
        return name_or_id.lower() if is_uuid(name_or_id) else str(self.app(name_or_id)["id"])

    def run_id(self, text: str) -> str:
        """Return the id of a run by its prefix, among the newest 200. Raises ``Failure``: none or several match."""
        if is_uuid(text):
            return text.lower()
        begin = text.lower()
        ids = [run["id"] for run in self.entries("runs", HAS_ID, limit=PAGE) if run["id"].startswith(begin)]
        if len(ids) != 1:
            what = f"{len(ids)} of the newest {PAGE} runs begin so" if ids else f"no run of the newest {PAGE} begins so"
            raise Failure(
                f"{text!r}: {what}.", exit_code=ExitCode.NOT_FOUND, code="not_found", hint="Give the whole id."
            )
        return str(ids[0])

    def triggers(self, **query: Any) -> list[dict[str, Any]]:
        return self.pages("triggers", _TRIGGER, 10_000, **query)

    def trigger(self, text: str) -> dict[str, Any]:
        """Return a trigger by its id or ``APP/NODE``. Raises ``Failure`` if it does not exist."""
        triggers = self.triggers()
        for trigger in triggers:
            trigger["name"] = f"{trigger['app']['name']}/{trigger['node_id']}"
        return _named(triggers, text, ("id", "name"), "trigger")


def part(text: Any) -> str:
    """Encode a path segment."""
    return quote(str(text), safe="")


def _named(entries: list[dict[str, Any]], wanted: str, by: tuple[str, ...], what: str) -> dict[str, Any]:
    for name in by:
        for entry in entries:
            if entry[name] == (wanted.lower() if name == "id" else wanted):
                return entry
    raise Failure(f"No {what} {wanted!r} there.", exit_code=ExitCode.NOT_FOUND, code="not_found")


OVER_API: Final[dict[str, Callable[..., int | None]]] = {}
"""Implementations of commands through the management API, by name; each with its supported parameters."""
F = TypeVar("F", bound=Callable[..., int | None])


def does(command: str) -> Callable[[F], F]:
    """Register a function for a command through the management API. Its parameters are a subset of the command's."""

    def noted(work: F) -> F:
        OVER_API[command] = work
        return work

    return noted
