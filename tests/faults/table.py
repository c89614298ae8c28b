"""Faults that several servers are tested with, and the table of results in docs/reliability.md.

``make faults`` tests all of them, or those of ``FAULTS``, and then runs this file, which writes the table.
"""

import json
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reliability.md"
KEPT: Final = ROOT / "build" / "faults"
"""Observations: a file per fault."""
BEGIN: Final = "<!-- what `make faults` has seen -->"
END: Final = "<!-- up to here -->"


class Fault(NamedTuple):
    """Kind of fault."""

    what: str
    wanted: str


REFUSED: Final = "starts are 503 within 10 s, soon at once; not ready; none that was refused runs"
"""Requirement for a store that accepts no writes."""
FAULTS: Final = {
    1: Fault("server `kill -9`", "others go on within its life + 1 s"),
    2: Fault("server frozen for 3 lives, then goes on", "taken over once; it writes nothing, and ends its copies"),
    3: Fault("one worker of a server killed", "taken over at once, not after its life"),
    4: Fault("new holder killed while it takes over", "offered again; all go on"),
    5: Fault("all servers killed, one starts", "it takes over all"),
    6: Fault("NATS `kill -9`, back after 1 s", "no run notices; streams follow by reading"),
    7: Fault("NATS loses its store, and a server is killed", "found by its records; no run taken from the living"),
    8: Fault("leader of three NATS servers killed, and a server", "as 1, and an election"),
    9: Fault("server cut off from NATS for 30 s", "its runs are taken over; no call begins twice after that"),
    10: Fault("server cut off from PostgreSQL for 30 s", "keeps its runs; is not ready; goes on"),
    11: Fault("PostgreSQL `kill -9`, back after 5 s", "starts are 503; all runs end"),
    12: Fault("primary killed, synchronous standby promoted", "as 11; nothing acknowledged is missing"),
    13: Fault("primary killed, standby that lagged promoted", "runs are appended again, or taken back; one history"),
    14: Fault("answers of commits lost at random", "no run is refused to its own server"),
    15: Fault("100 ms and 1 % loss to PostgreSQL", "slower by the delay; all end"),
    16: Fault("stream at A of a run at B; A killed; resumed at C", "every event once, in order"),
    17: Fault("stop and form from another server, NATS away", "done within 3 s"),
    18: Fault("rolling restart under load", "no request failed, no node run twice"),
    19: Fault("bucket away for 30 s; bucket that refuses", "uploads are 503; runs without files go on"),
    20: Fault("10 minutes of runs, a random fault every 10 s, one app floods", "all of the above; others wait < 1 s"),
    21: Fault("packets between a server and NATS are swallowed", "streams elsewhere go on; it is not ready"),
    22: Fault("SIGTERM while PostgreSQL says nothing", "ends within 15 s, with 1; others go on with its runs"),
    23: Fault("SIGTERM while NATS says nothing", "ends within 15 s; others go on with its runs"),
    24: Fault("SQLite: the disk is full", REFUSED),
    25: Fault("SQLite: the file system has become read-only", REFUSED),
    26: Fault("SQLite: another process holds the lock", REFUSED),
    27: Fault("SQLite: the disk does not answer", REFUSED),
    28: Fault("PostgreSQL: the disk is full", REFUSED),
    29: Fault("PostgreSQL: it is read-only", REFUSED),
    30: Fault("PostgreSQL: others use all connections", REFUSED),
    31: Fault("PostgreSQL: the tables of runs are locked", REFUSED),
    32: Fault("PostgreSQL: all its processes are frozen", REFUSED),
    33: Fault("32, and the server is killed meanwhile", "the next one runs nothing that was refused"),
    34: Fault("27, and the server is killed meanwhile", "the next one runs nothing that was refused"),
    35: Fault(
        "webhooks called and a schedule due while servers, workers, the leader, PostgreSQL and NATS are killed in turn",
        "no call that was taken is lost; nothing runs twice",
    ),
}
IN_CI: Final = frozenset((1, 6, 11, 14, 18, 21))
"""Faults tested for every change; the others by ``make faults`` alone."""


class Seen(NamedTuple):
    """Results of a fault."""

    tried: int
    """Accepted runs."""
    lost: int
    """Accepted runs that are missing, or ended differently."""
    twice: int
    """Repeated calls, all of which were in progress when the fault came."""
    seconds: float | None
    """From the fault, or its end, until the last run resumed; for fault 9 the first, since others start meanwhile."""
    note: str


def keep(number: int, seen: Seen) -> None:
    """Store the results of a fault."""
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{number}.json").write_text(json.dumps(seen), encoding="utf-8")


def chosen() -> frozenset[int]:
    """Return the faults to test: the comma-separated numbers in ``TEST_FAULTS``, or all."""
    named = os.environ.get("TEST_FAULTS", "").replace(",", " ").split()
    return frozenset(map(int, named)) or frozenset(FAULTS)


def documented(text: str) -> dict[int, str]:
    """Return the rows of a page, by fault."""
    _, _, rest = text.partition(BEGIN)
    table, _, _ = rest.partition(END)
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return {int(number): line for line in lines if (number := line.split("|")[1].strip()).isdigit()}


def rows(tried: Collection[int], before: Mapping[int, str], kept: Path = KEPT) -> list[str]:
    """Return the table: stored results of tested faults, and the previous rows of others.

    Args:
        kept: Folder of the stored results.
    """
    lines = [
        "| | fault | wanted | went on after | runs | lost | calls made twice | seen |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for number, fault in FAULTS.items():
        if number not in tried and number in before:
            lines.append(before[number])
            continue
        file = kept / f"{number}.json"
        seen = Seen(*json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None
        figures = ["–", "–", "–", "–", "**failed**"]
        if seen is not None:
            after = "–" if seen.seconds is None else f"{seen.seconds:.1f} s"
            figures = [after, f"{seen.tried:,}", f"{seen.lost:,}", f"{seen.twice:,}", seen.note]
        lines.append(f"| {' | '.join([str(number), fault.what, fault.wanted, *figures])} |")
    return lines


def main() -> int:
    """Write the table. Returns the number of failed faults among those to test."""
    text, tried = PAGE.read_text(encoding="utf-8"), chosen()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join(rows(tried, documented(text)))
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")
    return len(tried) - sum((KEPT / f"{number}.json").exists() for number in tried)


if __name__ == "__main__":
    sys.exit(main())
