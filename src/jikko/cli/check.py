"""``jikko check``: says what is wrong with DSL files, without running them."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from jikko.apps.dsl_file import read_dsl_file
from jikko.cli.options import json_option


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Check DSL FILES and print every problem.

    The exit code is 0 if every file can be imported, 1 if one cannot. A warning is true of the file and does not stop
    an import.
    """
    broken = 0
    for file in files:
        problems = _problems(file)
        fatal = [problem for problem in problems if problem["level"] == "error"]
        broken += bool(fatal)
        if as_json:
            click.echo(json.dumps({"file": str(file), "ok": not fatal, "problems": problems}, ensure_ascii=False))
            continue
        for problem in problems:
            where = f"{problem['path']}: " if problem["path"] else ""
            hint = f" ({problem['hint']})" if problem["hint"] else ""
            level = "" if problem["level"] == "error" else "warning: "
            click.echo(f"{file}: {level}{where}{problem['problem']}{hint}")
    if not as_json:
        click.echo(f"{len(files) - broken} of {len(files)} files can be imported", err=bool(broken))
    if broken:
        sys.exit(1)


def _problems(file: Path) -> list[dict[str, Any]]:
    from jikko.apps.versions import check as check_file
    from jikko.nodes.registry import BY_TYPE

    try:
        text = read_dsl_file(file)
    except OSError as error:
        return [{"level": "error", "path": "", "problem": f"cannot be read: {error.strerror}", "hint": ""}]
    return [
        {
            "level": "error" if problem.fatal else "warning",
            "path": problem.where,
            "problem": problem.what,
            "hint": problem.hint,
        }
        for problem in check_file(text, source=str(file), node_classes=BY_TYPE).problems
    ]
