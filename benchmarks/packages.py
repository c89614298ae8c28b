"""What libraries in code nodes cost: a program that uses numpy, and the fork server that has it.

    python -m benchmarks.packages [seconds per figure, default 5]

Installs numpy into a temporary folder, which needs the package index. Baseline: the same sandbox without packages, and
a program that imports nothing.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import figure
from benchmarks.sizes import sized
from jikko.assemble.packages import install_packages
from jikko.assemble.sandboxes import package_folder
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.packages.installed import PackageFolder
from jikko.settings import Settings

NOTHING = "def main(values): return {'r': sum(values) / len(values)}"
NUMPY = "import numpy as np\ndef main(values): return {'r': float(np.array(values).mean())}"
JSON = "import json_repair\ndef main(values): return {'r': json_repair.loads('{a: 1')['a']}"
PER_SECOND = 20


async def medians(programs: Sequence[tuple[ForkServerSandbox, str]], duration: float) -> list[float]:
    """Milliseconds of a run of each, when programs come at a fixed rate: by turns, since the machine's mood changes."""
    found: list[list[float]] = [[] for _ in programs]
    for _ in range(int(duration * PER_SECOND)):
        for (sandbox, code), runs in zip(programs, found, strict=True):
            began = time.perf_counter()
            await sandbox.run_code("python3", code, {"values": [1.0, 2.0, 3.0]})
            runs.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(max(0.0, 1 / PER_SECOND - (time.perf_counter() - began)))
    return [statistics.median(runs) for runs in found]


async def first(packages: PackageFolder | None) -> tuple[ForkServerSandbox, float]:
    """A sandbox, and the seconds that its first run took."""
    sandbox = ForkServerSandbox(packages=packages)
    began = time.perf_counter()
    await sandbox.run_code("python3", NOTHING, {"values": [1]})
    return sandbox, time.perf_counter() - began


def megabytes(sandbox: ForkServerSandbox) -> float:
    """The memory of the fork server, which its children share until they write to it."""
    assert sandbox.fork_server is not None
    lines = Path(f"/proc/{sandbox.fork_server.process_id}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Rss:"))


async def main(duration: float) -> None:
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        await install_packages(settings, ["numpy"], (), print)
        plain, plain_first = await first(None)
        loaded, loaded_first = await first(package_folder(settings))
        empty, numpy, repair = await medians([(plain, NOTHING), (loaded, NUMPY), (plain, JSON)], duration)
        figure("numpy in a code node, p50", numpy, "ms", baseline=empty, aim="<= 2 ms")
        figure("json_repair in a code node, p50", repair, "ms", baseline=empty)
        figure("first code node, without packages", plain_first, "s", aim="as before")
        figure("first code node, with numpy", loaded_first, "s", baseline=plain_first)
        figure("fork server, RSS without packages", megabytes(plain), "MiB", aim="as before")
        figure("fork server, RSS with numpy", megabytes(loaded), "MiB", baseline=megabytes(plain))
        await plain.close()
        await loaded.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else sized(5.0, 0.2)))
