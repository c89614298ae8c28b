"""Tells a user what went wrong with a request, from what aiohttp raises.

The texts are made here: those of aiohttp may hold the URL, and a URL may hold secrets.
"""

import asyncio
import os
import ssl
from typing import Final

import aiohttp

from jikko.outbound.connection import TooMuchReceived
from jikko.outbound.guard import AddressRefused
from jikko.outbound.urls import WireUrl
from jikko.ports.connections import why_untrusted
from jikko.ports.http import FailureKind, HttpFailure, Timeouts

_AUTHORITY: Final = "let this machine trust its authority, or name a PEM file of it by the variable SSL_CERT_FILE"


def explained(error: Exception, url: WireUrl, timeouts: Timeouts) -> HttpFailure:
    """The failure that stands for an error of aiohttp, of asyncio or of the system."""
    refused = _refused(error)
    if refused is not None:
        return HttpFailure(str(refused), kind="address")
    text, kind = _described(error, url.authority, timeouts)
    return HttpFailure(text, kind=kind)


def _described(error: Exception, where: str, timeouts: Timeouts) -> tuple[str, FailureKind]:
    match error:
        case TooMuchReceived():
            return f"{where} sent more than belongs to an answer, such as interim answers without end.", "too_large"
        case aiohttp.ConnectionTimeoutError():
            return f"No connection to {where} within {timeouts.connect:g} s.", "timeout"
        case aiohttp.ServerTimeoutError():
            return f"{where} sent nothing for {timeouts.read:g} s (timed out).", "timeout"
        case aiohttp.ClientConnectorDNSError():
            return f"There is no host {where}, or the name service does not answer: {_system(error)}", "connect"
        case aiohttp.ClientConnectorCertificateError():
            return f"The certificate of {where} is not to be trusted: {_untrusted(error.certificate_error)}", "connect"
        case aiohttp.ClientConnectorSSLError():
            return f"No encrypted connection to {where}: {_system(error)}", "connect"
        case aiohttp.ClientProxyConnectionError():
            return f"No connection to the outgoing proxy: {_system(error)}", "connect"
        case aiohttp.ClientHttpProxyError():
            return f"The outgoing proxy refused a connection to {where} with status {error.status}.", "connect"
        case aiohttp.ClientConnectorError():
            return f"No connection to {where}: {_system(error)}", "connect"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return f"{where} closed the connection without a complete answer.", "protocol"
        case aiohttp.ClientPayloadError():
            return f"The answer of {where} breaks off, or is not as long as it says.", "protocol"
        case aiohttp.ClientResponseError():
            return f"{where} answered with something that is not HTTP, or with more than it announced.", "protocol"
        case asyncio.TimeoutError():
            return f"{where} did not take the request within {timeouts.write:g} s (timed out).", "timeout"
        case ValueError():
            return "The request cannot be sent: something in it may not be there.", "request"
        case _:
            return f"The request to {where} failed: {_system(error)}", "connect"


def _untrusted(error: Exception) -> str:
    return why_untrusted(error, _AUTHORITY) if isinstance(error, ssl.SSLCertVerificationError) else str(error)


def _system(error: Exception) -> str:
    """The message of the operating system."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if not isinstance(cause, OSError) or cause.errno is None:
        return type(cause).__name__
    # asyncio writes the address into the text; the name service has numbers of its own, below zero.
    return f"[Errno {cause.errno}] {os.strerror(cause.errno) if cause.errno > 0 else cause.strerror}"


def _refused(error: BaseException | None) -> AddressRefused | None:
    while error is not None:
        if isinstance(error, AddressRefused):
            return error
        error = error.__cause__
    return None
