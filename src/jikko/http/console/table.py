"""All operations of the console in one table, for descriptions. For serving see ``sections``."""

from typing import Any, Final

from jikko.console.console_service import Console
from jikko.http.console.page_files import PageFiles
from jikko.http.console.sections import console_sections
from jikko.http.console.visitor_gate import API, PAGE_API
from jikko.http.operation import Operation, all_operations
from jikko.http.reference.openapi import described

_SCHEME: Final = {
    "ConsoleSession": {"type": "apiKey", "in": "cookie", "name": "jikko_console"},
    "ConsoleToken": {"type": "http", "scheme": "bearer", "bearerFormat": "jko_…"},
}


def console_operations(console: Console, page: PageFiles | None = None) -> list[Operation]:
    """Return all operations below ``/console`` and ``/api``, and ``/``, which redirects browsers.
    ``page``: Default: from the package."""
    return list(all_operations(console_sections(console, page)))


def console_description(version: str, operations: list[Operation], root_path: str = "") -> dict[str, Any]:
    """Describe the management API as OpenAPI 3.1."""
    description = (
        "Apps, versions, keys, environments, runs, triggers and deliveries of a server. Every error is an "
        "object with code, message and status. Send Authorization: Bearer jko_… with each request. The "
        "console page uses the same operations below /console/api, the only path its cookie is sent to: "
        "it signs in with POST /console/api/session, and sends X-Jikko-Console: 1 with every method but "
        "GET."
    )
    return described(
        [operation for operation in operations if operation.path.startswith((API, PAGE_API))],
        title="Jikko management",
        version=version,
        description=description,
        root_path=root_path,
        schemes=_SCHEME,
    )
