"""URLs of external services (database, NATS servers, bucket): validation, masking, and PostgreSQL command lines.

Users make mistakes with special characters in passwords, so messages never repeat any part of an invalid URL. Nothing
here opens a connection.
"""

from shlex import quote
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

_DATABASES: Final = ("postgresql", "postgres")
_NATS: Final = ("nats", "tls")
_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_WANTED: Final = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
_OF_DATABASES: Final = {"sslmode": _MODES, "target_session_attrs": _WANTED}
"""Database URL options with restricted values."""
_OF_BUCKETS: Final = ("endpoint", "region", "ca")
_DATABASE: Final = "is not a database URL: expected postgresql://USER@HOST/DATABASE"
_SERVERS: Final = "is not a list of NATS URLs: expected nats://HOST:4222,nats://HOST:4222"
_BUCKET: Final = "is not a bucket URL; expected s3://BUCKET[/FOLDER][?endpoint=https://HOST&region=NAME&ca=FILE]"
_QUOTE: Final = ". In a password, write / @ # ? % and , as %2F %40 %23 %3F %25 and %2C"
_LAST_PORT: Final = 65_535


def diagnose_database_url(url: str) -> str:
    """Return what is wrong with a PostgreSQL URL, as the continuation of its name, or ``""``."""
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
    """Return what is wrong with the URLs of NATS servers, as the continuation of their name, or ``""``."""
    servers = nats_servers(url)
    for server in servers:
        parts = _split(server)
        if parts is None or parts.scheme not in _NATS or parts.netloc.count("@") > 1:
            return _SERVERS + _quote(url)
        if not (_is_host(parts.netloc.rpartition("@")[2]) and parts.hostname) or parts.path.strip("/"):
            return _SERVERS + _quote(url)
    return "" if servers else _SERVERS


def nats_servers(url: str) -> list[str]:
    servers = [server.strip() for server in url.split(",") if server.strip()]
    return [server if "://" in server else f"nats://{server}" for server in servers]


def diagnose_bucket_url(url: str) -> str:
    """Return what is wrong with a bucket URL, as the continuation of its name, or ``""``."""
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
        return f"{_BUCKET}; unknown option {unknown[0]}"
    if endpoint is None or endpoint.scheme not in ("http", "https") or not _is_host(endpoint.netloc):
        return _BUCKET + "; an endpoint begins with https:// or http://"
    return ""


def shown(url: str) -> str:
    """Return a URL without user, password and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _is_host(text: str) -> bool:
    """Return True for a host name or address, with an optional port. Empty passes: the host is given elsewhere."""
    name, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return True
    return port.isdecimal() and 0 < int(port) <= _LAST_PORT and (":" not in name or name.startswith("["))


def _quote(url: str) -> str:
    """Return advice for URLs with a password."""
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
"""URL options that these programs accept. Others may be passwords, or options for servers."""


def dump_line(url: str) -> str:
    """Return the shell command that dumps a database to a file, without the password."""
    return f"pg_dump --format=custom --file={_FILE} {quote(without_password(url))}"


def restore_line(url: str) -> str:
    """Return the shell command that restores the file into an empty database, without the password."""
    return f"pg_restore --exit-on-error --no-owner --dbname={quote(without_password(url))} {_FILE}"


def without_password(url: str) -> str:
    """Return a URL for PostgreSQL's programs, without passwords: they prompt, or read PGPASSFILE or PGPASSWORD."""
    parts = urlsplit(url)
    who, at, hosts = parts.netloc.rpartition("@")
    query = "&".join(option for option in parts.query.split("&") if option.partition("=")[0] in _TAKEN)
    # Not `urlunsplit`: without a host it drops the slashes that these programs need.
    return f"{parts.scheme}://{who.partition(':')[0]}{at}{hosts}{parts.path}{f'?{query}' if query else ''}"
