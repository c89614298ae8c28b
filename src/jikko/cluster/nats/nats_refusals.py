"""Diagnostics of NATS: why it cannot be used, and what to do."""

import ssl
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.api import AccountLimits
from nats.js.errors import APIError, ServiceUnavailableError

from jikko.errors import system_reason
from jikko.ports.http import why_untrusted

NATS_ERRORS: Final = (NatsError, OSError, TimeoutError, ValueError)
"""Exceptions of the library."""
COPIES: Final = 3
"""Replicas where there are several servers."""
_TOO_FEW: Final = 10005
"""JetStream's error: too few servers for the replicas."""
_STREAMS: Final = 4
"""Minimum number of streams of a cluster; one more where requests are counted."""
_ROOM: Final = "let its account keep five streams, in memory and on disk"
_OF_ACCOUNTS: Final = {
    10026: f"{_ROOM}, with two consumers",  # too many consumers
    10027: _ROOM,  # too many streams
    10028: _ROOM,  # too little memory
    10039: "allow it there",
    10047: _ROOM,  # too little disk
    10113: "leave max_bytes_required out of its account: streams of Jikko have no such bound",
}
"""Remedies by JetStream's error."""
_NO_GREETING: Final = "expecting INFO"
"""The library's message about a server that does not greet as NATS does."""
_NO_NATS: Final = "nothing there answers as NATS does; check host and port in nats_url"
_AUTHORITY: Final = "nats_ca names a file of an authority of one's own"
_ADVICE: Final = (
    (
        "authorization",
        "check user and password in nats_url (in a password, write / @ # % and , as %2F …), or nats_credentials",
    ),
    ("certificate required", "nats_certificate names that of this server"),
    ("bad certificate", "it does not accept that of nats_certificate"),
    ("unknown ca", "it does not accept that of nats_certificate"),
    ("permissions", "let the user publish and subscribe as docs/several-servers.md says"),
)
"""Remedies by the library's message, in lower case."""


def shown_servers(servers: Iterable[str]) -> str:
    """Return addresses without users and passwords."""
    return ", ".join(urlsplit(server).netloc.rpartition("@")[2] for server in servers)


def connection_failure(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {why_untrusted(error, _AUTHORITY)}"
    if isinstance(error, TimeoutError):
        return _NO_NATS
    if isinstance(error, (BrokenPipeError, ConnectionResetError)):
        # Its reason, such as "certificate required", may be lost with the connection.
        return "it closes the connection; check that it accepts nats_certificate, and host and port in nats_url"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        return f"{system_reason(error)}; check host and port in nats_url, and that NATS listens there"
    text = str(error).removeprefix("nats: ").strip(" '") or type(error).__name__
    if _NO_GREETING in text:
        return _NO_NATS
    return "; ".join([text, *(advice for hint, advice in _ADVICE if hint in text.lower())][:2])


def unmet_requirement(error: BaseException, before: BaseException | None = None) -> str:
    """Explain why a reachable NATS is unsuitable. ``before``: Its last asynchronous error: a forbidden request gets no
    answer, only such an error."""
    if isinstance(error, NoRespondersError) or (isinstance(error, ServiceUnavailableError) and not error.err_code):
        return "it has no JetStream; start it with JetStream on"
    if isinstance(error, APIError):
        if error.err_code == _TOO_FEW:
            return f"too few of its servers are there to keep {COPIES} copies; start the others first"
        advice = _OF_ACCOUNTS.get(error.err_code or 0)
        return "; ".join(filter(None, [error.description or str(error), advice]))
    if isinstance(error, TimeoutError):
        if before is not None and "permissions" in str(before).lower():
            return connection_failure(before)
        return "JetStream does not answer; it may be off, or choosing a leader"
    return connection_failure(error)


def account_shortage(limits: AccountLimits) -> str:
    """Explain why an account's limits are too low for a cluster; empty if they are not."""
    if limits.max_bytes_required:
        return f"its account wants a bound for each stream; {_OF_ACCOUNTS[10113]}"
    too_little = 0 in (limits.max_memory, limits.max_storage) or 0 <= limits.max_streams < _STREAMS
    return f"its account may keep too little; {_ROOM}" if too_little else ""
