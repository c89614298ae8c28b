"""What a streamed token costs that is followed at another server than the one that runs it.

    python -m benchmarks.streams_elsewhere [streams, default 100]

Two servers on one PostgreSQL, one NATS and one bucket. Runs begin at the first one, whose model speaks 20 tokens
a second, and are followed at the second: processor time of each of the two a token, and how much later the client
reads it than the model wrote it; in turns with the bare proxy of ``streaming_models``, and with followers at the first
server.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.cluster.nats_server import nats_running
from tests.store.postgres_server import DURABLE, postgres_running

from benchmarks.load import imported, process, request, serving
from benchmarks.several_servers import bucket
from benchmarks.sizes import sized
from benchmarks.streaming_models import (
    PACED,
    WORKFLOW,
    Paced,
    Server,
    against,
    closing,
    free_port,
    paced,
    read_paced,
    running,
    show,
)


async def elsewhere(first: Server, second: Server, model: int, key: str, streams: int) -> tuple[Paced, float]:
    """Follow runs of the first server at the second. Returns what the second took, and the first's seconds a token.

    The model at the port ``model`` speaks once all are followed: what was written to the log before is in no frame.
    """
    late: list[float] = []
    ours, theirs = second.cpu(), first.cpu()
    gate = time.monotonic_ns()
    inputs = {"s": f"paced, behind gate {gate}"}
    begin = json.dumps({"inputs": inputs, "response_mode": "async", "user": "bench"}).encode()
    followed = asyncio.Barrier(streams + 1)

    async def one(client: httpx.AsyncClient) -> int:
        run = (await client.post("/v1/workflows/run", content=begin)).json()["workflow_run_id"]
        path = f"/v1/workflow/{run}/events?user=bench&include_state_snapshot=true"
        return await read_paced(second.port, closing(request("GET", path, key)), late, followed.wait)

    async def open_gate(client: httpx.AsyncClient) -> int:
        await followed.wait()
        await client.post(f"http://127.0.0.1:{model}/v1/chat/completions", content=f"open gate {gate}")
        return 0

    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{first.port}", headers=headers, timeout=60, limits=limits
    ) as client:
        frames = sum(await asyncio.gather(open_gate(client), *(one(client) for _ in range(streams))))
    if len(late) != streams * PACED:
        raise RuntimeError(f"{len(late)} tokens instead of {streams * PACED}")
    of_second = Paced((second.cpu() - ours) / len(late), frames / len(late), sorted(late))
    return of_second, (first.cpu() - theirs) / (streams * PACED)


async def compare(first: Server, second: Server, bare: Server, model: int, key: str, streams: int) -> None:
    await elsewhere(first, second, model, key, 1)  # what is imported and connected first is not measured
    await paced(bare, key, 1)
    base = await paced(bare, key, streams)
    here = await paced(first, key, streams)
    there, holder = await elsewhere(first, second, model, key, streams)
    name, least = f"{streams} paced streams", base.cpu * 1e6
    for what, cost in (
        ("followed where they run", here.cpu),
        ("followed at another server: that one", there.cpu),
        ("followed at another server: where they run", holder),
        ("followed at another server: both", there.cpu + holder),
    ):
        aim = {"aim": "<= 3.5 x"} if what.endswith("both") else {}
        show(f"{name}, {what}, processor per token", cost * 1e6, "us", **against(cost * 1e6, least), **aim)
    show(f"{name}, frames per token there", there.frames, "", baseline=round(here.frames, 2))
    for part in (0.5, 0.99):
        late, base_late = there.percentile(part) * 1000, base.percentile(part) * 1000
        show(f"{name}, p{part * 100:g} behind the model there", late, "ms", **against(late, base_late))


def main(streams: int) -> None:
    model = free_port()
    with (
        postgres_running(DURABLE) as database,
        nats_running() as broker,
        bucket() as files,
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as stack,
    ):
        home = Path(folder)
        entry = {"type": "openai", "base_url": f"http://127.0.0.1:{model}/v1", "api_key": "k"}
        (home / "providers.yml").write_text(json.dumps({"providers": {"openai": entry}}))
        shared = {
            "JIKKO_DATABASE_URL": database.made(),
            "JIKKO_NATS_URL": broker.url,
            "JIKKO_PROVIDERS": str(home / "providers.yml"),
            **files,
        }
        script = str(Path(__file__).with_name("streaming_models.py"))
        stack.enter_context(running(script, "model", str(model), port=model))
        command = [sys.executable, "-m", "benchmarks.bare_streams", str(model)]
        bare = Server(*stack.enter_context(process(command, r"listens on (\d+)", {**os.environ})))
        key = imported(home / "operator", yaml.safe_load(WORKFLOW), **shared)["streaming"].key
        first, second = (Server(*stack.enter_context(serving(home / name, **shared))) for name in ("a", "b"))
        asyncio.run(compare(first, second, bare, model, key, streams))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else sized(100, 2))
