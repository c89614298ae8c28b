"""Reports that are written to files."""

from pathlib import Path

import click

from jikko.cli.command_failure import Failure


def _file(_ctx: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not path.parent.is_dir():
        raise click.UsageError(f"{path} cannot be written: there is no folder {path.parent}")
    return path


_PATH = click.Path(path_type=Path, dir_okay=False)
junit_option = click.option("--junit", type=_PATH, callback=_file, metavar="FILE", help="Write a JUnit report to FILE.")
lcov_option = click.option(
    "--lcov", type=_PATH, callback=_file, metavar="FILE", help="Write coverage to FILE, as LCOV."
)


def write_report(path: Path, content: bytes) -> None:
    """Raises ``Failure``: it cannot be."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise unwritten(path, error) from None


def unwritten(path: Path | str, error: OSError) -> Failure:
    """Tell that a file cannot be written."""
    return Failure(f"{path} cannot be written: {error.strerror or error}")
