"""What PostgreSQL looks at for all that clients, commands and background jobs ask it for, at 1,000,000 runs.

    python -m benchmarks.postgres_runs [--runs 1000000] [--combined 3] [--only WORD] [--stale]

A server of its own in a folder of its own is filled, which takes two minutes and 3 GB, and removed at the end. Figures
are pages of 8 KB that are looked at, by the account of the server, and milliseconds by the clock, the least of three;
the plans are made for the values at hand and, once more, for any. The baseline is that of 10,000 runs.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.store.explained import Explained
from tests.store.many_postgres_runs import Filled, fill
from tests.store.postgres_server import postgres_running
from tests.store.questions import Question, filters, listed, questions, stores_of

from benchmarks.sizes import sized
from jikko.errors import StoreUnavailable
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.migrate import migrate

SETTINGS = ("fsync=off", "shared_buffers=512MB", "max_wal_size=4GB", "work_mem=16MB", "maintenance_work_mem=256MB")
FEW = sized(10_000, 100)
PLANS = {"values": "force_custom_plan", "any": "force_generic_plan"}


async def measured(url: str, filled: Filled, combined: int, only: str) -> dict[str, dict[str, Any]]:
    """By question: pages and rows by each kind of plan, milliseconds, and which tables are gone through."""
    found: dict[str, dict[str, Any]] = {}
    for kind, mode in PLANS.items():
        database = Explained(url, settings=f"SET plan_cache_mode = {mode};")
        plain = Postgres(url)
        stores, quick = stores_of(database), stores_of(plain)
        asked, timed = (asked_of(each, filled, combined) for each in (stores, quick))
        for name, ask in asked.items():
            if only not in name:
                continue
            entry = found.setdefault(name, {"gone_through": set()})
            try:
                await ask()
                database.statements.clear()
                await ask()
            except StoreUnavailable as error:
                entry |= {f"pages_{kind}": -1, f"rows_{kind}": -1, "error": str(error)}
                continue
            entry |= {f"pages_{kind}": database.pages, f"rows_{kind}": int(database.rows)}
            entry["gone_through"] |= {t for s in database.statements for t in ("runs", "messages") if s.goes_through(t)}
            if kind == "values":
                entry["ms"] = min([await took(timed[name]) for _ in range(3)])
        for each in (stores, quick):
            await each.runs.close()
        await database.close()
        await plain.close()
    return found


def asked_of(stores: Any, filled: Filled, combined: int) -> dict[str, Question]:
    """All questions, and the filters of the console combined."""
    more = {f"console, {name}": listed(stores, wanted) for name, wanted in filters(filled, combined).items()}
    return questions(stores, filled) | more


async def took(ask: Question) -> float:
    began = time.perf_counter()
    await ask()
    return (time.perf_counter() - began) * 1000


async def at(count: int, options: argparse.Namespace) -> Mapping[str, dict[str, Any]]:
    """Figures of N runs."""
    with postgres_running(SETTINGS) as server:
        url = server.made()
        database = Postgres(url)
        await migrate(database)
        if options.stale:
            server.execute("ALTER SYSTEM SET autovacuum = off")
            server.execute("SELECT pg_reload_conf()")
        began = time.perf_counter()
        filled = await fill(database, count, analysed=not options.stale)
        print(f"{count} runs were filled in, in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        await database.close()
        return await measured(url, filled, options.combined, options.only)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=sized(1_000_000, 200))
    parser.add_argument("--combined", type=int, default=sized(2, 1))
    parser.add_argument("--only", default="")
    parser.add_argument("--stale", action="store_true", help="The database knows no figures of its tables.")
    options = parser.parse_args()
    few = await at(FEW, options)
    many = await at(options.runs, options)
    for name, entry in many.items():
        figure = {"name": f"PostgreSQL, {options.runs:,} runs: {name}", "unit": "pages", **entry}
        print(json.dumps({**figure, "baseline": few.get(name, {}).get("pages_values")}, default=sorted), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
