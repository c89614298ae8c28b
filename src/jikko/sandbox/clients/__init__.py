"""Modules available to programs without installation: ``json_repair``, and HTTP clients over the server.

The clients are the real libraries. Their connections are replaced by requests to the server.
"""

from typing import Final

from jikko.ports.sandbox import HTTP_CLIENTS

MODULES: Final = (*HTTP_CLIENTS, "json_repair")
"""By import name. A fork server imports one when the first program needs it."""
LIBRARIES: Final = (*MODULES, "certifi", "charset_normalizer", "idna")
"""The same with their dependencies: the top-level modules kept in memory."""
