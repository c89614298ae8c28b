"""The errors of ``httpx``, in its tree."""

from typing import Any


class HTTPError(Exception):
    """Base of what goes wrong with a request or its answer."""

    def __init__(self, message: str = "", *, request: Any = None) -> None:
        super().__init__(message)
        self.request = request


class RequestError(HTTPError): ...


class TransportError(RequestError): ...


class TimeoutException(TransportError): ...


class ConnectTimeout(TimeoutException): ...


class ReadTimeout(TimeoutException): ...


class WriteTimeout(TimeoutException): ...


class PoolTimeout(TimeoutException): ...


class NetworkError(TransportError): ...


class ConnectError(NetworkError): ...


class ReadError(NetworkError): ...


class WriteError(NetworkError): ...


class CloseError(NetworkError): ...


class ProxyError(TransportError): ...


class UnsupportedProtocol(TransportError): ...


class ProtocolError(TransportError): ...


class LocalProtocolError(ProtocolError): ...


class RemoteProtocolError(ProtocolError): ...


class DecodingError(RequestError): ...


class TooManyRedirects(RequestError): ...


class HTTPStatusError(HTTPError):
    """The status is not what it should be."""

    def __init__(self, message: str, *, request: Any, response: Any) -> None:
        super().__init__(message, request=request)
        self.response = response


class InvalidURL(Exception): ...


class CookieConflict(Exception): ...


class StreamError(RuntimeError): ...


_OF_KIND: dict[str, type[HTTPError]] = {
    "request": LocalProtocolError,
    "timeout": ReadTimeout,
    "redirect": TooManyRedirects,
    "protocol": RemoteProtocolError,
    "too_large": ReadError,
}


def of_kind(kind: str, message: str, request: Any) -> Exception:
    """The error for a failure of a kind that ``HttpFailure`` names."""
    return InvalidURL(message) if kind == "url" else _OF_KIND.get(kind, ConnectError)(message, request=request)
