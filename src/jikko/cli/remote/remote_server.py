"""The HTTP client of commands that act at a server elsewhere, with a token for management or the key of an app."""

import json
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import click

from jikko.cli.command_failure import Failure
from jikko.exit_codes import ExitCode, of_answer

TIMEOUT_SECONDS: Final = 60.0


class _NoRedirects(HTTPRedirectHandler):
    """A token or key goes to the server that was named, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


class RemoteServer:
    """A server, and what opens it. Paths begin with a slash, or are below ``/api/v1/``."""

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
        """An answer in JSON. ``seconds``: for which it is waited; ``None``: however long it takes.

        Raises:
            Failure: The server does not answer, refuses, or is none of ours.
        """
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
        """An answer as it comes. Raises ``Failure`` as ``json``."""
        with self._answer(method, path, body, kind, seconds) as answer:
            try:
                return bytes(answer.read())
            except (HTTPException, OSError) as error:
                raise self._unreachable(error) from None

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        """The events of a stream, until it ends. Raises ``Failure`` as ``json``."""
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
