"""Work on the loop of another thread is ended by an interrupt, whenever that comes."""

import asyncio

import pytest

from jikko.concurrency.loop_thread import LoopThread


def test_an_interrupt_while_work_is_handed_over_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hand_over, told = asyncio.run_coroutine_threadsafe, list[str]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            told.append("ended")

    def interrupted(*given: object) -> None:
        hand_over(*given)  # type: ignore[arg-type]
        monkeypatch.undo()
        raise KeyboardInterrupt

    with LoopThread() as loop:
        monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
        with pytest.raises(KeyboardInterrupt):
            loop.run(work())
        assert told == ["ended"]


def test_an_interrupt_before_work_is_handed_over_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        raise AssertionError("it never begins")

    def interrupted(*_: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    with LoopThread() as loop:
        monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
        with pytest.raises(KeyboardInterrupt):
            loop.run(work())
