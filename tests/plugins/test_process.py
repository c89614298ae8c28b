"""Plugin processes can harm only their own calls, never the host."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jikko.concurrency.scheduler import SLICE, Scheduler
from jikko.plugins.process.budget import Budgets
from jikko.plugins.process.call import PluginFailure, ProcessLimits
from jikko.plugins.process.process import PluginProcess, raised_in
from tests.effort import PATIENCE
from tests.plugins.waiting import until
from tests.sandbox.scene import open_files

pytestmark = pytest.mark.anyio
STAND_IN = Path(__file__).with_name("stand_in.py")
LINE = '{"event":"session","session_id":"SESSION","data":DATA}\n'


def of_its_own(share: Scheduler | None = None) -> dict[str, Any]:
    """The share of the event loop and the budget of a process that has none with others."""
    return {"share": share or Scheduler(), "budget": Budgets().open()}


@asynccontextmanager
async def running(how: str = "", *, share: Scheduler | None = None, **limits: Any) -> AsyncIterator[PluginProcess]:
    process = await PluginProcess.start(
        [sys.executable, "-I", "-S", str(STAND_IN), how],
        folder=STAND_IN.parent,
        environment={},
        limits=ProcessLimits(**limits),
        **of_its_own(share),
    )
    try:
        yield process
    finally:
        await process.kill()


async def called(
    process: PluginProcess, tool: str, *, seconds: float = PATIENCE, backwards: Any = None, **given: Any
) -> list[Any]:
    received: list[Any] = []
    await process.call(
        {"type": "tool", "action": "invoke_tool", "tool": tool, "tool_parameters": given},
        seconds=seconds,
        emit=lambda message: received.append(message.message),
        backwards=backwards,
    )
    return received


def failing(process: PluginProcess, tool: str, kind: str, match: str = ".", **given: Any) -> Any:
    async def check() -> None:
        with pytest.raises(PluginFailure, match=match) as caught:
            await called(process, tool, **given)
        assert caught.value.kind == kind

    return check()


async def still_answers(process: PluginProcess) -> bool:
    return await called(process, "echo", words="日本語 🍵") == [{"text": "日本語 🍵"}]


# Starting.


async def test_a_plugin_that_dies_before_its_first_sign_of_life_fails_with_its_last_words() -> None:
    with pytest.raises(PluginFailure, match=r"I cannot go on.*status 7"):
        async with running("die"):
            pass


async def test_a_plugin_that_gives_no_sign_of_life_is_ended() -> None:
    with pytest.raises(PluginFailure, match=r"no sign of life within 0\.5 s"):
        async with running("mute", ready_seconds=0.5):
            pass


async def test_a_plugin_that_dies_behind_its_first_sign_of_life_fails_the_next_call() -> None:
    async with running("once") as process:
        with pytest.raises(PluginFailure, match="status 5"):
            await called(process, "echo")


async def test_a_plugin_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(PluginFailure, match="cannot be started"):
        await PluginProcess.start(
            [str(tmp_path / "none")], folder=tmp_path, environment={}, limits=ProcessLimits(), **of_its_own()
        )


# Calls.


async def test_many_calls_at_once_each_get_their_own_answer() -> None:
    async with running() as process:
        answers = await asyncio.gather(*(called(process, "echo", words=f"語{n}") for n in range(200)))
        assert answers == [[{"text": f"語{n}"}] for n in range(200)]
        assert process.calls == 0


async def test_a_text_of_a_megabyte_arrives_whole() -> None:
    async with running() as process:
        words = "日🍵\ue000" * 150_000
        assert await called(process, "echo", words=words) == [{"text": words}]


async def test_an_exception_of_the_plugin_is_the_failure_of_the_call() -> None:
    async with running() as process:
        await failing(process, "fail", "ValueError", "so geht es nicht", words="so geht es nicht")
        await failing(process, "error_without_end", "ValueError")
        assert await still_answers(process)


async def test_no_words_of_an_exception_end_the_plugin() -> None:
    async with running() as process:
        await failing(process, "fail", "ValueError", words="it said: a file of more than 3 bytes, a line")
        assert await still_answers(process)


async def test_what_comes_behind_the_end_or_for_nobody_is_dropped() -> None:
    async with running() as process:
        assert await called(process, "twice") == [{"text": "once"}]
        assert await called(process, "stray") == [{"text": "own"}]
        assert await still_answers(process)
        assert process.garbage >= 3


async def test_a_call_that_never_ends_is_forgotten_at_its_deadline() -> None:
    async with running(forgotten=1) as process:
        await failing(process, "never", "PluginTimeout", "within 0.2 s", seconds=0.2)
        assert process.forgotten == 1
        assert not process.is_worn()
        await failing(process, "never", "PluginTimeout", seconds=0.1)
        assert process.is_worn()
        assert await still_answers(process)


async def test_a_call_that_is_cancelled_ends_at_once() -> None:
    async with running() as process:
        call = asyncio.create_task(called(process, "never"))
        await until(lambda: process.calls > 0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert process.calls == 0
        assert await still_answers(process)


async def test_what_the_listener_raises_ends_the_call_and_nothing_else() -> None:
    async with running() as process:

        def refuse(message: Any) -> None:
            raise RuntimeError("enough")

        with pytest.raises(RuntimeError, match="enough"):
            await process.call({"tool": "echo", "tool_parameters": {}}, seconds=PATIENCE, emit=refuse)
        assert await still_answers(process)


@pytest.mark.parametrize(("tool", "given", "why"), [
    ("exit", {"status": 0}, "status 0"), ("exit", {"status": 3}, "status 3"), ("segfault", {}, "signal SIGSEGV"),
])  # fmt: skip
async def test_a_plugin_that_dies_in_a_call_fails_all_its_calls(tool: str, given: Any, why: str) -> None:
    async with running() as process:
        other = asyncio.create_task(called(process, "never"))
        await until(lambda: process.calls > 0)
        await failing(process, tool, "PluginDied", why, **given)
        with pytest.raises(PluginFailure, match=why):
            await other
        assert not process.is_alive


@pytest.mark.parametrize("kind", ["log", "error"])
async def test_what_a_plugin_said_last_is_told_with_its_end(kind: str) -> None:
    async with running() as process:
        assert await called(process, "raw", text=f'{{"event":"{kind}","data":{{"鍵":"🔑"}}}}\n') == []
        await failing(process, "exit", "PluginDied", r'\| \{"鍵":"🔑"\} \| it ended with status 4', status=4)


async def test_a_plugin_that_does_not_read_holds_up_nobody_beyond_the_deadline() -> None:
    async with running("deaf") as process:
        await failing(process, "echo", "PluginTimeout", words="x" * 10_000_000, seconds=0.3)


@pytest.mark.slow
async def test_a_plugin_that_computes_is_told_from_one_that_waits(tmp_path: Path) -> None:
    async with running(silent_seconds=0.6) as process:
        waiting = asyncio.create_task(called(process, "never"))
        behind = asyncio.get_running_loop().time() + 1.0
        # It gives signs of life for longer than it may give none.
        await until(lambda: process.last_heartbeat_at > behind and not process.is_silent())
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        computing = asyncio.create_task(called(process, "stop_beating", until=str(tmp_path / "enough")))
        await until(process.is_silent)
        (tmp_path / "enough").touch()
        assert await computing == [{"text": "back"}]
        assert await still_answers(process)


# Lines.


async def test_a_thousand_signs_of_life_a_second_are_survived() -> None:
    async with running("flood") as process:
        assert await still_answers(process)


async def test_a_line_of_nearly_the_limit_is_read_and_a_longer_one_ends_the_plugin() -> None:
    async with running(line=1 << 20) as process:
        assert await called(process, "long", size=(1 << 20) - 1) == []
        assert await still_answers(process)
        await failing(process, "long", "PluginProtocol", "line of more than 1048576 bytes", size=(1 << 20) + 1)
        assert not process.is_alive


async def test_a_line_that_never_ends_ends_the_plugin() -> None:
    async with running(line=1 << 20) as process:
        await failing(process, "long", "PluginProtocol", "line of more than", size=1 << 22, ended=False)


@pytest.mark.parametrize("value", [
    "NaN", "1e400", '"\\ud800"', "[" * 10_000 + "]" * 10_000, "{", '"\\x00"',
])  # fmt: skip
async def test_a_message_that_is_no_json_fails_its_call_alone(value: str) -> None:
    data = '{"type":"json","message":{"json_object":VALUE}}'.replace("VALUE", value)
    line = LINE.replace("DATA", f'{{"type":"stream","data":{data}}}')
    async with running() as process:
        await failing(process, "raw", "PluginProtocol", "cannot be read", text=line)
        assert await still_answers(process)


@pytest.mark.parametrize("data", [
    "[]", '{"type": 3}', '{"type": "surprise"}', '{"type": "stream", "data": []}', '{"type": "invoke", "data": {}}',
    '{"type": "stream", "data": {"type": "blob_chunk", "message": {"id": 1}}}', '{"type": "error", "data": 3}',
])  # fmt: skip
async def test_a_message_of_the_wrong_shape_fails_its_call_alone(data: str) -> None:
    line = LINE.replace("DATA", data)
    async with running() as process:
        await failing(process, "raw", "PluginProtocol", text=line)
        assert await still_answers(process)


async def test_bytes_that_are_no_text_are_survived() -> None:
    async with running() as process:
        code = "import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\n'); sys.stdout.buffer.flush(); result = 1"
        assert await called(process, "run", code=code) == [{"json_object": 1}]


async def test_what_a_plugin_prints_in_front_of_a_message_does_not_lose_it() -> None:
    async with running() as process:
        assert await called(process, "print") == [{"text": "said"}]


async def test_a_call_that_says_too_much_ends_the_plugin() -> None:
    async with running(call_messages=1000) as process:
        assert len(await called(process, "many", count=999)) == 999
        await failing(process, "many", "PluginProtocol", "at most", count=5000)
        assert not process.is_alive
    async with running(call_bytes=100_000) as process:
        await failing(process, "echo", "PluginProtocol", "100000 bytes", words="x" * 200_000)


async def test_plugins_that_flood_work_for_one_slice_of_the_loop_at_a_time() -> None:
    readings = itertools.count()
    # Each message takes a tenth of a slice: the clock counts how often it is read.
    share = Scheduler(clock=lambda: next(readings) * SLICE / 10)
    arrived, most = 0, 0

    def tell(message: Any) -> None:
        nonlocal arrived
        arrived += 1

    async def watch() -> None:
        nonlocal most
        last = arrived
        while True:
            await asyncio.sleep(0)
            last, most = arrived, max(most, arrived - last)

    async with running(share=share) as one, running(share=share) as other:
        watching = asyncio.create_task(watch())
        request = {"type": "tool", "action": "invoke_tool", "tool": "many", "tool_parameters": {"count": 20_000}}
        await asyncio.gather(*(each.call(request, seconds=PATIENCE, emit=tell) for each in (one, other)))
        watching.cancel()
    assert arrived == 40_000
    assert most < 25


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True}), "asyncio"], ids=["uvloop", "asyncio"])
async def test_nothing_stays_open_of_a_plugin_that_was_ended_while_most_of_what_it_wrote_was_not_read(
    monkeypatch: pytest.MonkeyPatch, anyio_backend: Any
) -> None:
    # As on a busy machine: a line takes a slice, and what is left is not waited for.
    monkeypatch.setattr("jikko.plugins.process.process._DRAIN_SECONDS", 0.0)
    readings = itertools.count()
    flood = "import sys\nsys.stdout.write('x\\n' * (1 << 22))"
    async with running():  # the event loop itself opens files with the first
        pass
    before = open_files()
    async with running(share=Scheduler(clock=lambda: next(readings) * SLICE)) as process:
        calling = asyncio.create_task(called(process, "run", code=flood))
        await until(lambda: process.garbage > 1000)
    with pytest.raises(PluginFailure):
        await calling
    await until(lambda: open_files() <= before)


# Files in pieces.


async def test_a_file_in_pieces_is_one_message() -> None:
    async with running() as process:
        pieces = [["a", 0, 5, 3, False], ["b", 0, 1, 1, False], ["a", 1, 5, 2, False], ["a", 2, 5, 0, True]]
        assert await called(process, "blob", pieces=pieces) == [b"aaaaa"]


@pytest.mark.parametrize(("pieces", "why"), [
    ([["a", 1, 5, 5, True]], "out of order"),
    ([["a", 0, 5, 2, False], ["a", 0, 5, 3, True]], "out of order"),
    ([["a", 0, 5, 2, False], ["a", 1, 6, 3, True]], "out of order"),
    ([["a", 0, 5, 6, False]], "6 bytes"),
    ([["a", 0, 5, 4, True]], "4 bytes"),
    ([["a", 0, 2, 2, True], ["a", 0, 2, 2, True]], "another chunk of the complete file"),
    ([["a", 0, 2000, 2, False]], "more than 1000 bytes"),
])  # fmt: skip
async def test_pieces_that_do_not_fit_fail_the_call(pieces: Any, why: str) -> None:
    async with running(file=1000) as process:
        await failing(process, "blob", "PluginProtocol", why, pieces=pieces)


# Backwards.


async def test_what_a_plugin_asks_for_is_answered_in_parts() -> None:
    async def backwards(kind: str, request: dict[str, Any]) -> AsyncIterator[Any]:
        yield {"kind": kind}
        yield request

    async with running() as process:
        received = await called(process, "ask", type="tool", request={"語": 1}, backwards=backwards)
        assert received == [{"text": '[{"kind": "tool"}, {"語": 1}]'}]
        assert await called(process, "ask_many", count=300, type="x", request={}, backwards=backwards) == [
            {"text": "300"}
        ]


async def test_what_the_host_refuses_is_an_error_to_the_plugin() -> None:
    async def backwards(kind: str, request: dict[str, Any]) -> AsyncIterator[Any]:
        if request:
            yield "x" * 2000
        raise PermissionError("not permitted")

    async with running(line=1000) as process:
        assert await called(process, "ask", type="t", backwards=backwards) == [{"text": "error: not permitted"}]
        large = await called(process, "ask", type="t", request={"large": 1}, backwards=backwards)
        assert large == [{"text": "error: The answer has more than 1000 bytes."}]
        nobody = await called(process, "ask", type="t")
        assert nobody == [{"text": "error: 't' may not be invoked from here."}]


async def test_an_answer_is_given_up_with_its_call() -> None:
    given_up = asyncio.Event()

    async def backwards(kind: str, request: dict[str, Any]) -> AsyncIterator[Any]:
        try:
            await asyncio.sleep(PATIENCE)
            yield None
        finally:
            given_up.set()

    async with running() as process:
        await failing(process, "ask", "PluginTimeout", type="t", seconds=0.3, backwards=backwards)
        await asyncio.wait_for(given_up.wait(), PATIENCE)


async def test_a_plugin_that_dies_while_it_asks_fails_the_call() -> None:
    async def backwards(kind: str, request: dict[str, Any]) -> AsyncIterator[Any]:
        await asyncio.sleep(PATIENCE)
        yield None

    async with running() as process:
        await failing(process, "ask_and_exit", "PluginDied", "status 3", type="t", backwards=backwards)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("no traceback\n", ""),
        (
            'Traceback (most recent call last):\n  File "x"\n    import y\nModuleNotFoundError: 無い\n',
            "ModuleNotFoundError: 無い",
        ),
        (
            "Traceback (most recent call last):\n  a\nKeyError: 1\n\nDuring handling of the above exception, another "
            "exception occurred:\n\nTraceback (most recent call last):\n  b\nValueError: 2\n"
            "Exception ignored in: <thread>\nTraceback (most recent call last):\n  c\nRuntimeError: 3\n",
            "ValueError: 2",
        ),
    ],
)
def test_the_exception_of_a_plugin_that_does_not_start_is_that_of_its_first_traceback(text: str, expected: str) -> None:
    assert raised_in(text) == expected


async def test_a_plugin_that_raises_before_its_first_sign_of_life_fails_with_its_exception(tmp_path: Path) -> None:
    noise = "import sys, atexit\natexit.register(lambda: print('noise ' * 400, file=sys.stderr))\n"
    (tmp_path / "main.py").write_text(f"{noise}raise LookupError('鍵がない')\n")

    with pytest.raises(PluginFailure, match=r"^The plugin does not start: LookupError: 鍵がない$"):
        await PluginProcess.start(
            [sys.executable, "main.py"],
            folder=tmp_path,
            environment={"PYTHONUTF8": "1"},
            limits=ProcessLimits(),
            **of_its_own(),
        )
