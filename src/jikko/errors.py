"""Errors that this package raises on purpose, as one tree; those of clients are in ``client``.

A failing node raises ``nodes.contract.NodeFailure`` instead: that is an outcome of a run, not a caller's error.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jikko.diagnostics.diagnostic import Diagnostic, Phrase


def system_reason(error: OSError) -> str:
    """Return the system's description of an error: ``Connection refused``, without the additions of libraries."""
    error = getattr(error, "os_error", error)  # of an aiohttp error
    # TLS and the name service have numbers of their own, the latter below zero.
    is_of_system = error.errno and error.errno > 0 and not hasattr(error, "library")
    reason = os.strerror(error.errno or 0) if is_of_system else error.strerror or str(error)
    return f"{reason}: {error.filename}" if isinstance(error.filename, str) else reason


class JikkoError(Exception):
    """Base of all errors raised on purpose. The message is written for the caller."""

    code: str = "internal_server_error"
    """``code`` of the JSON error body, for callers to match on. Never changes."""
    status: int = 500
    """HTTP status of the response."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Additional HTTP headers of the response."""

    def __init__(self, message: str = "", *, code: str = "") -> None:
        """``code``: A more specific code than the class's, such as ``file_not_found``."""
        if code:
            self.code = code
        super().__init__(message)


class InvalidDocument(JikkoError):
    """The DSL file cannot be imported. Carries all problems, not only the first."""

    code = "invalid_param"
    status = 400

    def __init__(
        self, source: str, problems: Sequence[Diagnostic], places: Mapping[str, tuple[int, int]] | None = None
    ) -> None:
        """``places``: Known lines and columns, by the paths of problems."""
        self.source = source
        self.problems = tuple(problems)
        self.places = places or {}
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join([f"{source}: {count}", *map(self._message_text, problems)]))

    def _message_text(self, problem: Diagnostic) -> str:
        line, column = self.places.get(problem.where, (0, 0))
        return f"line {line}, column {column}: {problem}" if line and problem.where else str(problem)


class InvalidParam(JikkoError):
    """A request parameter is invalid."""

    code = "invalid_param"
    status = 400


class BadRequest(JikkoError):
    """The request is malformed."""

    code = "bad_request"
    status = 400


class UploadRefused(JikkoError):
    """The upload is not exactly one storable file. ``code`` gives the reason."""

    status = 400


class Unauthorized(JikkoError):
    """The API key is missing, or opens no app."""

    code = "unauthorized"
    status = 401
    headers: Mapping[str, str] = MappingProxyType({"WWW-Authenticate": 'Bearer realm="api"'})


class Forbidden(JikkoError):
    """The resource exists, but belongs to another app or is read-only."""

    code = "forbidden"
    status = 403


class NotFound(JikkoError):
    """The app of the API key has no such resource."""

    code = "not_found"
    status = 404


class NotAllowed(JikkoError):
    """The address does not support the request's method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, methods: Iterable[str]) -> None:
        """``methods``: The supported methods, for the response's ``Allow``."""
        super().__init__("The method is not allowed for the requested URL.")
        named = ", ".join(methods)
        self.headers = {"Allow": named} if named else {}


class Conflict(JikkoError):
    """The request conflicts with an earlier one."""

    code = "conflict"
    status = 409


class NameTaken(Conflict):
    """The name belongs to another app; nothing was written."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Another app is named {name!r}.")


class NameGivenTwice(Conflict):
    """Two files of one call name the same app; neither was written."""


class TooLate(JikkoError):
    """The form was already submitted or has expired, or another version of the app was published meanwhile."""

    status = 412


class InvalidFormData(JikkoError):
    """The form data is invalid; the form stays open."""

    code = "invalid_form_data"
    status = 400


class TooManyRequests(JikkoError):
    """A limit is exceeded, and nothing was accepted; a retry may succeed later."""

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        """``retry_after``: Whole seconds before a retry is worthwhile."""
        self.headers = {"Retry-After": str(retry_after)}
        super().__init__(message)


class WrongAppMode(JikkoError):
    """The endpoint serves apps of another mode, or the app has no workflow to serve."""

    status = 400


class ModelNotReady(JikkoError):
    """The provider of an app's model is not configured."""

    code = "provider_not_initialize"
    status = 400


class SpeechFailed(JikkoError):
    """A speech model gave no usable answer. ``code`` gives the reason."""

    def __init__(self, message: str, *, code: str, status: int = 400) -> None:
        self.status = status
        super().__init__(message, code=code)


class InvalidEnvironment(JikkoError):
    """The value set for an environment variable of a workflow has the wrong type. The operator has to fix it."""

    code = "invalid_environment"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "60"})

    def __init__(self, what: Phrase) -> None:
        super().__init__(f"{what.text()}.")
        self.what = what


class PayloadTooLarge(JikkoError):
    """The request body, or a file in it, is too large."""

    code = "request_entity_too_large"
    status = 413


class NoRoom(JikkoError):
    """There is no memory for the request body now; nothing was done."""

    code = "service_unavailable"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "5"})


class BodyTooSlow(JikkoError):
    """The request body arrived too slowly, while others waited for its memory."""

    code = "request_timeout"
    status = 408


class UnsupportedMediaType(JikkoError):
    """The route does not accept the request body's media type."""

    code = "unsupported_media_type"
    status = 415


class LogConflict(JikkoError):
    """Another process took over the run, or appended to its log first; nothing was written."""

    code = "conflict"
    status = 409


class LogForgotten(LogConflict):
    """The log is shorter than what was confirmed as durable: the database failed over to a lagging replica. The owner
    in the record may append the missing events from ``log_end`` on; nothing was written."""

    def __init__(self, message: str, log_end: int) -> None:
        super().__init__(message)
        self.log_end = log_end
        """Number of events in the log."""


class KeyTaken(LogConflict):
    """Another run of the app has the new run's idempotency key; nothing was written."""

    def __init__(self, run_id: str, fingerprint: bytes) -> None:
        self.run_id = run_id
        self.fingerprint = fingerprint
        """Fingerprint of the request that started the other run."""
        super().__init__(f"The idempotency key belongs to run {run_id}.")


class ServiceFailed(JikkoError):
    """An external model or service that the request needs failed. The message says how."""

    code = "invalid_param"
    status = 400
    # The code and status that Dify uses: its clients know no other.


class StoreUnavailable(JikkoError):
    """The database is unreadable or unwritable at the moment; the request may be retried."""

    code = "service_unavailable"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "5"})
    in_doubt: bool = False
    """Whether the write may have happened, or may yet happen."""


class StartRefused(StoreUnavailable):
    """The start of a run did not become durable in time. Nothing is kept, and the run never starts."""


class LogTooNew(JikkoError):
    """The run was written by a newer version of Jikko, and only such a process can continue it."""

    code = "service_unavailable"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "60"})

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"Run {run_id} was executed by a newer version of Jikko, and no such server can be reached. Try again "
            "once one is running."
        )


class ServerStopping(JikkoError):
    """The process is shutting down, and accepted nothing; the request may be retried, at another server at once."""

    code = "service_unavailable"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "5"})

    def __init__(self) -> None:
        super().__init__("The server is shutting down and accepted nothing. Send the request again.")


class RunLeft(JikkoError):
    """The server stops before a run has ended. Its start is durable: the run continues when the server is back. There
    is no ``Retry-After``: a client that retries has the work done twice."""

    code = "service_unavailable"
    status = 503

    def __init__(self) -> None:
        super().__init__("The server is shutting down; the run continues when it is back.")


class LogDamaged(StoreUnavailable):
    """The stored log of one run is corrupt. Those of others are readable."""

    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, message: str, *, what: str, readable: Sequence[Any] = ()) -> None:
        """``what``: The damage, as part of a sentence. ``readable``: The requested events up to the damage. If one is
        missing from a log that has ended, the number of missing events is unknown, and ``readable`` includes those
        behind it."""
        self.what = what
        self.readable = list(readable)
        super().__init__(message)


class LogUnwritable(JikkoError):
    """The events of a run can never be stored. The run has failed."""


class InvalidSettings(JikkoError):
    """A setting is invalid or missing. The message names it and the remedy."""

    code = "invalid_settings"


class InvalidFile(InvalidSettings):
    """An operator's file has problems. Carries all of them, as phrases."""

    def __init__(self, what: Phrase) -> None:
        super().__init__(what.text())
        self.what = what


class FolderInUse(InvalidSettings):
    """Another process holds the data folder."""

    def __init__(self, home: Path, owner: str = "") -> None:
        self.owner = owner or "unknown"
        """The owning process, in words."""
        super().__init__(
            f"Another process uses the data folder {home} ({self.owner}). Stop it, or give this one a folder of its "
            "own (JIKKO_HOME)."
        )
