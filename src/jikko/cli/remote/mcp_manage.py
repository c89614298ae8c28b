"""``jikko mcp manage``: the management API of a server as an MCP server over stdin and stdout."""

import json
import sys
from typing import Any, Final

import click

from jikko.cli.command_failure import Failure
from jikko.cli.options import with_settings
from jikko.cli.remote.management import Management
from jikko.settings import Settings

_PARSE_ERROR: Final = -32700
_INTERNAL_ERROR: Final = -32603


@click.command()
@with_settings
def manage(settings: Settings) -> None:
    """Manage a server as an MCP server over stdin and stdout, for programs that start one.

    The tools are operations of the server's management API, those that the token may use. Set JIKKO_URL and
    JIKKO_TOKEN. Clients that speak HTTP need no command: the server has the same at /mcp/manage.
    """
    raise click.UsageError(
        "Say which server: --url and --token (JIKKO_URL, JIKKO_TOKEN). `jikko console tokens new NAME` makes a token."
    )


def manage_over_stdio(api: Management) -> None:
    """Hand on each line of stdin, a message of JSON-RPC, and print what the server answers, until stdin ends."""
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
            click.echo(failure.message, err=True)  # a notification has no answer
            return None
        return _error(message_id, _INTERNAL_ERROR, failure.message)


def _error(message_id: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": message}}
