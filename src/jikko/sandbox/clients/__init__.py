"""Modules that programs have without installing them: ``json_repair``, and HTTP clients that ask the server.

The clients are the libraries of these names. What would open a connection in them has the server make the request.
"""

from typing import Final

from jikko.ports.sandbox import HTTP_CLIENTS

MODULES: Final = (*HTTP_CLIENTS, "json_repair")
"""By their names as programs import them. A fork server imports one when the first program asks for it."""
LIBRARIES: Final = (*MODULES, "certifi", "charset_normalizer", "idna")
"""The same, and what they import: the top-level modules that are in memory."""
