"""Exit codes of commands, as listed in docs/exit-codes.md."""

from enum import IntEnum
from typing import TYPE_CHECKING

from jikko import errors

if TYPE_CHECKING:
    from jikko.events import RunStatus


class ExitCode(IntEnum):
    """One number for each outcome that scripts may distinguish."""

    OK = 0
    """Done; a run succeeded, if only partially."""
    FAILED = 1
    """The run failed, or the command's work did."""
    USAGE = 2
    """An option, argument or setting is wrong. Nothing was done."""
    WRONG_INPUT = 3
    """Inputs of the run or form are missing or wrong. No run was started."""
    STOPPED = 4
    """The run was stopped by another client, or for its use of memory."""
    PAUSED = 5
    """The run waits for a form."""
    TIME_LIMIT = 6
    """The run exceeded its time limit."""
    NOT_FOUND = 7
    """The run, app, form or file does not exist."""
    INVALID_WORKFLOW = 8
    """The workflow file cannot be imported."""
    CONFLICT = 9
    """It is too late, or another process is in the way: the run has ended, the form was submitted, the data folder is
    in use."""
    UNAVAILABLE = 10
    """The server does not answer, or the database is unavailable. The same command may succeed later."""
    REFUSED = 11
    """The server refused the API key."""
    HUNG_UP = 129
    """Ended by SIGHUP: the terminal was closed."""
    INTERRUPTED = 130
    """Ended by Ctrl-C (SIGINT)."""
    TERMINATED = 143
    """Ended by SIGTERM."""


_OF_STATUS: dict[int, ExitCode] = {
    0: ExitCode.UNAVAILABLE,
    400: ExitCode.WRONG_INPUT,
    401: ExitCode.REFUSED,
    403: ExitCode.REFUSED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    412: ExitCode.CONFLICT,
    429: ExitCode.UNAVAILABLE,
    503: ExitCode.UNAVAILABLE,
}


def of_error(error: Exception) -> ExitCode:
    """Return the exit code for an error that ends a command."""
    codes: tuple[tuple[type[Exception], ExitCode], ...] = (
        (errors.InvalidDocument, ExitCode.INVALID_WORKFLOW),
        (errors.InvalidParam, ExitCode.WRONG_INPUT),
        (errors.InvalidFormData, ExitCode.WRONG_INPUT),
        (errors.NotFound, ExitCode.NOT_FOUND),
        (errors.FolderInUse, ExitCode.CONFLICT),
        (errors.InvalidSettings, ExitCode.USAGE),
        (errors.InvalidEnvironment, ExitCode.USAGE),
        (errors.NameGivenTwice, ExitCode.USAGE),
        (errors.Conflict, ExitCode.CONFLICT),
        (errors.LogConflict, ExitCode.CONFLICT),
        (errors.TooLate, ExitCode.CONFLICT),
        (errors.Unauthorized, ExitCode.REFUSED),
        (errors.TooManyRequests, ExitCode.UNAVAILABLE),
        (errors.ServerStopping, ExitCode.UNAVAILABLE),
        (errors.RunLeft, ExitCode.UNAVAILABLE),
        (errors.StoreUnavailable, ExitCode.UNAVAILABLE),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), ExitCode.FAILED)


def of_answer(status: int) -> ExitCode:
    """Return the exit code for a server's error status; 0 if it did not answer."""
    return _OF_STATUS.get(status, ExitCode.FAILED)


def of_run(status: "RunStatus", error: str | None) -> ExitCode:
    """Return the exit code of a command that waited for a run. ``error``: The run's error."""
    from jikko.engine.event_factory import is_out_of_time

    match status:
        case "succeeded" | "partial-succeeded" | "running":
            return ExitCode.OK
        case "paused":
            return ExitCode.PAUSED
        case "failed":
            return ExitCode.FAILED
        case _:
            return ExitCode.TIME_LIMIT if is_out_of_time(error or "") else ExitCode.STOPPED
