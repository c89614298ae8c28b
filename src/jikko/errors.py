"""Every error that this package raises on purpose, as one tree; those of clients of servers are in ``client``.

A node that fails raises ``nodes.contract.NodeFailure`` instead: that is an outcome of a run, not an error of a caller.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jikko.diagnostics.diagnostic import Diagnostic, Phrase


class JikkoError(Exception):
    """Base of every error raised on purpose. The message is written for the caller to read."""

    code: str = "internal_server_error"
    """What the caller may match on: the ``code`` of the JSON error body. Never changes."""
    status: int = 500
    """The HTTP status that the error is answered with."""
    headers: Mapping[str, str] = MappingProxyType({})
    """HTTP headers that go with the answer."""

    def __init__(self, message: str = "", *, code: str = "") -> None:
        """``code``: one that names the kind of thing, such as ``file_not_found``, in place of that of the class."""
        if code:
            self.code = code
        super().__init__(message)


class InvalidDocument(JikkoError):
    """The DSL file cannot be imported. Carries every problem found, not only the first."""

    code = "invalid_param"
    status = 400

    def __init__(
        self, source: str, problems: Sequence[Diagnostic], places: Mapping[str, tuple[int, int]] | None = None
    ) -> None:
        """``places``: lines and columns by the paths of problems, as far as they are known."""
        self.source = source
        self.problems = tuple(problems)
        self.places = places or {}
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join([f"{source}: {count}", *map(self._said, problems)]))

    def _said(self, problem: Diagnostic) -> str:
        line, column = self.places.get(problem.where, (0, 0))
        return f"line {line}, column {column}: {problem}" if line and problem.where else str(problem)


class InvalidParam(JikkoError):
    """A parameter of the request is wrong."""

    code = "invalid_param"
    status = 400


class BadRequest(JikkoError):
    """The request cannot be understood."""

    code = "bad_request"
    status = 400


class UploadRefused(JikkoError):
    """The upload does not hold exactly one file that can be stored. ``code`` says what is wrong."""

    status = 400


class Unauthorized(JikkoError):
    """No API key, or one that opens no app."""

    code = "unauthorized"
    status = 401
    headers: Mapping[str, str] = MappingProxyType({"WWW-Authenticate": 'Bearer realm="api"'})


class Forbidden(JikkoError):
    """It is there, and is not the app's of the API key, or may not be changed."""

    code = "forbidden"
    status = 403


class NotFound(JikkoError):
    """There is no such thing in the app of the API key."""

    code = "not_found"
    status = 404


class NotAllowed(JikkoError):
    """The address does not have the method of the request, but others."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, methods: Iterable[str]) -> None:
        """``methods``: those that the answer names."""
        super().__init__("The method is not allowed for the requested URL.")
        named = ", ".join(methods)
        self.headers = {"Allow": named} if named else {}


class Conflict(JikkoError):
    """The request contradicts an earlier one."""

    code = "conflict"
    status = 409


class NameTaken(Conflict):
    """Another app has the name; nothing was written."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is another app called {name!r}.")


class NameGivenTwice(Conflict):
    """Two files of one call give their apps the same name; nothing was written."""


class TooLate(JikkoError):
    """A form was submitted already or its time is up, or another version of an app was published meanwhile."""

    status = 412


class InvalidFormData(JikkoError):
    """A form was filled in wrongly; it stays open."""

    code = "invalid_form_data"
    status = 400


class TooManyRequests(JikkoError):
    """A limit is reached, and nothing was accepted; the same request may succeed later."""

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        """``retry_after``: whole seconds after which it is worth another try."""
        self.headers = {"Retry-After": str(retry_after)}
        super().__init__(message)


class WrongAppMode(JikkoError):
    """The end point serves apps of another mode, or the app has no workflow that can serve it."""

    status = 400


class ModelNotReady(JikkoError):
    """Nothing says how to reach the provider of an app's model."""

    code = "provider_not_initialize"
    status = 400


class SpeechFailed(JikkoError):
    """A model that hears or speaks gave no answer that can be used. ``code`` says what is the matter."""

    def __init__(self, message: str, *, code: str, status: int = 400) -> None:
        self.status = status
        super().__init__(message, code=code)


class InvalidEnvironment(JikkoError):
    """A value that was set for an environment variable of a workflow is not of its type. The operator's to repair."""

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
    """There is no room in memory for the body of the request now; nothing of it was done."""

    code = "service_unavailable"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "5"})


class BodyTooSlow(JikkoError):
    """The body of the request hardly came, while others waited for the room that it had."""

    code = "request_timeout"
    status = 408


class UnsupportedMediaType(JikkoError):
    """The request body is not of the type that the route reads."""

    code = "unsupported_media_type"
    status = 415


class LogConflict(JikkoError):
    """Another process took the run over, or appended to its log first; nothing was written."""

    code = "conflict"
    status = 409


class LogForgotten(LogConflict):
    """The log ends before what was said to be durable: the database went on as a copy that lagged behind. What is
    missing may be appended again from ``log_end`` on, by the one whom the record names; nothing was written."""

    def __init__(self, message: str, log_end: int) -> None:
        super().__init__(message)
        self.log_end = log_end
        """How many events the log has."""


class KeyTaken(LogConflict):
    """The idempotency key of a new run belongs to another run of the app; nothing was written."""

    def __init__(self, run_id: str, fingerprint: bytes) -> None:
        self.run_id = run_id
        self.fingerprint = fingerprint
        """Of the request that the other run was started by."""
        super().__init__(f"The idempotency key belongs to run {run_id}.")


class ServiceFailed(JikkoError):
    """A model or service elsewhere, which the request needs, failed. The message says how."""

    code = "invalid_param"
    status = 400
    # As Dify answers it: its clients know no other.


class StoreUnavailable(JikkoError):
    """The database cannot be read or written at the moment; the request may be repeated."""

    code = "service_unavailable"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "5"})
    in_doubt: bool = False
    """Whether what was to be written may have been written, or may yet be."""


class StartRefused(StoreUnavailable):
    """The start of a run did not become durable in time. Nothing of it is kept, and it never begins."""


class LogTooNew(JikkoError):
    """A run is of a newer version of Jikko, and only a process of that can go on with it."""

    code = "service_unavailable"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "60"})

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"Run {run_id} was executed by a newer version of Jikko, and none of its servers can be reached. Try again "
            "once one is there."
        )


class ServerStopping(JikkoError):
    """The process is about to end, and accepted nothing; the request may be repeated, at another server at once."""

    code = "service_unavailable"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "5"})

    def __init__(self) -> None:
        super().__init__("The server is shutting down and accepted nothing. Send the request again.")


class RunLeft(JikkoError):
    """The server stops before a run has ended. Its beginning is durable: it goes on when the server is back.

    It says nothing of when to try again: a client that repeats the request has the work done twice.
    """

    code = "service_unavailable"
    status = 503

    def __init__(self) -> None:
        super().__init__("The server is shutting down; the run goes on when it is back.")


class LogDamaged(StoreUnavailable):
    """What the database has of the log of one run is no log. That of others can be read."""

    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, message: str, *, what: str, readable: Sequence[Any] = ()) -> None:
        """``what``: what is wrong with it: a part of a sentence. ``readable``: of the events that were asked for, those
        up to the damage. Where one is missing from a log that has ended, it is not known how many are, and those behind
        it are among them."""
        self.what = what
        self.readable = list(readable)
        super().__init__(message)


class LogUnwritable(JikkoError):
    """What happened in a run cannot be kept, however often it is tried. The run has failed."""


class InvalidSettings(JikkoError):
    """A setting is wrong or missing. Says which one, and what to do."""

    code = "invalid_settings"


class InvalidFile(InvalidSettings):
    """A file of the operator has problems. Carries every one found, as a phrase."""

    def __init__(self, what: Phrase) -> None:
        super().__init__(what.text())
        self.what = what


class FolderInUse(InvalidSettings):
    """Another process holds the data folder."""

    def __init__(self, home: Path, owner: str = "") -> None:
        self.owner = owner or "it does not say which"
        """Which process it is, in words."""
        super().__init__(
            f"Another process uses the data folder {home} ({self.owner}). Stop it, or give this one a folder of its "
            "own (JIKKO_HOME)."
        )
