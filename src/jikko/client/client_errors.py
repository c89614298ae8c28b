"""Errors that clients of a server raise."""

from jikko.errors import JikkoError


class ServiceError(JikkoError):
    """A server that a client asked refused, or did not answer."""

    def __init__(self, message: str, status: int, code: str = "failed") -> None:
        """Args:
        status: Of HTTP; 0 if there was no answer.
        code: The server's word for it; ``no_server``: none answers; ``not_service``: it answers, and has no such API;
            ``not_jikko``: it is not Jikko's.
        """
        self.status = status
        self.code = code
        super().__init__(message)

    @property
    def is_passing(self) -> bool:
        """Whether the same request may be answered later."""
        return self.status in (0, 408, 429, 502, 503, 504) and self.code != "not_service"


class RunUnsuccessful(JikkoError):
    """A run ended otherwise than well, and its caller counts on it."""

    code = "run_unsuccessful"

    def __init__(self, run_id: str, run_status: str, error: str) -> None:
        self.run_id = run_id
        self.run_status = run_status
        super().__init__(f"run {run_id} {run_status}" + (f": {error}" if error else ""))
