"""Connections to the outside world for what speaks its own protocol over them, and why one that encrypts is refused."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final, Protocol

_UNKNOWN: Final = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's errors of a certificate whose authority is not known."""
_STRICT: Final = range(80, 94)
"""OpenSSL's errors of ``X509_V_FLAG_X509_STRICT``, which Python sets from 3.13 on."""
_EXTENSIONS: Final[Mapping[int, str]] = {
    85: "authorityKeyIdentifier=keyid",
    86: "subjectKeyIdentifier=hash",
    89: "basicConstraints=critical,CA:TRUE",
    92: "keyUsage=critical,keyCertSign,cRLSign",
}
"""What OpenSSL's configuration says of a certificate that has what is missing."""


class Connections(Protocol):
    """Opens TCP connections under the address policy. ``jikko.outbound.tunnel.Tunnels`` is the one implementation."""

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; the name is resolved here and now, and what is connected to is what was checked. ``host``: a name or
        an address, without brackets. Raises ``HttpFailure``: the address may not be reached (``address``), or there is
        no connection (``connect``)."""


def why_untrusted(error: ssl.SSLCertVerificationError, authority: str) -> str:
    """What is wrong with a certificate, and what to do. ``authority``: what to do where its authority is not known."""
    if error.verify_code in _UNKNOWN:
        return f"{error.verify_message}; {authority}"
    if error.verify_code not in _STRICT:
        return error.verify_message
    extension = _EXTENSIONS.get(error.verify_code)
    return (
        f"{error.verify_message}. From Python 3.13 on certificates, of servers and authorities, have to meet RFC 5280: "
        f"have it issued again{f' with {extension}' if extension else ''}"
    )
