"""What many runs cost, by reckoning and simulation: the tables of docs/scale.md.

    python -m benchmarks.scale [--write]

Prints the tables, or writes them into the page. Nothing is measured here: what a run costs is in ``MEASURED``, which is
what benchmarks/scale_figures.py and docs/performance.md say, and prices are in ``PRICES``.
"""

import heapq
import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

PAGE: Final = Path(__file__).parents[1] / "docs" / "scale.md"
DAY: Final = 86_400


class Run(NamedTuple):
    """What one run costs."""

    server: float
    """Processor seconds of Jikko's processes."""
    appends: float
    database: float
    """Processor seconds of PostgreSQL."""
    log: float
    """Bytes of write-ahead log."""
    row: float
    """Bytes in the table and its indexes."""
    archive: float
    """Bytes in the archive."""


SHORT: Final = 606e-6
"""Processor seconds of the server for a chain of ten nodes over HTTP: docs/performance.md."""
TOKEN: Final = 15e-6
"""… for a token that a model streams: benchmarks/streaming_models.py."""
APPEND: Final = 30e-6
"""… for an append to PostgreSQL, and below 25 µs of PostgreSQL's own: benchmarks/scale_figures.py, as all bytes are."""
TOKENS: Final = 200
MEASURED: Final = {
    "ten short nodes": Run(server=SHORT, appends=1, database=27e-6, log=2400, row=2300, archive=580),
    f"ten nodes, {TOKENS} tokens streamed": Run(
        server=SHORT + TOKENS * TOKEN + 21 * APPEND, appends=22, database=22 * 25e-6, log=16_700, row=2300, archive=580
    ),
}
"""The second has models or requests: each of its 22 events is durable before what follows it is seen."""

PRICES: Final = {"core_hour": 0.04, "ssd_gb_month": 0.115, "bucket_gb_month": 0.023}
"""Dollars, of a large provider, from memory."""
USED: Final = 0.5
"""The part of the cores that is used at the daily peak."""
COPIES: Final = 2
"""Of the database: a primary and a standby."""
HOT_DAYS: Final = 7
"""In the database, before runs go into the archive."""
CORES_OF_A_SERVER: Final = 8
NATS_CORES: Final = 6
"""Of a cell: three servers of two cores. An ordinary run has no message; it is there for those that move."""
CELL_APPENDS: Final = 20_000
"""Appends a second of a cell, which is one PostgreSQL with its standby, three NATS, and servers. By design: half a core
of PostgreSQL by its processor time, which leaves the rest to its log, its disk and to vacuum."""
RATES: Final = (10_000, 100_000, 1_000_000)


class Needs(NamedTuple):
    """What a rate of runs needs."""

    server_cores: float
    servers: int
    appends: float
    database_cores: float
    log_mb: float
    hot_tb: float
    archive_tb_day: float
    cells: int
    """Each is a PostgreSQL with a standby, three NATS, and its servers; an app is in one."""


def needs(run: Run, rate: float) -> Needs:
    """Of a rate in runs a second."""
    server_cores = rate * run.server
    return Needs(
        server_cores=server_cores,
        servers=math.ceil(server_cores / USED / CORES_OF_A_SERVER),
        appends=rate * run.appends,
        database_cores=rate * run.database,
        log_mb=rate * run.log / 1e6,
        hot_tb=rate * DAY * HOT_DAYS * run.row / 1e12,
        archive_tb_day=rate * DAY * run.archive / 1e12,
        cells=math.ceil(rate * run.appends / CELL_APPENDS),
    )


class Cost(NamedTuple):
    """Of a million runs, in dollars."""

    servers: float
    database: float
    nats: float
    hot: float
    archive_month: float

    @property
    def total(self) -> float:
        """With the archive for one month."""
        return sum(self)


def cost(run: Run, count: float = 1e6) -> Cost:
    hour = PRICES["core_hour"] / 3600 / USED
    return Cost(
        servers=count * run.server * hour,
        database=count * run.database * hour * COPIES,
        nats=count * NATS_CORES * PRICES["core_hour"] / 3600 * run.appends / CELL_APPENDS,
        hot=count * run.row / 1e9 * PRICES["ssd_gb_month"] * HOT_DAYS / 30 * COPIES,
        archive_month=count * run.archive / 1e9 * PRICES["bucket_gb_month"],
    )


def outage(load: float, away: float, refuse_at: float | None = None, capacity: float = 20_000) -> tuple[float, float]:
    """The record stands still: the longest wait of an append, and after how many seconds all is as before.

    Args:
        load: Of the capacity, which is in appends a second.
        away: Seconds.
        refuse_at: Seconds of work that wait from which on runs are refused.
    """
    step, backlog, longest, at = 0.01, 0.0, 0.0, 0.0
    arriving = load * capacity * step
    while True:
        down = at < away
        if refuse_at is None or backlog <= refuse_at * capacity:
            backlog += arriving
        if not down:
            backlog = max(0.0, backlog - capacity * step)
        longest = max(longest, backlog / capacity + max(0.0, away - at))
        at += step
        if at > away and (backlog <= arriving or at > away + 600):
            return longest, at - away


class Queue:
    """How runs that wait share the slots of all servers: who waits how long beside one app that floods."""

    def __init__(self, queue_of: Callable[[int], int], most_of_an_app: int | None) -> None:
        """Args:
        queue_of: The queue of an app; queues take turns.
        most_of_an_app: In its queue at once; more wait at their server.
        """
        self._queue_of = queue_of
        self._most = most_of_an_app
        self._waiting: dict[int, list[tuple[float, int]]] = {}
        self._inside: dict[int, int] = {}
        self._behind: dict[int, list[float]] = {}
        self._turn = 0

    def put(self, at: float, app: int) -> None:
        if self._most is not None and self._inside.get(app, 0) >= self._most:
            self._behind.setdefault(app, []).append(at)
            return
        self._inside[app] = self._inside.get(app, 0) + 1
        self._waiting.setdefault(self._queue_of(app), []).append((at, app))

    def take(self) -> tuple[float, int] | None:
        queues = [queue for queue, entries in self._waiting.items() if entries]
        if not queues:
            return None
        self._turn += 1
        queue = queues[self._turn % len(queues)]
        at, app = self._waiting[queue].pop(0)
        self._inside[app] -= 1
        if self._behind.get(app):
            self._inside[app] += 1
            self._waiting[queue].append((self._behind[app].pop(0), app))
        return at, app

    def left(self) -> Iterator[tuple[float, int]]:
        for entries in self._waiting.values():
            yield from entries


def fairness(queue: Queue, *, slots: int = 200, flood: int = 20_000, seconds: float = 120.0) -> tuple[float, float]:
    """One app hands in a flood at 10 s, 49 others a run a second each; runs take 1 s. The others' wait: p50, p99."""
    chance = random.Random(7)
    events: list[tuple[float, int, int]] = [(10.0, 0, flood)]
    events += [(chance.expovariate(1.0), app, 1) for app in range(1, 50)]
    heapq.heapify(events)
    waits: list[float] = []
    free = slots
    while events and events[0][0] < seconds:
        at, app, count = heapq.heappop(events)
        if app < 0:
            free += 1
        else:
            for _ in range(count):
                queue.put(at, app)
            if app:
                heapq.heappush(events, (at + chance.expovariate(1.0), app, 1))
        while free and (taken := queue.take()) is not None:
            free -= 1
            begun, owner = taken
            if owner:
                waits.append(at - begun)
            heapq.heappush(events, (at + chance.expovariate(1.0), -1, 0))
    # Those that still wait count, too.
    waits += [seconds - at for at, app in queue.left() if app]
    waits.sort()
    return waits[len(waits) // 2], waits[int(len(waits) * 0.99)]


def takeover(servers: int, runs: int, *, life: float = 10.0, read: float = 2e-3, fold: float = 1.2e-3) -> float:
    """Seconds until the last run of a server that died goes on: its life, then each holder reads, folds, appends."""
    at_once = 40
    a_second = min((servers - 1) / (2 * read + fold), at_once / (2 * read))
    return life + runs / a_second


def _hash(app: int, queues: int) -> int:
    return (app * 2_654_435_761 >> 7) % queues


QUEUES: Final[dict[str, Callable[[], Queue]]] = {
    "one queue": lambda: Queue(lambda _: 0, None),
    "8 queues by a hash of the app": lambda: Queue(lambda app: _hash(app, 8), None),
    "64 queues by a hash of the app": lambda: Queue(lambda app: _hash(app, 64), None),
    "a queue an app": lambda: Queue(lambda app: app, None),
    "**one queue, at most 16 of an app**": lambda: Queue(lambda _: 0, 16),
}


def _number(value: float) -> str:
    """With two digits that count, or whole."""
    if isinstance(value, int) or value >= 10:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables() -> dict[str, str]:
    """Each table of the page, by its name."""
    short, long = MEASURED.values()
    pairs = [(needs(short, rate), needs(long, rate)) for rate in RATES]

    def row(what: str, of: Callable[[Needs], float]) -> list[str]:
        return [what, *(f"{_number(of(one))} / {_number(of(other))}" for one, other in pairs)]

    scale = [
        ["runs a day", *(_number(rate * DAY / 1e9) + " billion" for rate in RATES)],
        row("cores of servers", lambda need: need.server_cores),
        row(f"servers of {CORES_OF_A_SERVER} cores, half used", lambda need: need.servers),
        row("appends a second", lambda need: need.appends),
        row("cores of PostgreSQL", lambda need: need.database_cores),
        row("write-ahead log, MB/s", lambda need: need.log_mb),
        row(f"in the database, {HOT_DAYS} days, TB", lambda need: need.hot_tb),
        row("archive, TB a day", lambda need: need.archive_tb_day),
        row("cells", lambda need: need.cells),
    ]
    months = [tuple(cost(run, rate * DAY * 30).total for run in (short, long)) for rate in RATES]
    scale += [["thousand dollars a month", *(f"{_number(a / 1e3)} / {_number(b / 1e3)}" for a, b in months)]]
    money = [
        [name, *(f"{part:.3f}" for part in cost(run)), f"**{cost(run).total:.2f}**"] for name, run in MEASURED.items()
    ]
    inputs = [
        [
            name,
            f"{run.server * 1e6:,.0f} µs",
            f"{run.appends:.0f}",
            f"{run.database * 1e6:.0f} µs",
            f"{run.log:,.0f} B",
            f"{run.row:,.0f} B",
            f"{run.archive:.0f} B",
        ]
        for name, run in MEASURED.items()
    ]
    away = [
        [f"{load:.0%}", *(f"{value:.1f} s" for refuse in (None, 2.0) for value in outage(load, 30.0, refuse))]
        for load in (0.5, 0.7, 0.9)
    ]
    fair = [[name, *(f"{wait:.2f} s" for wait in fairness(made()))] for name, made in QUEUES.items()]
    takeovers = [
        [f"{servers}", f"{runs:,}", f"{takeover(servers, runs):.1f} s"]
        for servers, runs in ((2, 2000), (5, 2000), (20, 2000), (20, 10_000))
    ]
    return {
        "inputs": _table(
            ["a run of", "servers", "appends", "PostgreSQL", "write-ahead log", "row and indexes", "archive"], inputs
        ),
        "money": _table(
            ["a million runs of", "servers", "PostgreSQL", "NATS", "rows", "archive, a month", "dollars"], money
        ),
        "scale": _table(["", *(f"{rate:,} runs/s" for rate in RATES)], scale),
        "outage": _table(
            ["load", "longest wait", "recovered after", "longest wait, refusing", "recovered after, refusing"], away
        ),
        "fairness": _table(["how they wait", "p50 of the others", "p99 of the others"], fair),
        "takeover": _table(["servers", "open runs of the dead one", "the last resumes after"], takeovers),
    }


def filled(page: str) -> str:
    """The page with the tables as they are now, each between its marks."""
    for name, table in tables().items():
        begin, end = f"<!-- {name} -->\n", "<!-- -->"
        before, mark, rest = page.partition(begin)
        if not mark:
            raise ValueError(f"the page has no place for the table {name}")
        page = f"{before}{begin}{table}\n{end}{rest.partition(end)[2]}"
    return page


def main(arguments: list[str]) -> None:
    if arguments == ["--write"]:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    for name, table in tables().items():
        print(f"{name}\n\n{table}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
