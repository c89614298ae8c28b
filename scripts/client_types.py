"""Generates the Service API's types for its JavaScript client: clients/js/src/schema.ts.

Usage: python -m scripts.client_types. Requires the packages of console/ (``make console``).
"""

import json
import sys
from typing import Any

from scripts.build_console import ROOT
from scripts.console_types import types_of

TYPES = ROOT / "clients" / "js" / "src" / "schema.ts"
_METHODS = ("get", "post", "put", "patch", "delete")


def client_types(description: dict[str, Any]) -> str:
    """Return the types of the Service API, without error responses, which share one body."""
    for path in description["paths"].values():
        for operation in (path[method] for method in _METHODS if method in path):
            operation["responses"] = {
                status: {"description": "", **({"content": answer["content"]} if "content" in answer else {})}
                for status, answer in operation["responses"].items()
                if int(status) < 400
            }
    options = ("--empty-objects-unknown", "--default-non-nullable", "false")
    return types_of(json.dumps(description).encode(), *options)


def main() -> int:
    """Write the file."""
    from jikko import __version__
    from jikko.http.reference.openapi import openapi

    TYPES.write_text(client_types(openapi(__version__)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
