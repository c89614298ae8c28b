"""All operations of the console in one table: for what describes them. What serves them has ``sections``."""

from typing import Any, Final

from jikko.console.console_service import Console
from jikko.http.console.page_files import PageFiles
from jikko.http.console.sections import console_sections
from jikko.http.console.visitor_gate import API
from jikko.http.operation import Operation, all_operations
from jikko.http.reference.openapi import described

_SCHEME: Final = {
    "ConsoleSession": {"type": "apiKey", "in": "cookie", "name": "jikko_console"},
    "ConsoleToken": {"type": "http", "scheme": "bearer", "bearerFormat": "jko_…"},
}


def console_operations(console: Console, page: PageFiles | None = None) -> list[Operation]:
    """All addresses below ``/console``, and ``/``, which leads browsers there.

    Args:
        page: By default that of the package.
    """
    return list(all_operations(console_sections(console, page)))


def console_description(version: str, operations: list[Operation], root_path: str = "") -> dict[str, Any]:
    """The description of the console's API, as OpenAPI 3.1."""
    description = (
        "What the console's page asks. Every error is an object with code, message and status. A browser signs in by "
        "POST session, and sends X-Jikko-Console: 1 with whatever is not GET; a script sends Authorization: Bearer "
        "jko_… with each request, and needs neither."
    )
    return described(
        [operation for operation in operations if operation.path.startswith(API)],
        title="Jikko's console",
        version=version,
        description=description,
        root_path=root_path,
        schemes=_SCHEME,
    )
