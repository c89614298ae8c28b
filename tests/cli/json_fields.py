"""Fields printed by commands with ``--json``: scripts read them, so lost or renamed ones must be noticed.

Usage: python -m tests.cli.json_fields rewrites ``json_fields.txt``.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner

from jikko.cli.main import cli

TABLE: Final = Path(__file__).with_name("json_fields.txt")
_EXAMPLES: Final = Path(__file__).parents[2] / "examples"
_KINDS: Final = {str: "text", bool: "bool", int: "number", float: "number", type(None): "null"}
_TOOLS: Final = "tools: {quotes: {type: workflow, app: Parallel quote}, away: {type: workflow, app: 無い}}\n"
_PROVIDERS: Final = "providers: {mine: {type: openai, base_url: 'http://127.0.0.1:9/v1', api_key: k}}\n"


def shape(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of a value's fields with their types."""
    match value:
        case dict():
            for name, item in value.items():
                yield from shape(item, f"{path}.{name}" if path else name)
        case list():
            for item in value:
                yield from shape(item, f"{path}[]")
        case _:
            yield f"{path} {_KINDS[type(value)]}"


class Shell:
    """Commands in this process, on one data folder."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "home"
        (folder / "tools.yml").write_text(_TOOLS, encoding="utf-8")
        (folder / "providers.yml").write_text(_PROVIDERS, encoding="utf-8")
        files = {"JIKKO_TOOLS": str(folder / "tools.yml"), "JIKKO_PROVIDERS": str(folder / "providers.yml")}
        self._environment = {"JIKKO_PORT": "0", **files}
        self.rows: dict[str, set[str]] = {}

    def __call__(self, name: str, *rest: str, home: bool = True) -> list[dict[str, Any]]:
        """Return a command's output, one object per line, and record its fields."""
        command = [*name.split(), *rest, "--json", *(("--home", str(self._home)) if home else ())]
        outcome = CliRunner().invoke(cli, command, env=self._environment)
        found = [json.loads(line) for line in outcome.stdout.splitlines()]
        assert found, f"{name}: {outcome.stderr} {outcome.stdout}"
        self.rows.setdefault(name, set()).update(row for one in found for row in shape(one))
        return found


def fields(folder: Path) -> str:
    """Return the table: one line per field, below its command."""
    jikko = Shell(folder)
    quote, nightly = str(_EXAMPLES / "parallel-quote.yml"), str(_EXAMPLES / "uses" / "nightly-report.yml")
    jikko("check", quote)
    jikko("show", quote)
    jikko("test", str(_EXAMPLES / "parallel-quote.test.yml"), home=False)
    jikko("apps import", quote, nightly)
    jikko("apps list")
    jikko("apps show", "Parallel quote")
    jikko("apps keys", "Parallel quote")
    for country in ("DE", "日本"):
        jikko("run", quote, "-i", "pieces=3", "-i", f"country={country}", "--keep")
    first, second = (one["workflow_run_id"] for one in jikko("runs list"))
    jikko("runs show", first)
    jikko("runs diff", first, second)
    jikko("runs prune", "--older-than", "1h", "--yes")
    jikko("coverage", "--app", "Parallel quote")
    [trigger, *_] = jikko("triggers list")
    jikko("triggers pause", trigger["id"], "--for", "2h")
    jikko("triggers backfill", trigger["id"], "--from", "2025-01-01T00:00:00Z", "--to", "2025-01-05T00:00:00Z")
    jikko("triggers backfill", trigger["id"], "--drop")
    jikko("triggers list")
    jikko("tools list")
    jikko("tools test")
    jikko("providers list")
    jikko("plugins install", str(folder / "nowhere.difypkg"))
    jikko("plugins remove", "nobody/nothing")
    jikko("console tokens new", "見る人")
    jikko("console tokens list")
    jikko("keys rotate")
    (folder / "山.txt").write_text("富士山は高い。" * 20, encoding="utf-8")
    jikko("knowledge add", "地理", str(folder / "山.txt"), "--technique", "economy")
    jikko("knowledge list")
    jikko("knowledge show", "地理")
    jikko("knowledge search", "地理", "富士山")
    jikko("audit")
    return "".join(f"{name}\n" + "".join(f"  {row}\n" for row in sorted(rows)) for name, rows in jikko.rows.items())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        TABLE.write_text(fields(Path(name)), encoding="utf-8")
