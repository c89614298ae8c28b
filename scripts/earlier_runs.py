"""Records runs with an earlier version, and replays them with this one.

``python -m scripts.earlier_runs record FOLDER --jikko COMMAND`` serves all apps of the recorded cases (tests/compat)
with that version and plays the cases round by round. The servers' data folders are ``FOLDER/SUITE/home``.
``python -m scripts.earlier_runs replay FOLDER`` replays them as this version's ``jikko replay`` does, each app in its
own version, and prints the number of runs per outcome and each run that differs. It migrates the folders: keep a copy.
``python -m scripts.earlier_runs pack FOLDER --to FILE`` creates the archive for tests/compat/test_earlier_runs.py.
"""

import argparse
import sqlite3
import sys
import tarfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.compat.recorded_suite import suite_of
from tests.compat.replay.cases import Case, Suite
from tests.compat.replay.execute import Surroundings, execute
from tests.compat.replay.jikko import started
from tests.compat.replay.transport import HttpTransport
from tests.compat.replayed import all_results

SUITES = ("recordings", "chats", "tools", "knowledge")
AT_ONCE = 8


def chosen(name: str) -> Suite:
    """Return the suite with only the cases that start runs."""
    suite = suite_of(name)
    return Suite(suite.root, [case for case in suite.cases if starts(case)])


def starts(case: Case) -> bool:
    """Return whether a case starts a run."""
    paths = (step.request["path"] for step in case.all_steps)
    return any(path.endswith(("workflows/run", "chat-messages")) for path in paths)


def record(folder: Path, command: str, names: Sequence[str], rounds: int) -> None:
    """Play the cases ``rounds`` times with the given version."""
    for name in names:
        suite = chosen(name)
        with started(suite, command, folder / name) as target:
            transport = HttpTransport(target.base_url)
            around = Surroundings(target.keys, suite.files, target.echo_url, target.knowledge)
            run = partial(execute, transport=transport, around=around)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for number in range(rounds):
                    list(pool.map(run, suite.cases))
                    print(f"{name}: round {number + 1} of {rounds}, {len(target.keys)} flows", flush=True)
            transport.close()


def replay(folder: Path) -> int:
    """Replay all runs. Returns the number that differ."""
    outcomes: Counter[str] = Counter()
    flows, otherwise = set(), 0
    for home in sorted(folder.glob("*/home")):
        for app, result in all_results(home.parent):
            flows.add((home, app))
            outcomes[f"{result.outcome} {result.reason}"] += 1
            if result.outcome not in ("same", "unknown"):
                otherwise += 1
                print(home.parent.name, app, result)
    print(f"{outcomes.total():,} runs of {len(flows)} flows")
    for outcome, count in outcomes.most_common():
        print(f"{count:7,}  {outcome}")
    return otherwise


def pack(folder: Path, to: Path) -> None:
    """Archive the parts of the data folders needed for replays."""
    with tarfile.open(to, "w:xz", preset=9) as archive:
        for home in sorted(folder.glob("*/home")):
            for file in home.glob("*.db"):
                with closing(sqlite3.connect(file)) as database:
                    database.execute("PRAGMA journal_mode = DELETE")
                    database.execute("VACUUM")
            names = (*home.parent.glob("*.yaml"), *home.glob("*.db"), *home.glob("files/*/*/*"))
            for file in sorted(names):
                archive.add(file, file.relative_to(folder), filter=_nobodys)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["record", "replay", "pack"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jikko", default=f"{sys.executable} -m jikko", help="the command of the earlier version")
    parser.add_argument("--suites", nargs="+", default=list(SUITES))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--to", type=Path, default=Path("earlier_runs.tar.xz"))
    given = parser.parse_args()
    if given.what == "replay":
        return int(replay(given.folder) > 0)
    if given.what == "pack":
        pack(given.folder, given.to)
        return 0
    record(given.folder, given.jikko, given.suites, given.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
