"""Sandbox for users' code and templates."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, Protocol, TypeAlias

from jikko.ports.http import HttpResponse, OutgoingRequest
from jikko.values import Json

HTTP_CLIENTS: Final = ("urllib3", "requests", "httpx")
"""Python modules whose requests the server makes for the program."""

FILE_MARK: Final = "jikko_file"
"""Only key of an object that stands for a file made by a program."""

SendForProgram: TypeAlias = Callable[[OutgoingRequest], Awaitable[HttpResponse]]
"""Sends a program's request, or raises ``HttpFailure``. The request comes unchanged from the program: the sender sets
limits and the app."""


class SandboxFailure(Exception):
    """The user's program failed, or could not be run. The message is for the user."""

    def __init__(self, message: str, *, kind: str = "CodeExecutionError") -> None:
        self.kind = kind
        """Kind of failure: ``CodeExecutionError`` (exception in the program, refused operation), ``WorkflowNodeError``
        (the result is missing or not a JSON object; Source: docs/dify-behaviour.md, “Code node”),
        ``SandboxLimitError`` (the limit in the message was exceeded) or ``SandboxUnavailableError``."""
        super().__init__(message)


class Sandbox(Protocol):
    """Runs untrusted programs. Contract: ``tests/contract/test_sandbox.py``.

    Calls may overlap; waiting apps take turns. Cancelling a call kills its program. Calls are isolated from each other.
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
        its result, which may contain NaN and infinities (Source: docs/dify-behaviour.md, “Code node”). Raises
        ``SandboxFailure``: the program failed, exceeded a limit or could not be run.

        Args:
            language: ``python3`` or ``javascript``.
            app_id: Owner of the program.
            send: Sends the program's requests, one at a time, while its clock stands still. Without it, they fail.
            files: Results of Python programs that are files, or lists of them: images and bytes. They are returned as
                ``{FILE_MARK: {"filename": …, "content": base64}}``, unless the program cheats.
        """

    async def render(self, template: str, variables: Mapping[str, Json], *, app_id: str = "") -> str:
        """Render a Jinja2 template as ``jinja2.Template`` does.
        ``app_id``: Owner of the template. Compiled templates are shared only within an app.
        Raises ``SandboxFailure``: the template is invalid, exceeded a limit or could not be run."""

    async def close(self) -> None:
        """Kill running programs. Idempotent."""
