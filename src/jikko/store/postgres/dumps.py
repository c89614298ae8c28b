"""Dumps of a whole database, made and restored by PostgreSQL's own programs, and their arguments for a url."""

from shlex import quote
from typing import Final
from urllib.parse import urlsplit

_FILE: Final = "jikko.dump"
_TAKEN: Final = frozenset(
    {
        "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "gssencmode",
        "gsslib", "host", "hostaddr", "keepalives", "krbsrvname", "load_balance_hosts", "options", "passfile", "port",
        "require_auth", "service", "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert", "target_session_attrs",
        "user",
    }
)  # fmt: skip
"""Options of a url that these programs take. What else may stand there are passwords, and what servers are told."""


def dump_line(url: str) -> str:
    """The line of a shell that copies a database to a file. No password is in it."""
    return f"pg_dump --format=custom --file={_FILE} {quote(without_password(url))}"


def restore_line(url: str) -> str:
    """The line of a shell that brings the file back, into a database with nothing in it. No password is in it."""
    return f"pg_restore --exit-on-error --no-owner --dbname={quote(without_password(url))} {_FILE}"


def without_password(url: str) -> str:
    """A url as PostgreSQL's programs take it, without passwords: they ask, or read PGPASSFILE or PGPASSWORD."""
    parts = urlsplit(url)
    who, at, hosts = parts.netloc.rpartition("@")
    query = "&".join(option for option in parts.query.split("&") if option.partition("=")[0] in _TAKEN)
    # Written by hand: without a host, `urlunsplit` leaves out the slashes that these programs want.
    return f"{parts.scheme}://{who.partition(':')[0]}{at}{hosts}{parts.path}{f'?{query}' if query else ''}"
