"""HTTP clients of commands for a remote server: with an app's key; and with a management token, by ``jikko --url …
--token …``."""

import json
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any, Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import click

from jikko.cli.command_failure import Failure
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

    def json(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "application/json",
        seconds: float | None = TIMEOUT_SECONDS,
    ) -> Any:
        """Send a request for JSON. ``seconds``: Timeout, or ``None``. Raises ``Failure``: the server does not answer,
        refuses, or is not Jikko."""
        try:
            return json.loads(self.raw(method, path, body, kind, seconds) or b"null")
        except ValueError:
            raise self.stranger() from None

    def raw(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "application/json",
        seconds: float | None = TIMEOUT_SECONDS,
    ) -> bytes:
        """Send a request for any content. Raises ``Failure`` as ``json``."""
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
                        event = json.loads(line[6:])
                        if name == "error":
                            raise Failure(str(event.get("message")), code=str(event.get("code")))
                        yield event
            except (HTTPException, OSError) as error:
                raise self._unreachable(error) from None
            except ValueError:
                raise self.stranger() from None

    def _answer(self, method: str, path: str, body: bytes | None, kind: str, seconds: float | None) -> Any:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": kind}
        url = self._url + (path if path.startswith("/") else f"/api/v1/{path}")
        try:
            return self._open(Request(url, body, headers, method=method), timeout=seconds)
        except HTTPError as error:
            raise self._refused(error.code, error.read()) from None
        except (URLError, HTTPException, OSError) as error:
            raise self._unreachable(error) from None
        except ValueError as error:
            raise click.UsageError(f"--url: {error}") from None

    def _refused(self, status: int, answer: bytes) -> Failure:
        try:
            error = json.loads(answer)
            return Failure(f"{status}: {error['message']}", exit_code=of_answer(status), code=str(error["code"]))
        except (ValueError, KeyError, TypeError):
            return self.stranger(f" ({status})")

    def _unreachable(self, error: Exception) -> Failure:
        reason = getattr(error, "reason", None) or error
        message = f"{self._url}: no server answers: {getattr(reason, 'strerror', None) or reason}"
        return Failure(message, exit_code=ExitCode.UNAVAILABLE, code="no_server", hint="--url or JIKKO_URL names it.")

    def stranger(self, status: str = "") -> Failure:
        return Failure(f"{self._url}: the answer{status} is not one of Jikko's.", code="no_server")


_PAGE = 200
"""Maximum entries per page."""


class Management(RemoteServer):
    """Server with a management token. Paths are below ``/api/v1/``, or start with a slash."""

    def __init__(self, url: str, token: str) -> None:
        """Raises ``click.UsageError``: the URL is invalid."""
        if not url.startswith(("http://", "https://")):
            raise click.UsageError(f"--url: {url!r} is not the address of a server, such as https://jikko.example.")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise click.UsageError("--token: not a token; `jikko console tokens new NAME` makes one on the server.")
        super().__init__(url, token)

    def get(self, path: str, **query: Any) -> Any:
        """Get JSON. Parameters that are ``None`` are omitted."""
        return self.json("GET", _with_query(path, query))

    def post(self, path: str, body: Any = None) -> Any:
        """Send JSON."""
        return self.json("POST", path, b"{}" if body is None else json.dumps(body).encode())

    def delete(self, path: str) -> None:
        self.raw("DELETE", path)

    def pages(self, path: str, limit: int, **query: Any) -> list[dict[str, Any]]:
        """Return the first entries of a list, newest first."""
        found: list[dict[str, Any]] = []
        cursor = None
        while len(found) < limit:
            page = self.get(path, **query, cursor=cursor, limit=min(_PAGE, limit - len(found)))
            found += page["data"]
            cursor = page.get("next")
            if cursor is None:
                break
        return found

    def app(self, name_or_id: str) -> dict[str, Any]:
        """Return an app by its id or exact name. Raises ``Failure`` if it does not exist."""
        apps: list[dict[str, Any]] = self.get("apps")["data"]
        return _named(apps, name_or_id, ("id", "name"), "app")

    def app_id(self, name_or_id: str) -> str:
        """Return the id of an app; an id is not looked up."""
        return name_or_id.lower() if is_uuid(name_or_id) else str(self.app(name_or_id)["id"])

    def run_id(self, text: str) -> str:
        """Return the id of a run by its prefix, among the newest 200. Raises ``Failure``: none or several match."""
        if is_uuid(text):
            return text.lower()
        begin = text.lower()
        ids = [run["id"] for run in self.get("runs", limit=_PAGE)["data"] if run["id"].startswith(begin)]
        if len(ids) != 1:
            what = (
                f"{len(ids)} of the newest {_PAGE} runs begin so" if ids else f"no run of the newest {_PAGE} begins so"
            )
            raise Failure(
                f"{text!r}: {what}.", exit_code=ExitCode.NOT_FOUND, code="not_found", hint="Give the whole id."
            )
        return str(ids[0])

    def trigger(self, text: str) -> dict[str, Any]:
        """Return a trigger by its id or ``APP/NODE``. Raises ``Failure`` if it does not exist."""
        triggers = self.pages("triggers", 10_000)
        for trigger in triggers:
            trigger["name"] = f"{trigger['app']['name']}/{trigger['node_id']}"
        return _named(triggers, text, ("id", "name"), "trigger")


def part(text: Any) -> str:
    """Encode a path segment."""
    return quote(str(text), safe="")


def _with_query(path: str, query: dict[str, Any]) -> str:
    given = urlencode({name: value for name, value in query.items() if value is not None})
    return f"{path}?{given}" if given else path


def _named(entries: list[dict[str, Any]], wanted: str, by: tuple[str, ...], what: str) -> dict[str, Any]:
    for name in by:
        for entry in entries:
            if entry[name] == (wanted.lower() if name == "id" else wanted):
                return entry
    raise Failure(f"There is no {what} {wanted!r} there.", exit_code=ExitCode.NOT_FOUND, code="not_found")


OVER_API: Final[dict[str, Callable[..., int | None]]] = {}
"""Implementations of commands through the management API, by name; each with its supported parameters."""
F = TypeVar("F", bound=Callable[..., int | None])


def does(command: str) -> Callable[[F], F]:
    """Register a function for a command through the management API. Its parameters are a subset of the command's."""

    def noted(work: F) -> F:
        OVER_API[command] = work
        return work

    return noted
