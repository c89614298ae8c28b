"""What this version costs beside another one: ``python -m benchmarks.against PYTHON [NAME…]``.

PYTHON is that of a virtual environment in which the other version is installed. Both serve at the same time, and are
asked in turn, so that both meet the machine as it is at that moment. What counts is the CPU time of the server's
process for a request, system calls included: other programs on the machine hardly change it. A figure is the median of
the ratios of rounds that stand side by side; its value and baseline are medians too.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.request import Request, urlopen

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.chats import question, remembering
from benchmarks.footprint import cpu_seconds, pss, to_the_first_answer
from benchmarks.http_runs import body, one_run
from benchmarks.iteration import inputs, iteration
from benchmarks.knowledge_api import Api, key_of, text_of
from benchmarks.load import Server, chain, figure, imported, put, request, serving, start_end
from benchmarks.sizes import sized

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", sized(15, 1)))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", sized(0.5, 0.02)))
CLIENTS: Final = sized(32, 2)
STARTS: Final = sized(9, 1)
_AIM: Final = "<= 1.1"
_TOKEN: Final = "of-a-console-that-is-measured-only"


async def cost(server: Server, wanted: bytes) -> float:
    """Seconds of CPU a request."""
    before = cpu_seconds(server.pid)
    load = await put(server.port, wanted, clients=CLIENTS, seconds=SECONDS)
    return (cpu_seconds(server.pid) - before) / load.count


async def compare(name: str, unit: str, per_second: float, *measures: Callable[[], Awaitable[float]]) -> None:
    """A figure, of this version and the other in turn."""
    for measure in measures:
        await measure()
    rounds = []
    for number in range(ROUNDS):
        # Who comes first changes, too.
        order = (0, 1) if number % 2 else (1, 0)
        found = {which: await measures[which]() for which in order}
        rounds.append((found[0], found[1]))
    report(name, unit, per_second, rounds)


def report(name: str, unit: str, factor: float, rounds: list[tuple[float, float]]) -> None:
    ours, others = (statistics.median(pair[which] for pair in rounds) * factor for which in (0, 1))
    ratio = statistics.median(pair[0] / pair[1] for pair in rounds)
    figure(name, ours, unit, baseline=ours / ratio, aim=_AIM)
    least = [min(pair[which] for pair in rounds) * factor for which in (0, 1)]
    print(f"  {name}: medians {ours:.3g}, {others:.3g}; least {least[0]:.3g}, {least[1]:.3g} {unit}", file=sys.stderr)


@contextmanager
def both(other: str) -> Iterator[list[tuple[Server, dict[str, bytes]]]]:
    """A server of each version with the same apps, a dataset and a console. Yields it and its requests by name."""
    documents = (start_end(), chain(10), iteration(), remembering())
    more = {"JIKKO_FAKE_MODELS": "true", "JIKKO_CONSOLE_TOKEN": _TOKEN, "JIKKO_LOG_REQUESTS": "refused"}
    with ExitStack() as stack:
        found = []
        for python in (sys.executable, other):
            home = Path(stack.enter_context(TemporaryDirectory())) / "home"
            apps = imported(home, *documents, python=python)
            key = key_of(home, python)
            pid, port = stack.enter_context(serving(home, python=python, **more))
            server = Server(port, pid, {name: app.key for name, app in apps.items()})
            found.append((server, requests(server) | {"dataset search": search(port, key)}))
        yield found


def requests(server: Server) -> dict[str, bytes]:
    """What is asked of the apps and of the console."""
    run = "/v1/workflows/run"
    keys, session = server.keys, session_of(server.port)
    return {
        "GET run detail": request("GET", f"{run}/{one_run(server, 'start_end')[0]}", keys["start_end"]),
        "blocking start->end": request("POST", run, keys["start_end"], body("blocking")),
        "streaming start->end": request("POST", run, keys["start_end"], body("streaming")),
        "blocking chain of 10": request("POST", run, keys["chain10"], body("blocking")),
        "iteration over 100 items": request("POST", run, keys["iteration"], iteration_body()),
        "chat turn": request("POST", "/v1/chat-messages", keys["memory"], question("blocking")),
        "console list": f"GET /console/api/runs HTTP/1.1\r\nHost: localhost\r\nCookie: {session}\r\n\r\n".encode(),
    }


def session_of(port: int) -> str:
    """The cookie of a console's session."""
    origin = f"http://127.0.0.1:{port}"
    headers = {"X-Jikko-Console": "1", "Origin": origin, "Content-Type": "application/json"}
    wanted = Request(f"{origin}/console/api/session", json.dumps({"token": _TOKEN}).encode(), headers)
    with urlopen(wanted) as answer:
        return str(answer.headers["Set-Cookie"]).partition(";")[0]


def search(port: int, key: str) -> bytes:
    """A search by keywords in a dataset of twenty documents."""
    api = Api(port, key)
    dataset = api("POST", "/datasets", name="words", indexing_technique="economy")["id"]
    for number in range(sized(20, 2)):
        api.completed(dataset, f"{number}.txt", text_of(number))
    model = {"search_method": "keyword_search", "reranking_enable": False, "top_k": 4, "score_threshold_enabled": False}
    asked = {"query": "word3 thing5", "retrieval_model": model}
    return request("POST", f"/v1/datasets/{dataset}/retrieve", key, json.dumps(asked).encode())


async def served(other: str, names: set[str]) -> None:
    """The figures of servers that run."""
    with both(other) as ((ours, wanted), (theirs, others)):
        for name in wanted:
            if names and not any(part in name for part in names):
                continue
            measures = partial(cost, ours, wanted[name]), partial(cost, theirs, others[name])
            await compare(f"{name}: CPU", "us", 1e6, *measures)
        if not names or "memory" in names:
            # Each has served the same, for as long; a server that is quicker has served more.
            figure("memory after load, PSS", pss(ours.pid), "MiB", baseline=pss(theirs.pid), aim=_AIM)


def iteration_body() -> bytes:
    return json.dumps({"inputs": inputs(100), "user": "bench", "response_mode": "blocking"}).encode()


def commands(other: str) -> None:
    """CPU time of commands that serve nothing."""
    for name, *arguments in (("import jikko", "-c", "import jikko"), ("jikko --help", "-m", "jikko", "--help")):
        rounds = [(spent(sys.executable, *arguments), spent(other, *arguments)) for _ in range(STARTS)]
        report(f"{name}: CPU", "ms", 1e3, rounds)


def spent(*command: str) -> float:
    """CPU seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cold_starts(other: str) -> None:
    """CPU time, and time, from launch to the first answer."""
    cpu, clock = [], []
    for _ in range(STARTS):
        ours, others = (to_the_first_answer(python) for python in (sys.executable, other))
        clock.append((ours[0], others[0]))
        cpu.append((ours[1], others[1]))
    report("launch to first 200: CPU", "s", 1, cpu)
    report("launch to first 200", "s", 1, clock)


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    other, names = sys.argv[1], set(sys.argv[2:])
    print(subprocess.check_output([other, "-m", "jikko", "--version"], text=True).strip(), file=sys.stderr)
    uvloop.run(served(other, names))
    if not names or "start" in names:
        commands(other)
        cold_starts(other)


if __name__ == "__main__":
    main()
