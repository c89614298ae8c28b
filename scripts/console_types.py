"""Generates the management API's types for the console, from a running server: console/src/api/schema.ts.

Usage: python -m scripts.console_types http://127.0.0.1:8000. Requires the packages of console/ (``make console``).
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from scripts.build_console import npm, sources

TYPES = Path("src/api/schema.ts")
_COMMENT = re.compile(r"^ *(/\*\*.*?\*/|//[^\n]*)\n", re.MULTILINE | re.DOTALL)


def types_of(description: bytes, *options: str) -> str:
    """Return the types of an OpenAPI description in JSON. ``options``: For openapi-typescript."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "openapi.json", Path(folder) / "schema.ts"
        given.write_bytes(description)
        command = ["node", "node_modules/openapi-typescript/bin/cli.js", str(given), "-o", str(made), *options]
        subprocess.run(command, cwd=sources(), env=npm()[1], check=True, capture_output=True)
        # Comments are removed, so that descriptions do not affect the types.
        return _COMMENT.sub("", made.read_text(encoding="utf-8"))


def console_types(description: bytes) -> str:
    """Return the types of a description's schemas: the console names neither its paths nor its operations."""
    return types_of(json.dumps(json.loads(description) | {"paths": {}}).encode())


def main(arguments: list[str]) -> int:
    """Write the file."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    with urlopen(f"{arguments[0]}/api/openapi.json") as answer:
        (sources() / TYPES).write_text(console_types(answer.read()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
