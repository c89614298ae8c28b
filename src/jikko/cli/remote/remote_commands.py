"""Commands through the management API, the API as an MCP server over stdin and stdout (``jikko mcp manage``), and
local-only commands with the reasons."""

import json
import sys
from collections.abc import Mapping
from inspect import signature
from typing import Any, Final

import click
from click.core import ParameterSource

from jikko.cli.command_failure import Failure
from jikko.cli.options import with_settings
from jikko.cli.remote import remote_apps as remote_apps
from jikko.cli.remote import remote_runs as remote_runs
from jikko.cli.remote.remote_server import OVER_API as OVER_API
from jikko.cli.remote.remote_server import Management, does
from jikko.settings import Settings

_PARSE_ERROR: Final = -32700
_INTERNAL_ERROR: Final = -32603


@click.command()
@with_settings
def manage(settings: Settings) -> None:
    """Manage a server through MCP over stdin and stdout, for clients that start a program.

    The tools are the operations of the server's management API that the token may use. Set JIKKO_URL and JIKKO_TOKEN.
    Clients that speak HTTP need no command: the server has the same at /mcp/manage.
    """
    raise click.UsageError(
        "Name the server: --url and --token (JIKKO_URL, JIKKO_TOKEN). `jikko console tokens new NAME` makes a token."
    )


@does("mcp manage")
def manage_over_stdio(api: Management) -> None:
    """Forward each line of stdin, a JSON-RPC message, and print the server's response, until stdin ends."""
    for line in sys.stdin.buffer:
        if line.strip() and (answer := _answer(api, line)) is not None:
            click.echo(json.dumps(answer))


def _answer(api: Management, line: bytes) -> Any:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return _error(None, _PARSE_ERROR, "The line is not JSON.")
    message_id = message.get("id") if isinstance(message, dict) else None
    try:
        return api.json("POST", "/mcp/manage", line)
    except Failure as failure:
        if message_id is None and isinstance(message, dict) and "method" in message:
            click.echo(failure.message, err=True)  # a notification has no response
            return None
        return _error(message_id, _INTERNAL_ERROR, failure.message)


def _error(message_id: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": message}}


_FILES: Final = "works with files and the installation on this machine, with or without a server"
_CHAT: Final = "talks by the service API (`jikko chat --url URL --key KEY`)"
_MACHINE: Final = "works on the data folder and the processes of this machine"
_LIBRARIES: Final = "manages the installation on this machine"
_RECORD: Final = "reads or writes whole runs with their logs, which the API returns one at a time"
_KNOWLEDGE: Final = "works on datasets, which have their own API and keys (docs/knowledge.md)"
LOCAL_ONLY: Final[Mapping[str, str]] = {
    **dict.fromkeys(("check", "doctor", "run", "schema", "show", "skill", "test"), _FILES),
    **dict.fromkeys(("backup", "cluster", "console", "keys", "migrate", "move", "reload"), _MACHINE),
    **dict.fromkeys(("restore", "serve", "servers", "users"), _MACHINE),
    **dict.fromkeys(("packages", "plugins", "providers", "tools"), _LIBRARIES),
    **dict.fromkeys(("coverage", "replay", "runs export", "runs files", "runs import"), _RECORD),
    **dict.fromkeys(("runs prune", "runs save", "runs trace"), _RECORD),
    "chat": _CHAT,
    "knowledge": _KNOWLEDGE,
}
"""Reasons by command, or by group for all without a line of their own."""


class RemoteCommands:
    """Runs commands at a server."""

    def __init__(self, url: str, token: str, *, explicit: bool) -> None:
        """Args:
        url: ``""``, like the token: not given.
        explicit: Whether the server was named by an option, not by the environment.

        Raises:
            click.UsageError: URL or token is invalid, or only one of the options was given.
        """
        self._api = Management(url, token) if url and token else None
        if self._api is None and explicit:
            raise _half()
        self._explicit = explicit

    def takes(self, context: click.Context) -> bool:
        """Return whether a command is for the server: local-only ones count if the server was an option."""
        if self._api is None:
            # A missing secret must not redirect a server's command to the local data folder.
            return _name_of(context) in OVER_API
        return self._explicit or LOCAL_ONLY.get(_name_of(context)) not in (_FILES, _CHAT)

    def run(self, context: click.Context) -> int | None:
        """Run a command.

        Raises:
            click.UsageError: It, or one of its parameters, is local-only; or URL or token is missing.
            Failure: The server does not answer, or refuses.
        """
        if self._api is None:
            raise _half()
        return _run(self._api, context)


def _half() -> click.UsageError:
    return click.UsageError("--url and --token belong together (JIKKO_URL, JIKKO_TOKEN): one of them is not set.")


def _run(api: Management, context: click.Context) -> int | None:
    name = _name_of(context)
    work = OVER_API.get(name)
    if work is None:
        reason = LOCAL_ONLY.get(name) or LOCAL_ONLY[name.partition(" ")[0]]
        raise click.UsageError(
            f"`jikko {name}` has no --url: it {reason}. "
            "Leave out --url and --token, or unset JIKKO_URL and JIKKO_TOKEN."
        )
    taken, given = signature(work).parameters, {}
    for parameter in context.command.params:
        key = parameter.name or ""
        if key in taken:
            given[key] = context.params[key]
        elif key != "home" and context.get_parameter_source(key) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]}: `jikko {name}` does not take it over --url.")
    return work(api, **given)


def _name_of(context: click.Context) -> str:
    return " ".join(context.command_path.split()[1:])
