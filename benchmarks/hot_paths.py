"""What the hot paths cost inside of the process: no socket, no second process, so that only our own work is seen.

    python -m benchmarks.hot_paths

Prints microseconds and function calls a request, and which functions they go to: their share by ``cProfile``, scaled to
the time without it. docs/performance.md is made from this, tests/test_performance_guard.py measures with it.
"""

import asyncio
import cProfile
import gc
import json
import math
import pstats
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.chats import question, remembering, start_answer
from benchmarks.counting import counted_calls
from benchmarks.iteration import inputs, iteration
from benchmarks.load import chain, figure, start_end
from benchmarks.sizes import sized
from jikko.assemble import assemble
from jikko.http.app import create_app
from jikko.settings import Settings

Request = Callable[[], Awaitable[bytes]]
TOP = 14


class Sent:
    """A server's ``send``, and what it was given."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def __call__(self, message: Any) -> None:
        assert message.get("status", 200) == 200, message
        self.pieces.append(message.get("body", b""))

    async def whole(self, status: int, headers: object, body: bytes) -> None:
        assert status == 200, (status, body)
        self.pieces.append(body)


class HotPaths:
    """An application, called as a server would call it."""

    def __init__(self, application: Any, keys: dict[str, str]) -> None:
        self._application = application
        self._keys = keys

    async def request(self, app: str, method: str, path: str, body: bytes = b"") -> bytes:
        """The body of an answer, which must be 200."""
        headers = [(b"host", b"x"), (b"authorization", b"Bearer " + self._keys[app].encode())]
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
        }
        scope |= {"raw_path": path.encode(), "query_string": b"", "headers": headers, "scheme": "http", "root_path": ""}
        scope |= {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}
        if body:
            headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        send = Sent()

        async def receive() -> Any:
            if messages:
                return messages.pop()
            return await asyncio.get_running_loop().create_future()

        await self._application(scope, receive, send)
        return b"".join(send.pieces)

    def run(self, app: str, mode: str = "blocking", **given: Any) -> Request:
        """Running an app, again and again."""
        body = run_body(mode, **given)
        return lambda: self.request(app, "POST", "/v1/workflows/run", body)

    def turn(self) -> Request:
        """A turn of a chat, each in a conversation of its own."""
        body = question("blocking")
        return lambda: self.request("chat", "POST", "/v1/chat-messages", body)

    def completion(self) -> Request:
        """The same turn by OpenAI's wire."""
        said = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], "user": "bench"}
        body = json.dumps(said).encode()
        return lambda: self.request("chat", "POST", "/v1/chat/completions", body)

    def answer(self, tokens: int) -> Request:
        """A turn whose answer a (faked) model streams, by some more than so many tokens; 150 at the most."""
        body = question("streaming", query="a " * tokens)
        return lambda: self.request("memory", "POST", "/v1/chat-messages", body)

    async def detail(self, app: str) -> Request:
        """Reading a run, again and again."""
        run_id = json.loads(await self.run(app, q="hello")())["workflow_run_id"]
        return lambda: self.request(app, "GET", f"/v1/workflows/run/{run_id}")

    async def all(self) -> dict[str, Request]:
        return {
            "GET run detail": await self.detail("start_end"),
            "blocking start->end": self.run("start_end", q="hello"),
            "blocking start->answer of a chat": self.turn(),
            "streaming start->end": self.run("start_end", "streaming", q="hello"),
            "blocking 10-node chain": self.run("chain10", q="hello"),
            "blocking iteration over 100 items": self.run("iteration", **inputs(100)),
        }


def run_body(mode: str, **given: Any) -> bytes:
    return json.dumps({"inputs": given, "user": "bench", "response_mode": mode}).encode()


@asynccontextmanager
async def hot_paths(home: Path, *, in_memory: bool) -> AsyncIterator[HotPaths]:
    """An application with five apps."""
    settings = Settings(home=home, fake_models=True)
    async with assemble(settings, in_memory=in_memory) as assembly:
        keys = {}
        for document in (start_end(), chain(10), iteration(), start_answer(), remembering()):
            name = document["app"]["name"]
            published = await assembly.apps.publish(json.dumps(document).encode(), source=name)
            keys[name] = await assembly.app_keys.issue(published.app.id)
        yield HotPaths(create_app(assembly), keys)
        await assembly.runs.close(10)


async def calls(path: Request, count: int) -> float:
    """Function calls a request, on the thread of the event loop."""
    await path()
    with counted_calls() as found:
        for _ in range(count):
            await path()
    return found.count / count


class Trip(NamedTuple):
    """The way of a request through the source, on the thread of the event loop."""

    stays: int
    """How often a call, or a coroutine that goes on, is in another file than the one before it."""
    files: int


async def trip(path: Request) -> Trip:
    """The shortest of thirty: the thread that writes may be quicker or slower than the loop."""
    for _ in range(3):
        await path()
    return min([await _traced(path) for _ in range(30)])


async def _traced(path: Request) -> Trip:
    visited: list[str] = []

    def follow(frame: FrameType, event: str, argument: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and "/src/jikko/" in file and visited[-1:] != [file]:
            visited.append(file)

    before = sys.getprofile()
    sys.setprofile(follow)
    try:
        await path()
    finally:
        sys.setprofile(before)
    return Trip(len(visited), len(set(visited)))


def yardstick() -> bytes:
    """Work that has nothing to do with ours and is of the same kind: calls, objects, dictionaries, texts, JSON."""
    found: list[dict[str, Any]] = []
    for number in range(40):
        entry = {"id": f"entry-{number}", "name": "x" * number, "values": [number, None, True]}
        found.append({key: (key, value)[1] for key, value in sorted(entry.items())})
    return json.dumps(found).encode()


async def costs(paths: Mapping[str, Request], rounds: int = 40) -> dict[str, float]:
    """What requests cost the event loop's thread, in yardsticks, so that it does not matter how quick the machine is.

    Of everything the quickest of the rounds counts, in which the others take turns; what disturbs is not in it.
    """
    least = dict.fromkeys(paths, math.inf)
    unit = math.inf
    for _ in range(rounds):
        began = time.thread_time_ns()
        for _ in range(10):
            yardstick()
        unit = min(unit, (time.thread_time_ns() - began) / 10)
        for name, path in paths.items():
            await path()  # caches are those of another path
            began, count = time.thread_time_ns(), 0
            while (took := time.thread_time_ns() - began) < 1_000_000:
                await path()
                count += 1
            least[name] = min(least[name], took / count)
    return {name: cost / unit for name, cost in least.items()}


async def microseconds(path: Request, seconds: float = sized(1.0, 0.01)) -> float:
    """A request, mean, one after the other."""
    for _ in range(sized(20, 1)):
        await path()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        await path()
        count += 1
    return (time.perf_counter() - began) / count * 1e6


async def profiled(path: Request, total: float, count: int) -> None:
    """Print what a request's time goes to: packages, then functions."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(count):
        await path()
    profile.disable()
    stats: Any = pstats.Stats(profile)
    # Waiting is not work.
    rows = {place: row for place, row in stats.stats.items() if "run_until_complete" not in place[2]}
    whole = sum(row[2] for row in rows.values())
    packages: Counter[str] = Counter()
    for place, (_, _, own, _, callers) in rows.items():
        if place[0] == "~" and callers:
            # What is built in counts for what calls it.
            for caller, (_, _, part, _) in callers.items():
                packages[package(caller[0])] += part
        else:
            packages[package(place[0])] += own
    for name, own in packages.most_common(10):
        print(f"    {own / whole * total:8.1f} us  {name}")
    for (file, _, name), (_, times, own, _, _) in sorted(rows.items(), key=lambda item: -item[1][2])[:TOP]:
        print(f"    {own / whole * total:8.1f} us  {times / count:7.1f} calls  {short(file)} {name}")


def short(file: str) -> str:
    return file.partition("site-packages/")[2] or file.partition("src/")[2] or file.rpartition("/")[2]


def package(file: str) -> str:
    """``jikko/engine``, ``starlette``, or where else a function is from."""
    if "/src/jikko/" in file:
        below = file.partition("/src/jikko/")[2]
        return "jikko/" + (below.partition("/")[0] if "/" in below else "events, record, ids")
    if "site-packages/" in file:
        return file.partition("site-packages/")[2].partition("/")[0]
    return "this benchmark" if "hot_paths" in file else "standard library"


async def main() -> None:
    # As the server does.
    gc.set_threshold(50_000, 20, 50)
    for name, in_memory in (("in memory", True), ("on the disk", False)):
        with tempfile.TemporaryDirectory() as folder:
            async with hot_paths(Path(folder), in_memory=in_memory) as paths:
                for what, path in (await paths.all()).items():
                    took = await microseconds(path)
                    figure(f"{what}, {name}", took, "us")
                    figure(f"{what}, {name}, function calls", await calls(path, sized(50, 1)), "")
                    if in_memory or "detail" in what:
                        await profiled(path, took, sized(200, 1))


if __name__ == "__main__":
    uvloop.run(main())
