"""Tries plugins that are not part of this repository: installs and starts each, and reports the results.

Usage: python scripts/try_plugins.py FOLDER_OR_FILE… [--home FOLDER] [--call PROVIDER/TOOL KEY=VALUE…]

Each argument is a package, a plugin folder, or a folder of such folders. They are installed into a temporary data
folder, unless one is named. ``--call`` then calls a tool. Prints a Markdown table, and exits with 1 if a plugin did not
start.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from jikko.assemble.plugin_packages import plugin_packages
from jikko.errors import JikkoError
from jikko.settings import Settings


def main() -> int:
    """Try the plugins. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--call", nargs="+", action="append", default=[], metavar="TOOL")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="try-plugins-"))
    try:
        return asyncio.run(_try(list(_plugins(given.sources)), home, given.call))
    finally:
        if given.home is None:
            shutil.rmtree(home, ignore_errors=True)


def _plugins(sources: list[Path]) -> Iterator[Path]:
    for source in sources:
        if source.is_file() or (source / "manifest.yaml").exists():
            yield source
        else:
            yield from sorted(path.parent for path in source.glob("*/manifest.yaml"))


async def _try(sources: list[Path], home: Path, calls: list[list[str]]) -> int:
    failed = 0
    print("| plugin | version | tools, strategies, models | packages | installed and started in | result |")
    print("| --- | --- | --- | --- | --- | --- |")
    async with plugin_packages(Settings(home=home)) as tools:
        for source in sources:
            began = time.monotonic()
            try:
                plugin, archive = await tools.read(str(source))
                done = await tools.installer.install(plugin, archive)
            except (JikkoError, OSError) as error:
                failed += 1
                message = " ".join(str(error).split())[-200:].replace("|", "/")
                print(f"| {source.name} | | | | | FAILED: {message} |", flush=True)
                continue
            count = sum(len(provider.offers) for provider in plugin.providers)
            took = f"{time.monotonic() - began:.1f} s"
            print(f"| {plugin.id} | {plugin.version} | {count} | {done.packages} | {took} | starts |", flush=True)
        print(f"\n{len(sources) - failed} of {len(sources)} start.")
        for tool, *values in calls:
            provider, _, name = tool.rpartition("/")
            pairs = (value.partition("=") for value in values)
            print(f"\n{tool}:")
            failure = await tools.called(provider, name, {key: value for key, _, value in pairs}, print)
            if failure is not None:
                print(f"  {failure}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
