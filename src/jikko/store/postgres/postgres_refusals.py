"""Diagnostics of PostgreSQL: why it cannot be used, and what to do."""

import ssl
from collections.abc import Mapping
from typing import Final

from jikko.errors import system_reason
from jikko.ports.http import why_untrusted

_ADVICE: Final[Mapping[str, str]] = {
    "28P01": "check user and password, in database_url or what PGPASSFILE names",
    "28000": "check user and password, in database_url or what PGPASSFILE names, and pg_hba.conf of the server",
    "3D000": "make it, or correct database_url",
    "42704": "leave it out of database_url",
    "55P03": "a table to be changed is in use, perhaps by pg_dump: try again afterwards",
    "53300": "raise max_connections of the server, or end what holds them",
}
"""Advice by SQLSTATE."""
_FOR_CLIENTS: Final[Mapping[str, str]] = {
    "25006": "it is read-only",
    "53100": "its disk is full",
    "53200": "it is out of memory",
    "53300": "it accepts no more connections",
    "55P03": "a lock is held for too long",
    "57014": "it takes too long",
    "57P01": "it is shutting down",
    "57P02": "it has crashed",
    "57P03": "it is starting",
}
"""Reasons for clients of the API, by SQLSTATE."""
_OF_CLASSES: Final[Mapping[str, str]] = {
    "08": "the connection to it was lost",
    "22": "it rejects a value",
    "25": "a transaction is not in the state that the server expects",
    "28": "it refuses the login of the server",
    "3D": "its database no longer exists",
    "40": "transactions conflict",
    "42": "it lacks a table, a column or a right of the server",
    "53": "it lacks memory, disk or connections",
    "54": "the request is too large for it",
    "57": "it was stopped by its operator",
    "58": "its system failed",
    "XX": "it is damaged or has a fault",
}
"""Reasons by class, the first two characters of the SQLSTATE. Source: PostgreSQL 17, appendix A."""
_NO_TLS: Final = "rejected SSL upgrade"
"""The library's text for a server without TLS, or other than PostgreSQL."""
AUTHORITY: Final = "sslrootcert in database_url names a file of an authority of one's own"
_WHERE: Final = "check host and port in database_url, and that PostgreSQL listens there"


def cannot_be_opened(address: str, cause: BaseException | None) -> str:
    """Describe a failure to connect or sign in.

    Args:
        address: Without user and password.
        cause: The library's exception.
    """
    return f"The database {address} cannot be opened: {_reason(cause)}"


def in_words(error: BaseException) -> str:
    """Return why the database is unavailable, for API clients: without the library's texts, which may contain
    values."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({why_untrusted(error, AUTHORITY)})"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, OSError):
        return "it cannot be reached"
    code = getattr(error, "sqlstate", None) or ""
    if reason := _FOR_CLIENTS.get(code) or _OF_CLASSES.get(code[:2]):
        return reason
    return f"it reports the error {code}" if code else "the connection to it fails"


def _reason(cause: BaseException | None) -> str:
    text = str(cause).strip()
    if isinstance(cause, TimeoutError):
        return f"nothing answers; {_WHERE}, and what is between."
    if _NO_TLS in text:
        return f"what answers does not encrypt, as sslmode in database_url demands, or is not PostgreSQL; {_WHERE}."
    if isinstance(cause, ConnectionError) and not cause.errno:
        return f"what answers breaks off, or is not PostgreSQL; {_WHERE}."
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {why_untrusted(cause, AUTHORITY)}."
    if isinstance(cause, OSError):
        return f"{system_reason(cause)}; {_WHERE}."
    advice = _ADVICE.get(getattr(cause, "sqlstate", None) or "")
    return f"{text}; {advice}." if advice else text or type(cause).__name__
