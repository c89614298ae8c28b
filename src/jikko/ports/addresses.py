"""Addresses of what others run: a database, NATS servers, a bucket; and as arguments of PostgreSQL's own programs.

Who writes one makes mistakes with the characters of a password, so that no part of an address that cannot be used is
repeated. Nothing here connects to anything.
"""

from shlex import quote
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

_DATABASES: Final = ("postgresql", "postgres")
_NATS: Final = ("nats", "tls")
_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_WANTED: Final = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
_OF_DATABASES: Final = {"sslmode": _MODES, "target_session_attrs": _WANTED}
"""Parts of an address of a database, and what each may be."""
_OF_BUCKETS: Final = ("endpoint", "region", "ca")
_DATABASE: Final = "is no address of a database: expected postgresql://USER@HOST/DATABASE"
_SERVERS: Final = "is no address of NATS servers: expected nats://HOST:4222,nats://HOST:4222"
_BUCKET: Final = "is no address of a bucket; expected s3://BUCKET[/FOLDER][?endpoint=https://HOST&region=NAME&ca=FILE]"
_QUOTE: Final = ". In a password, write / @ # ? % and , as %2F %40 %23 %3F %25 and %2C"
_LAST_PORT: Final = 65_535


def diagnose_database_url(url: str) -> str:
    """What is wrong with an address of PostgreSQL, to be put behind its name; empty: nothing that can be seen."""
    parts = _split(url)
    if parts is None or parts.scheme not in _DATABASES or not parts.path.strip("/"):
        return _DATABASE + _quote(url)
    if not all(_is_host(host) for host in parts.netloc.rpartition("@")[2].split(",")):
        return _DATABASE + _quote(url)
    if parts.netloc.count("@") > 1:
        return _DATABASE + _QUOTE
    try:
        given = parse_qsl(parts.query, strict_parsing=True) if parts.query else []
    except ValueError:
        return "has something behind its ? that is not NAME=VALUE" + _quote(url)
    for name, value in given:
        if value not in (choices := _OF_DATABASES.get(name, (value,))):
            return f"says {name}={value}; expected {', '.join(choices[:-1])} or {choices[-1]}"
    return ""


def diagnose_nats_url(url: str) -> str:
    """What is wrong with addresses of NATS servers, to be put behind their name; empty: nothing that can be seen."""
    servers = nats_servers(url)
    for server in servers:
        parts = _split(server)
        if parts is None or parts.scheme not in _NATS or parts.netloc.count("@") > 1:
            return _SERVERS + _quote(url)
        if not (_is_host(parts.netloc.rpartition("@")[2]) and parts.hostname) or parts.path.strip("/"):
            return _SERVERS + _quote(url)
    return "" if servers else _SERVERS


def nats_servers(url: str) -> list[str]:
    """The address of each."""
    servers = [server.strip() for server in url.split(",") if server.strip()]
    return [server if "://" in server else f"nats://{server}" for server in servers]


def diagnose_bucket_url(url: str) -> str:
    """What is wrong with an address of a bucket, to be put behind its name; empty: nothing that can be seen."""
    parts = _split(url)
    if parts is None or parts.scheme != "s3" or not parts.netloc:
        return _BUCKET
    options = dict(parse_qsl(parts.query))
    endpoint = _split(options.get("endpoint", "https://host"))
    if "@" in parts.netloc or (endpoint and "@" in endpoint.netloc) or any("key" in name for name in options):
        return "has no place for keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if not all(character.isalnum() or character in ".-_" for character in parts.netloc) or not parts.netloc.isascii():
        return _BUCKET + "; the name of a bucket has letters, digits, dots and hyphens"
    if ".." in parts.path.split("/"):
        return _BUCKET + "; a folder is not named .."
    if unknown := [name for name in options if name not in _OF_BUCKETS]:
        return f"{_BUCKET}; {unknown[0]} is none of these"
    if endpoint is None or endpoint.scheme not in ("http", "https") or not _is_host(endpoint.netloc):
        return _BUCKET + "; an endpoint begins with https:// or http://"
    return ""


def shown(url: str) -> str:
    """An address without user, password and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _is_host(text: str) -> bool:
    """Whether a text is the name or number of a host, with a port or without. Empty: one that is said elsewhere."""
    name, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return True
    return port.isdecimal() and 0 < int(port) <= _LAST_PORT and (":" not in name or name.startswith("["))


def _quote(url: str) -> str:
    """Advice for who has a password in an address."""
    return _QUOTE if "@" in url else ""


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
