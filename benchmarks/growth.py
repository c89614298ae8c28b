"""How figures grow with clients, and with the size of a text; with runs that are stored: ``stored_runs``.

The baseline of each row is the first of its kind, so ``ratio`` is the growth.
"""

import json
import sys
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import chain, figure, jikko, put, request
from benchmarks.sizes import sized

CLIENTS = sized((1, 4, 16, 64, 256), (1, 4))
TEXTS = sized((1_000, 10_000, 100_000, 1_000_000, 10_000_000), (1_000, 10_000))


def run_body(text: str) -> bytes:
    return json.dumps({"inputs": {"q": text}, "user": "bench", "response_mode": "blocking"}).encode()


async def main() -> None:
    with jikko(chain(10), JIKKO_MAX_BODY=str(64 << 20)) as server:
        key = server.keys["chain10"]
        first = 0.0
        for clients in CLIENTS:
            posted = request("POST", "/v1/workflows/run", key, run_body("hello"))
            found = await put(server.port, posted, clients=clients, seconds=2)
            first = first or found.per_second
            figure(f"blocking 10-node chain, {clients} clients", found.per_second, "/s", baseline=first)
            figure(f"blocking 10-node chain, {clients} clients, p50", found.median * 1000, "ms")
        first = 0.0
        for size in TEXTS:
            posted = request("POST", "/v1/workflows/run", key, run_body("e" * size))
            found = await put(server.port, posted, clients=1, seconds=2)
            first = first or found.median
            figure(f"blocking 10-node chain, text of {size:,} B, p50", found.median * 1000, "ms", baseline=first * 1000)


if __name__ == "__main__":
    uvloop.run(main())
