"""A client of the management API, by which commands act on a server elsewhere: ``jikko --url … --token …``."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import click

from jikko.cli.command_failure import Failure
from jikko.cli.remote.remote_server import RemoteServer
from jikko.exit_codes import ExitCode
from jikko.ids import is_uuid

_PAGE = 200
"""Entries that a page has at most."""


class Management(RemoteServer):
    """A server and a token for it. Paths are below ``/api/v1/``, or begin with a slash."""

    def __init__(self, url: str, token: str) -> None:
        """Raises ``click.UsageError``: the URL is none."""
        if not url.startswith(("http://", "https://")):
            raise click.UsageError(f"--url: {url!r} is not the address of a server, such as https://jikko.example.")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise click.UsageError("--token: not a token; `jikko console tokens new NAME` makes one on the server.")
        super().__init__(url, token)

    def get(self, path: str, **query: Any) -> Any:
        """An answer in JSON. Parameters that are ``None`` are left out."""
        return self.json("GET", _with_query(path, query))

    def post(self, path: str, body: Any = None) -> Any:
        """Send JSON."""
        return self.json("POST", path, b"{}" if body is None else json.dumps(body).encode())

    def delete(self, path: str) -> None:
        self.raw("DELETE", path)

    def pages(self, path: str, limit: int, **query: Any) -> list[dict[str, Any]]:
        """The first entries of a list, newest first."""
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
        """An app by its id or exact name. Raises ``Failure``: there is none."""
        apps: list[dict[str, Any]] = self.get("apps")["data"]
        return _named(apps, name_or_id, ("id", "name"), "app")

    def app_id(self, name_or_id: str) -> str:
        """The id of an app; one that is given is taken as it is."""
        return name_or_id.lower() if is_uuid(name_or_id) else str(self.app(name_or_id)["id"])

    def run_id(self, text: str) -> str:
        """The id of a run by its beginning, among the newest 200. Raises ``Failure``: none or several begin so."""
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
        """A trigger by its id or ``APP/NODE``. Raises ``Failure``: there is none."""
        triggers = self.pages("triggers", 10_000)
        for trigger in triggers:
            trigger["name"] = f"{trigger['app']['name']}/{trigger['node_id']}"
        return _named(triggers, text, ("id", "name"), "trigger")


def part(text: Any) -> str:
    """A part of a path."""
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
