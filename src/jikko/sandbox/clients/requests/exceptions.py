"""The errors of ``requests``, in its tree."""

import json
from typing import Any


class RequestException(IOError):
    """Base of all of them."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.response = named.pop("response", None)
        self.request = named.pop("request", getattr(self.response, "request", None))
        super().__init__(*arguments, **named)


class InvalidJSONError(RequestException): ...


class JSONDecodeError(InvalidJSONError, json.JSONDecodeError):
    """The answer is no JSON."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        json.JSONDecodeError.__init__(self, *arguments)
        text = str(self)
        InvalidJSONError.__init__(self, text, **named)


class HTTPError(RequestException): ...


class ConnectionError(RequestException): ...


class ProxyError(ConnectionError): ...


class SSLError(ConnectionError): ...


class Timeout(RequestException): ...


class ConnectTimeout(ConnectionError, Timeout): ...


class ReadTimeout(Timeout): ...


class URLRequired(RequestException): ...


class TooManyRedirects(RequestException): ...


class MissingSchema(RequestException, ValueError): ...


class InvalidSchema(RequestException, ValueError): ...


class InvalidURL(RequestException, ValueError): ...


class InvalidHeader(RequestException, ValueError): ...


class ChunkedEncodingError(RequestException): ...


class ContentDecodingError(RequestException): ...


class StreamConsumedError(RequestException, TypeError): ...


class RetryError(RequestException): ...


class UnrewindableBodyError(RequestException): ...


class RequestsWarning(Warning): ...


class RequestsDependencyWarning(RequestsWarning): ...


_OF_KIND: dict[str, type[RequestException]] = {
    "url": InvalidURL,
    "request": InvalidHeader,
    "timeout": ReadTimeout,
    "redirect": TooManyRedirects,
    "protocol": ChunkedEncodingError,
}


def of_kind(kind: str) -> type[RequestException]:
    """The class for a failure of a kind that ``HttpFailure`` names."""
    return _OF_KIND.get(kind, ConnectionError)
