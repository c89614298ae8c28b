"""Lazy clients of vendors' SDKs; and error mapping of Anthropic's SDK, OpenAI's protocol, and the HTTP libraries below.

Source of the kinds: docs/dify-behaviour.md, “LLM”.
"""

import asyncio
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from ssl import create_default_context
from typing import Any, Final, TypeAlias

from jikko.errors import system_reason
from jikko.log_context import log_context
from jikko.ports.http import AUTHORITY, retry_seconds, why_untrusted
from jikko.ports.models import FailureKind, ModelFailure
from jikko.providers.config import ProviderConfig
from jikko.trace_context import headers_of

_MAX_MESSAGE: Final = 2000
_UNREADABLE: Final = frozenset(
    (
        *("APIResponseValidationError", "ContentEncodingError", "DecodeError", "DecodingError", "InvalidURL"),
        *("UnsupportedProtocol", "ValidationError"),
    )
)
_BROKEN_OFF: Final = frozenset(("ClientPayloadError", "ContentLengthError", "TransferEncodingError"))
_STALE: Final = ("ServerDisconnectedError", "ClientOSError", "RemoteProtocolError", "BrokenPipeError")


def failure_of(error: Exception, host: str = "") -> ModelFailure:
    """Convert an error of an SDK, or of its HTTP library. ``host``: If the error has none."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return of_status(status, _message(error), getattr(getattr(error, "response", error), "headers", {}))
    cause = root_of(error)
    if {type(error).__name__, type(cause).__name__} & _UNREADABLE or isinstance(cause, zlib.error):
        return ModelFailure(f"The provider's answer cannot be read: {error}"[:_MAX_MESSAGE])
    if isinstance(error, (TypeError, AttributeError, LookupError, AssertionError)):
        return ModelFailure(f"The provider's library failed: {type(error).__name__}: {error}"[:_MAX_MESSAGE])
    # Intermediate errors are misleading: the HTTP library reports a lost connection as a timeout.
    if isinstance(cause, TimeoutError) or (cause is error and "Timeout" in type(error).__name__):
        return ModelFailure(
            "The provider was silent for too long (the limit is timeout of the provider).", kind="InvokeConnectionError"
        )
    if isinstance(cause, ssl.SSLCertVerificationError):
        detail = f"its certificate is not trusted: {why_untrusted(cause, AUTHORITY)}"
    elif type(cause).__name__ == "TooManyRedirects":
        detail = "it redirects without end (see base_url of the provider)"
    elif {type(error).__name__, type(cause).__name__} & _BROKEN_OFF:
        detail = "its answer broke off"
    elif isinstance(cause, OSError) and cause.errno and not isinstance(cause, ssl.SSLError):
        detail = system_reason(cause)
    else:
        detail = " ".join(str(cause).split()) or type(cause).__name__
    where = f" at {host}" if (host := host or _host_of(error)) else ""
    message = f"The connection to the provider{where} failed: {detail}"
    return ModelFailure(message[:_MAX_MESSAGE], kind="InvokeConnectionError")


@contextmanager
def failing_as_models_do() -> Iterator[None]:
    """Convert all errors of the block to ``ModelFailure``."""
    try:
        yield
    except ModelFailure:
        raise
    except Exception as error:
        raise failure_of(error) from None


def _host_of(error: Exception) -> str:
    """Return the host of an error's request; ``""`` if unknown."""
    try:
        request = getattr(error, "request", None)
    except RuntimeError:  # raised by the HTTP library if there is none
        return ""
    host = getattr(getattr(request, "url", None), "host", "")
    return host if isinstance(host, str) else ""


def is_stale(error: Exception) -> bool:
    """Return whether a request failed on a stale connection, closed by the server."""
    return isinstance(root_of(error), ConnectionResetError) or type(root_of(error)).__name__ in _STALE


def root_of(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        error = cause
    return error


def of_status(status: int, message: str, headers: Mapping[str, str]) -> ModelFailure:
    kind: FailureKind = "InvokeBadRequestError"
    retry_after: float | None = None
    if status == 429:
        kind = "InvokeRateLimitError"
        retry_after = retry_seconds(headers.get("retry-after") or "")
        if retry_after is not None:
            message += f" (try again after {retry_after:.0f} s)"
    elif status in (401, 403):
        kind = "InvokeAuthorizationError"
    elif status == 408:
        kind = "InvokeConnectionError"
    elif status >= 500:
        kind = "InvokeServerUnavailableError"
    return ModelFailure(f"The provider answered {status}: {message}"[:_MAX_MESSAGE], kind=kind, retry_after=retry_after)


def _message(error: Any) -> str:
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(inner, dict) and inner.get("message"):
        return str(inner["message"])
    return str(getattr(error, "message", "") or error)


MakeClient: TypeAlias = Callable[[ProviderConfig], Any]
"""Creates the SDK's asynchronous client. Called in a thread: importing an SDK takes a good part of a second."""


async def _trace(request: Any) -> None:
    for name, value in headers_of(log_context.get().trace):
        request.headers.setdefault(name, value)


def client_options() -> dict[str, Any]:
    """Return the options of an SDK's HTTP client: it has the trust store of HTTP nodes, otherwise ignores the
    environment, and sends the trace context.

    The provider was chosen by the operator; its key goes nowhere else, so redirects are not followed. Headers of the
    entry take precedence.
    """
    hooks = {"request": [_trace]}
    return {"verify": create_default_context(), "trust_env": False, "follow_redirects": False, "event_hooks": hooks}


class SdkClient:
    """Client of an SDK, created once, however many requests await it. After a failure, the next request retries."""

    def __init__(self, make: MakeClient, config: ProviderConfig) -> None:
        self._make = partial(make, config)
        self._making: asyncio.Task[None] | None = None
        self._made: Any = None

    async def get(self) -> Any:
        """Return the client. Raises ``ModelFailure`` for this configuration, ``ImportError``: library too old."""
        try:
            while self._made is None:
                if self._making is None or self._making.done():
                    self._making = asyncio.create_task(self._run())
                await asyncio.shield(self._making)
        except (ModelFailure, ImportError):
            raise
        except Exception as error:
            raise ModelFailure(f"The client of this provider cannot be made: {error}") from None
        return self._made

    async def close(self) -> None:
        """Close its connections; a client being created is not awaited. Idempotent."""
        if self._making is not None:
            self._making.cancel()
        made, self._made = self._made, None
        if made is not None:
            await made.close()

    async def _run(self) -> None:
        self._made = await asyncio.to_thread(self._make)
