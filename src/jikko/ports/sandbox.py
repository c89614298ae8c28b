"""The sandbox, in which code and templates of users run."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, Protocol, TypeAlias

from jikko.ports.http import HttpResponse, OutgoingRequest
from jikko.values import Json

HTTP_CLIENTS: Final = ("urllib3", "requests", "httpx")
"""Modules of Python programs whose requests are made for them."""

FILE_MARK: Final = "jikko_file"
"""The one key of an object that stands for a file which a program made."""

SendForProgram: TypeAlias = Callable[[OutgoingRequest], Awaitable[HttpResponse]]
"""Makes a request of a program, or raises ``HttpFailure``. The request comes from the program as it is: the one
that makes it sets limits, and says for which app."""


class SandboxFailure(Exception):
    """The user's program failed, or could not be run. The message is for the user to read."""

    def __init__(self, message: str, *, kind: str = "CodeExecutionError") -> None:
        self.kind = kind
        """Which failure it is: ``CodeExecutionError`` (exception in the program, refused operation),
        ``WorkflowNodeError`` (the result is missing or no JSON object; Source: docs/dify-behaviour.md, “Code node”),
        ``SandboxLimitError`` (a limit was broken, which the message names) or ``SandboxUnavailableError``."""
        super().__init__(message)


class Sandbox(Protocol):
    """Runs programs that are not trusted. What an implementation must do is in ``tests/contract/test_sandbox.py``.

    Calls may overlap; where some have to wait, apps take turns. Cancelling a call kills the program. Nothing of one
    call can be seen by another.
    """

    async def run_code(
        self,
        language: str,
        code: str,
        arguments: Mapping[str, Json],
        *,
        app_id: str = "",
        send: SendForProgram | None = None,
        files: Collection[str] = (),
    ) -> dict[str, Json]:
        """Call the program's ``main`` with the arguments: by keyword in Python, as one object in JavaScript. Returns
        the object that ``main`` returned. May hold NaN and infinities (Source: docs/dify-behaviour.md, “Code node”).
        Raises ``SandboxFailure``: the program failed, broke a limit or could not be run.

        Args:
            language: ``python3`` or ``javascript``.
            app_id: Whose program it is.
            send: Makes the requests of the program, one at a time. While it does, the time of the program stands still.
                Without it, they fail.
            files: Results of Python programs that are files, or lists of them: pictures and bytes. They come back as
                ``{FILE_MARK: {"filename": …, "content": base64}}``, as far as the program is honest.
        """

    async def render(self, template: str, variables: Mapping[str, Json], *, app_id: str = "") -> str:
        """Render a Jinja2 template as ``jinja2.Template`` does.
        ``app_id``: whose template it is. Compiled templates are shared only within one app.
        Raises ``SandboxFailure``: the template is wrong, broke a limit or could not be run."""

    async def close(self) -> None:
        """Kill what still runs. May be called twice."""
