"""Requests of programs, as the server sees them: programs may ask for anything, and at any time."""

import asyncio
import time

import pytest

from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.sandbox import HTTP_CLIENTS, Sandbox, SandboxFailure
from jikko.sandbox.child import MAX_BODY, parse_request
from jikko.sandbox.limits import SandboxLimits
from tests.effort import PATIENCE
from tests.sandbox.clients.scene import Outside, json_answer, result_of
from tests.sandbox.scene import running, until

pytestmark = [pytest.mark.anyio, pytest.mark.once]

WALL_SECONDS = 2.0
GET = "import requests\ndef main():\n    return {'r': requests.get('http://h/').status_code}"
FORGED = """
import json, os, struct
def ask(text, body=b"", announced=None):
    text = text.encode() if isinstance(text, str) else text
    os.write(3, struct.pack(">II", len(text), len(body) if announced is None else announced) + text + body)
    length, _ = struct.unpack(">II", os.read(3, 8))
    return json.loads(os.read(3, length))
"""


@pytest.mark.parametrize(
    "text",
    [
        b'{"http": null}',
        b'{"http": []}',
        b'{"http": {}}',
        b'{"http": {"method": 1, "url": "http://h/", "headers": []}}',
        b'{"http": {"method": "GET /x", "url": "http://h/", "headers": []}}',
        b'{"http": {"method": "GET", "url": "file:///etc/passwd", "headers": []}}',
        b'{"http": {"method": "GET", "url": ["http://h/"], "headers": []}}',
        b'{"http": {"method": "GET", "url": "http://h/", "headers": [["a"]]}}',
        b'{"http": {"method": "GET", "url": "http://h/", "headers": [["a", "b\\r\\nc: d"]]}}',
        b'{"http": {"method": "GET", "url": "http://h/", "headers": [["a", "\\u65e5"]]}}',
        b'{"http": {"method": "GET", "url": "http://h/", "headers": 7}}',
        b'{"http": {"method": "GET", "url": "http://h/", "headers": [], "connect": -1}}',
        b'{"http": {"method": "GET", "url": "http://h/", "headers": [], "read": 1e999}}',
        b'{"http": {"method": "GET", "url": "http://h/", "headers": [], "read": true}}',
        b'{"http": {"method": "GET", "url": "http://h/", "headers": [], "read": 1%b}}' % (b"0" * 400),
        b'{"http": {"method": "GET", "url": "http://h/", "headers": [], "verify": "no"}}',
        b'{"http": ' + b"[" * 100_000,
        b'{"http": {"method": "GET", "url": "http://h/", "headers": ' + b'[["a", "b"],' * 300 + b"[]]}}",
        b'{"http":\xff',
    ],
)
def test_what_is_no_request_is_refused(text: bytes) -> None:
    with pytest.raises(HttpFailure):
        parse_request(text, b"")


async def test_a_forged_request_is_answered_with_a_failure_and_the_program_goes_on(sandbox: Sandbox) -> None:
    outside = Outside()
    code = (
        FORGED
        + """
def main():
    first = ask('{"http": {"method": "GET", "url": "gopher://h/", "headers": []}}')
    second = ask('{"http": 7}')
    return {"r": [first["failure"], second["failure"]]}
"""
    )

    result = await sandbox.run_code("python3", code, {}, send=outside.send)

    assert result == {"r": ["url", "request"]}
    assert outside.requests == []


async def test_a_request_that_announces_too_much_ends_the_program(sandbox: Sandbox) -> None:
    code = f"{FORGED}\ndef main():\n    ask('{{}}', announced={MAX_BODY + 1})"

    with pytest.raises(SandboxFailure, match="larger than its output limit"):
        await sandbox.run_code("python3", code, {}, send=Outside().send)


async def test_a_reply_may_not_be_as_large_as_a_request(sandbox: Sandbox) -> None:
    code = f"{FORGED}\ndef main():\n    ask('{{\"ok\":{{}}}}', b'x' * 5_000_000)"

    with pytest.raises(SandboxFailure, match="larger than its output limit"):
        await sandbox.run_code("python3", code, {}, send=Outside().send)


async def test_without_someone_who_makes_them_requests_fail(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxFailure, match="Programs can make no requests here"):
        await sandbox.run_code("python3", GET, {})


@pytest.mark.slow
async def test_the_time_of_a_program_stands_still_during_its_requests() -> None:
    async def slow() -> None:
        await asyncio.sleep(WALL_SECONDS + 0.5)

    outside = Outside(before=slow)
    async with running(SandboxLimits(wall_seconds=WALL_SECONDS)) as made:
        await made.run_code("python3", "def main(): return {}", {})
        code = (
            "import requests\ndef main():\n    return {'r': [requests.get('http://h/').status_code for _ in range(3)]}"
        )

        assert await made.run_code("python3", code, {}, send=outside.send) == {"r": [200, 200, 200]}


async def test_the_time_that_requests_took_costs_the_server_no_work_afterwards() -> None:
    answered: list[float] = []

    async def slow() -> None:
        await asyncio.sleep(0.8)

    def answers(request: OutgoingRequest) -> HttpResponse:
        answered[:] = time.monotonic(), time.thread_time()
        return json_answer("{}")

    async with running(SandboxLimits(wall_seconds=1.5)) as made:
        code = """
import requests, time
def main():
    for _ in range(3):
        requests.get("http://h/")
    time.sleep(1)
"""
        # A busy machine may need longer than the limit before it comes to the end.
        async with asyncio.timeout(PATIENCE):
            failed = ""
            while "must return a dict" not in failed:
                with pytest.raises(SandboxFailure, match=r"must return a dict|wall time limit") as raised:
                    await made.run_code("python3", code, {}, send=Outside(answers, before=slow).send)
                failed = str(raised.value)
        took, worked = time.monotonic() - answered[0], time.thread_time() - answered[1]

    assert worked < took / 5


async def test_the_time_of_a_program_goes_on_behind_its_requests() -> None:
    async with running(SandboxLimits(wall_seconds=0.3)) as made:
        code = "import requests\ndef main():\n    requests.get('http://h/')\n    while True: pass"

        with pytest.raises(SandboxFailure, match="wall time limit"):
            await made.run_code("python3", code, {}, send=Outside().send)


async def test_a_program_that_is_cancelled_drops_its_request(sandbox: Sandbox) -> None:
    begun, dropped = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            dropped.set()

    work = asyncio.create_task(sandbox.run_code("python3", GET, {}, send=Outside(before=hang).send))
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
        work.cancel()
        await dropped.wait()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_a_program_whose_fork_server_dies_after_a_request_is_not_run_again() -> None:
    async with running() as made:
        await made.run_code("python3", "def main(): return {}", {})
        server = made.fork_server
        assert server is not None

        def answers(request: OutgoingRequest) -> HttpResponse:
            server._process.kill()
            return json_answer("{}")

        outside = Outside(answers)
        code = "import requests, time\ndef main():\n    requests.get('http://h/')\n    time.sleep(30)"
        with pytest.raises(SandboxFailure, match="fork server died"):
            await made.run_code("python3", code, {}, send=outside.send)
        await until(lambda: server.gone)

    assert len(outside.requests) == 1


async def test_modules_that_are_asked_for_are_imported_by_the_fork_server_once_and_free_from_then_on() -> None:
    code = "import sys\nbefore = '{0}' in sys.modules\nimport {0}\ndef main(): return {{'before': before}}"
    async with running() as made:
        for module in ("json_repair", *HTTP_CLIENTS):
            first = await made.run_code("python3", code.format(module), {})
            assert first == {"before": False}
            async with asyncio.timeout(PATIENCE):
                while not (await made.run_code("python3", code.format(module), {}))["before"]:
                    pass


async def test_json_is_repaired_without_installing_anything(sandbox: Sandbox) -> None:
    code = "import json_repair\nr = json_repair.repair_json(s, ensure_ascii=False)"

    assert (
        await result_of(sandbox, Outside(), code, {"s": "{'名': '日本', \"l\": [1, 2"}) == '{"名": "日本", "l": [1, 2]}'
    )
    assert await result_of(sandbox, Outside(), "import json_repair\nr = json_repair.loads(s)", {"s": "{a: 1}"}) == {
        "a": 1
    }
