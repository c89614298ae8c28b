"""What calls of webhooks and schedules cost, beside runs that clients start by key.

    python -m benchmarks.deliveries

Both kinds of start are answered once they are durable, and their runs (two nodes) go on by themselves:
`response_mode: async`. They take turns on one server; its processor time counts until it rests.
"""

import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import document, figure, imported, node, put, request, serving, start_end
from benchmarks.sizes import sized

SECONDS = sized(2.0, 0.05)
"""Of a turn."""
TURNS = sized(5, 1)
SCHEDULES = sized(20, 2)
"""That are due each second."""
AT_REST = sized(100_000, 100)
BODY = {"inputs": {"q": "hello"}, "user": "bench", "response_mode": "async"}
_NAMED = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"


def hook() -> dict[str, Any]:
    """Two nodes, as ``start_end``."""
    declared = [{"name": "q", "type": "string", "required": False}]
    called = node("hook", "trigger-webhook", method="post", content_type="application/json", body=declared)
    end = node("end", "end", outputs=[{"variable": "q", "value_selector": ["hook", "q"]}])
    return document("hook", [called, end], ["hook --> end"])


def clocks() -> dict[str, Any]:
    """Schedules that are due each second."""
    names = [f"clock{number}" for number in range(SCHEDULES)]
    nodes = [node(name, "trigger-schedule", mode="cron", cron_expression="@every 1s") for name in names]
    end = node("end", "end", outputs=[{"variable": "at", "value_selector": ["sys", "timestamp"]}])
    return document("clocks", [*nodes, end], [f"{name} --> end" for name in names])


def cpu(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rests(pid: int) -> float:
    """The same, once it does nothing any more."""
    before = cpu(pid)
    while True:
        time.sleep(0.25)
        if (now := cpu(pid)) - before <= 0.01:
            return now
        before = now


def ask(home: Path, sql: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(home / "jikko.db", timeout=30)) as connection, connection:
        return connection.execute(sql, values).fetchall()


async def one_turn(pid: int, port: int, wanted: bytes) -> tuple[float, float, float]:
    """Answers a second, the p99 of their times, and the processor time of one of their runs."""
    before = rests(pid)
    load = await put(port, wanted, clients=8, seconds=SECONDS)
    return load.per_second, load.p99, (rests(pid) - before) / load.count


async def calls(home: Path) -> None:
    key = imported(home, start_end(), hook())["start_end"].key
    [[address]] = ask(home, "SELECT address FROM app_triggers")
    by_key = request("POST", "/v1/workflows/run", key, json.dumps(BODY).encode())
    by_call = request("POST", f"/triggers/webhook/{address}", "", b'{"q": "hello"}')
    with serving(home, JIKKO_MAX_QUEUED_RUNS="1000000") as (pid, port):
        for wanted in (by_key, by_call):
            await put(port, wanted, clients=8, seconds=0.5)
        turns = [[await one_turn(pid, port, wanted) for wanted in (by_key, by_call)] for _ in range(TURNS)]
    (a_second, p99, spent), (calls_a_second, calls_p99, calls_spent) = (
        [statistics.median(values) for values in zip(*(turn[kind] for turn in turns), strict=True)] for kind in (0, 1)
    )
    figure("deliveries, 8 clients", calls_a_second, "/s", baseline=a_second, aim=">= 1,000 /s")
    figure("answer to a delivery, 8 clients, p99", calls_p99 * 1000, "ms", baseline=p99 * 1000, aim="<= 10 ms")
    figure("CPU of a delivery and its run", calls_spent * 1e6, "us", baseline=spent * 1e6, aim="<= 1.3 x")


def due(home: Path) -> None:
    """How late schedules are that are due at once."""
    imported(home, clocks())
    with serving(home):
        time.sleep(sized(8.0, 3.0))
    late = [row[0] for row in ask(home, "SELECT at - due FROM due_times WHERE state = 'started'")]
    figure(
        f"{SCHEDULES} schedules due at a time: lateness, p99",
        sorted(late)[int(len(late) * 0.99)] * 1000,
        "ms",
        aim="< 1 s",
    )


def at_rest(home: Path) -> None:
    """What many schedules cost that are not due."""
    imported(home, start_end())
    far = f"INSERT INTO schedules (trigger_id, plan, changed_at, handled, wake) {_NAMED} "
    ask(home, f"{far} SELECT printf('%08d', i), '', 0, 0, 4e9 + i FROM n", AT_REST)
    with serving(home) as (pid, _):
        rests(pid)
        before, seconds = cpu(pid), sized(12.0, 0.5)
        time.sleep(seconds)
        share = (cpu(pid) - before) / seconds
    figure(
        f"{AT_REST:,} schedules at rest: of a core, with all that an idle server does", share * 100, "%", aim="< 1 %"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        homes = [Path(folder) / name for name in ("calls", "due", "rest")]
        uvloop.run(calls(homes[0]))
        due(homes[1])
        at_rest(homes[2])


if __name__ == "__main__":
    main()
