"""The budgets of the console's page in seconds, frames and bytes, with a real Chromium against the real server.

Usage: python -m benchmarks.console_page. Needs `chromium-headless-shell`, and the page (`make console`). What is opened
is opened in a fresh browser context, whose cache is empty, several times; the quickest time counts. `CPU` is the
processor time of the page's main thread until then: on a busy machine that is the figure to compare.
"""

import asyncio
import json
import os
import shutil
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.acceptance.workflows import app, end, fetch, first_of, iteration, python, start, template

from benchmarks.load import figure, jikko
from benchmarks.sizes import sized

TOKEN: Final = "t" * 40
TIMES: Final = int(os.environ.get("BENCH_TIMES", sized(5, 1)))
PER_ROUND: Final = 4
"""Events."""
AROUND: Final = 10
"""Events of a run beside those of its rounds."""
LIVE_ROUNDS: Final = sized(500, 200)
LENGTHS: Final = sized(((1_000, 0.8), (10_000, 1.2)), ((200, 0.8),))
"""Events of runs, and in how many seconds their steps are to be shown."""
LONGEST: Final = sized(100_000, 600)
"""Events of the longest."""
ANSWER_SECONDS: Final = 0.2
SIDE_BY_SIDE: Final = 10
"""Rounds, of ``ANSWER_SECONDS`` each, whose four events make 200 a second."""
CHAIN: Final = 64
PATIENCE: Final = 600_000
"""Milliseconds."""
JUMPS: Final = sized(60, 6)
ITEMS: Final = "def main(n):\n    return {'items': [str(i) for i in range(int(n))]}\n"
OPENS: Final = """
window.times = {}
const look = () => {
  if (document.querySelector('[data-row], [role=treeitem]')) window.times.rows ??= performance.now()
  const ended = [...document.querySelectorAll('.scrub *')].some(one => one.textContent === 'ended')
  if (ended) window.times.all ??= performance.now()
}
new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true})
"""
FRAMES: Final = """
window.seen = []
window.longest = []
let before = performance.now()
const frame = now => {
  const head = Number(document.querySelector('input[type=range]')?.max ?? -1)
  if (head !== window.seen.at(-1)?.[1]) window.seen.push([Date.now() / 1000, head])
  window.longest.push(now - before)
  before = now
  requestAnimationFrame(frame)
}
requestAnimationFrame(frame)
"""
JUMP: Final = """async positions => {
  const slider = document.querySelector('input[type=range]')
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set
  const times = []
  for (const position of positions) {
    const began = performance.now()
    set.call(slider, position)
    slider.dispatchEvent(new Event('input', {bubbles: true}))
    await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))
    times.push(performance.now() - began)
    const said = document.querySelector('.scrub .where').textContent
    const wanted = `${(position + 1).toLocaleString('en-US')} of `
    if (!said.includes(wanted)) throw new Error(`asked for ${wanted}, drawn: ${said}`)
  }
  return times.sort((a, b) => a - b)
}"""


@dataclass(frozen=True)
class Site:
    """A server with a console, and a way to ask it."""

    url: str

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """A request to the console's API."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.url}/console/api/{path}", data, headers, method=method)
        with urllib.request.urlopen(asked) as answer:
            return json.loads(answer.read())

    def start(self, name: str, rounds: int) -> str:
        """Start a run of some rounds. Returns its id."""
        [app_id] = [entry["id"] for entry in self.api("GET", "apps")["data"] if entry["name"] == name]
        return str(self.api("POST", f"apps/{app_id}/runs", {"inputs": {"n": str(rounds)}})["run_id"])

    def wait(self, run: str) -> int:
        """Wait until a run has ended. Returns how many events it has."""
        while (found := self.api("GET", f"runs/{run}"))["status"] == "running":
            time.sleep(0.2)
        assert found["status"] == "succeeded", found
        return int(found["log_end"])


@contextmanager
def slow_server() -> Iterator[str]:
    """Answers each request after a while. Yields its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(ANSWER_SECONDS)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


def apps(slow: str) -> list[dict[str, Any]]:
    """One whose runs have as many events as is asked for, and one that is followed live."""
    items = python("split", ITEMS, {"items": "array[string]"}, n="start.n")
    quick = iteration("each", "split.items", "pick.output", first_of("pick", "each.item"), parallel=SIDE_BY_SIDE)
    asks = iteration("each", "split.items", "ask.body", fetch("ask", slow), parallel=SIDE_BY_SIDE)
    chain = [template(f"t{place}", "{{ q }}", q="start.n") for place in range(CHAIN)]
    path = ">".join(["start", "split", "each", *(f"t{place}" for place in range(CHAIN)), "end"])
    texts = [
        app("many", [start("n"), items, *quick, end(got="start.n")], "start>split>each>end each-start>pick"),
        app("live", [start("n"), items, *asks, *chain, end(got="start.n")], f"{path} each-start>ask"),
    ]
    return [json.loads(text) for text in texts]


class Eyes:
    """A browser that looks at the console, and measures."""

    def __init__(self, browser: Browser, url: str, token: str) -> None:
        """Args:
        url: Of the server.
        """
        self._browser = browser
        self._url = url
        answer = self._context().request.post(
            f"{url}/console/api/session", data={"token": token}, headers={"X-Jikko-Console": "1", "Origin": url}
        )
        self._cookie = answer.headers["set-cookie"].partition(";")[0].partition("=")

    def _context(self) -> Any:
        context = self._browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE)
        return context

    @contextmanager
    def page(self, *scripts: str, slower: int = 1) -> Iterator[tuple[Page, CDPSession]]:
        """A page with an empty cache.

        Args:
            scripts: Run before those of the page.
            slower: How many times its processor is to be.
        """
        context = self._context()
        name, _, value = self._cookie
        context.add_cookies([{"name": name, "value": value, "url": f"{self._url}/console"}])
        for script in scripts:
            context.add_init_script(script)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
        yield page, session
        context.close()

    def opened(self, path: str, wanted: str, *, slower: int = 1, times: int = TIMES) -> dict[str, float]:
        """Seconds until a page shows something, and of its processor; the quickest of some times."""
        best: dict[str, float] = {}
        for _ in range(times):
            with self.page(OPENS, slower=slower) as (page, session):
                page.goto(f"{self._url}/console{path}")
                # Looked at from outside: the page lets nobody evaluate texts in it.
                while wanted not in (found := dict(page.evaluate("window.times"))):
                    time.sleep(0.02)
                paints = page.evaluate("performance.getEntriesByType('paint').map(one => one.startTime)")
                found["paint"] = min(paints, default=found[wanted])
                took = {name: value / 1000 for name, value in found.items()} | {"cpu": busy(session)}
                best = {name: min(value, best.get(name, value)) for name, value in took.items()}
        return best


def metrics(session: CDPSession) -> dict[str, float]:
    return {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}


def busy(session: CDPSession) -> float:
    """Seconds of the processor that the page's tasks took."""
    return metrics(session)["TaskDuration"]


def heap(session: CDPSession) -> float:
    """MB that are in use, what is garbage left out."""
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    return metrics(session)["JSHeapUsedSize"] / 1e6


def lists(eyes: Eyes) -> None:
    found = eyes.opened("/runs?t=all", "rows", slower=sized(4, 1))
    figure("list of runs, cold, 4 x slower CPU: first paint", found["paint"], "s", aim="<= 0.6 s")
    figure("list of runs, cold, 4 x slower CPU: rows", found["rows"], "s", aim="<= 1.2 s")
    figure("list of runs, cold: CPU of the page", eyes.opened("/runs?t=all", "rows")["cpu"], "s")


def runs(eyes: Eyes, site: Site) -> None:
    for events, aim in LENGTHS:
        run = site.start("many", (events - AROUND) // PER_ROUND)
        count = site.wait(run)
        found = eyes.opened(f"/runs/{run}", "rows")
        figure(f"run of {count:,} events: steps shown", found["rows"], "s", aim=f"<= {aim} s")
        figure(f"run of {count:,} events: CPU of the page until its steps are shown", found["cpu"], "s")
    run = site.start("many", (LONGEST - AROUND) // PER_ROUND)
    count = site.wait(run)
    found = eyes.opened(f"/runs/{run}", "all", times=sized(2, 1))
    figure(f"run of {count:,} events: first page", found["rows"], "s", aim="<= 1 s")
    figure(f"run of {count:,} events: all of it", found["all"], "s", aim="<= 6 s")
    figure(f"run of {count:,} events: CPU of the page for all of it", found["cpu"], "s")
    with eyes.page() as (page, session):
        page.goto(f"{site.url}/console/runs")
        page.wait_for_selector("[data-row]")
        before = heap(session)
        page.goto(f"{site.url}/console/runs/{run}")
        page.get_by_text("ended", exact=True).wait_for()
        grown = heap(session) - before
        figure(f"run of {count:,} events: memory of the page", grown, "MB", baseline=before, aim="<= 60 MB")
        busy_before = busy(session)
        times = page.evaluate(JUMP, [count * step * 37 % count for step in range(1, JUMPS + 1)])
        cpu = (busy(session) - busy_before) / len(times) * 1000
        figure(f"jump along {count:,} events, everything drawn: p50", times[len(times) // 2], "ms", aim="<= 50 ms")
        figure(f"jump along {count:,} events, everything drawn: CPU of the page", cpu, "ms")


def live(eyes: Eyes, site: Site) -> None:
    with eyes.page(FRAMES) as (page, session):
        run = site.start("live", LIVE_ROUNDS)
        began = time.time()
        page.goto(f"{site.url}/console/runs/{run}")
        page.wait_for_selector("[role=treeitem]")
        followed, before = time.time(), heap(session)
        page.evaluate("window.longest.length = 0")
        busy_before, at = busy(session), time.time()
        page.get_by_text("ended", exact=True).wait_for()
        share = (busy(session) - busy_before) / (time.time() - at)
        seen, frames = page.evaluate("window.seen"), sorted(page.evaluate("window.longest"))
        grown = heap(session) - before
        log = site.api("GET", f"runs/{run}/log?limit=5000")["data"]
        late = sorted(
            next(moment for moment, head in seen if head >= event["id"]) - event["at"]
            for event in log
            if event["at"] > followed
        )
        rate = len(log) / (log[-1]["at"] - began)
        what = f"{rate:.0f} events/s on {CHAIN + 5} nodes"
        figure(f"{what}: from an event to its pixels, p50", late[len(late) // 2] * 1000, "ms")
        figure(f"{what}: from an event to its pixels, p95", late[len(late) * 95 // 100] * 1000, "ms", aim="<= 100 ms")
        figure(f"{what}: 99 of 100 frames", frames[len(frames) * 99 // 100], "ms", aim="<= 50 ms")
        figure(f"{what}: CPU of the page", share * 100, "% of a core")
        figure(f"{what}: memory after {len(log):,} events", grown, "MB", baseline=before)


def main() -> None:
    with (
        slow_server() as slow,
        jikko(*apps(slow), JIKKO_CONSOLE_TOKEN=TOKEN, JIKKO_MAX_STRINGS="30000") as server,
        sync_playwright() as playwright,
    ):
        site = Site(f"http://127.0.0.1:{server.port}")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium-headless-shell"),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--enable-precise-memory-info"],
        )
        eyes = Eyes(browser, site.url, TOKEN)
        for _ in range(sized(60, 2)):
            site.wait(site.start("many", 1))
        lists(eyes)
        live(eyes, site)
        runs(eyes, site)
        browser.close()


if __name__ == "__main__":
    main()
