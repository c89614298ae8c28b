"""Modules that programs have without installing them: ``json_repair``, and clients whose requests the server makes.

``requests`` and ``httpx`` here are not the libraries of these names, but as much of their faces as programs use. They
are imported in a locked child, under the names of the libraries.
"""

from typing import Final

from jikko.ports.sandbox import HTTP_CLIENTS

MODULES: Final = (*HTTP_CLIENTS, "json_repair")
"""By their names as programs import them. A fork server imports one when the first program asks for it."""
