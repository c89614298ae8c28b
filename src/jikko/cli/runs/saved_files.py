"""Command ``jikko runs files``, and saving of a run's files."""

import errno
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_run
from jikko.cli.options import failure, with_assembly
from jikko.cli.output import show_entry
from jikko.errors import JikkoError, NotFound
from jikko.exit_codes import ExitCode
from jikko.runs.reading.node_executions import node_executions
from jikko.runs.reading.short_ids import run_of
from jikko.terminal_text import printable
from jikko.values import Json, is_file, stored_files


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@click.option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Save them in DIR."
)
@with_assembly
async def files(assembly: Assembly, run_id: str, folder: Path | None, as_json: bool) -> None:
    """List the files that a RUN made or returned, or save them with --to DIR. Existing files are never overwritten."""
    record = await run_of(assembly.store, run_id)
    found = await files_of(assembly, record)
    saved: dict[str, str] = {}
    unsaved = None
    if folder is not None:
        make_target(folder)
        saved, unsaved = await save(found.values(), assembly, folder)
    for file_id, file in found.items():
        entry = {"id": file_id, "filename": file.get("filename"), "mime_type": file.get("mime_type")}
        entry |= {"size": file.get("size"), "path": saved.get(file_id)}
        line = saved.get(file_id) or f"{file_id}  {file.get('size'):>12,} bytes  {file.get('filename')}"
        show_entry(entry, printable(line), as_json=as_json)
    if unsaved is not None:
        raise unsaved


async def files_of(assembly: Assembly, record: Any) -> dict[str, dict[str, Json]]:
    """Return the files in a run's outputs, and those made by its nodes, by id."""
    found = dict(stored_files(json.loads(record.outputs)))
    for execution in node_executions(
        await assembly.runs.records.events(record), status=record.status, error=record.error
    ):
        made = stored_files(execution.outputs)
        found |= {id_: file for id_, file in made if id_ not in found and file.get("transfer_method") == "tool_file"}
    return found


def make_target(folder: Path) -> None:
    """Make the target folder if missing. Raises ``Failure``: it is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise Failure(f"{folder} cannot be written: {error.strerror}", exit_code=ExitCode.USAGE) from None


async def save(
    found: Iterable[Mapping[str, Json]], assembly: Assembly, folder: Path
) -> tuple[dict[str, str], Failure | None]:
    """Save files in a folder from ``make_target``; a taken name gets a number. Returns the paths of saved files, by id;
    and the last error, if any."""
    paths: dict[str, str] = {}
    unsaved: Failure | None = None
    for file in found:
        file_id = str(file["related_id"])
        try:
            content = await assembly.files.preview(file_id, as_attachment=True)
            with _new_file(folder, str(file.get("filename") or file_id)) as target:
                async for piece in content.chunks:
                    target.write(piece)
        except NotFound:
            message = f"the content of {file.get('filename')!r} is missing"
            unsaved = Failure(message, exit_code=ExitCode.NOT_FOUND, code="not_found")
        except JikkoError as error:
            unsaved = failure(error)
        except OSError as error:
            unsaved = Failure(f"{folder} cannot be written: {error.strerror}")
        else:
            paths[file_id] = target.name
    return paths, unsaved


def with_paths(value: Json, paths: Mapping[str, str]) -> Json:
    """Replace the URLs of saved files in a value by their paths, as ``path``."""
    if isinstance(value, list):
        return [with_paths(item, paths) for item in value]
    if not isinstance(value, dict):
        return value
    path = paths.get(str(value.get("related_id"))) if is_file(value) else None
    if path is None:
        return {name: with_paths(item, paths) for name, item in value.items()}
    return {**{name: item for name, item in value.items() if name not in ("url", "remote_url")}, "path": path}


def _new_file(folder: Path, name: str) -> BinaryIO:
    """Create a new file of this name directly in the folder."""
    plain = "".join(one if one.isprintable() else "_" for one in os.path.basename(name.replace("\\", "/")))
    # Names may have 255 bytes; some are reserved for the number.
    stem, ending = os.path.splitext(plain.encode()[-240:].decode(errors="ignore").lstrip(".") or "file")
    number = 1
    while True:
        try:
            return (folder / f"{stem}{f'-{number}' if number > 1 else ''}{ending}").open("xb")
        except FileExistsError:
            number += 1
