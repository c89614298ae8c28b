"""Imports beside the event loop."""

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from jikko.concurrency import run_in_thread
from jikko.concurrency.lazy_proxy import import_for, is_made, lazy_proxy
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio

MODULES = [f"aside_{number}" for number in range(20)]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that each import the next one, and note the thread that does."""
    for name, following in zip(MODULES, [*MODULES[1:], "threading"], strict=True):
        text = f"import threading\nimport {following}\nthread = threading.current_thread()\n"
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("package")
async def test_modules_are_imported_in_another_thread_which_pauses_behind_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finders, pauses = list(sys.meta_path), [0]

    def pause() -> None:
        pauses[0] += 1

    monkeypatch.setattr(run_in_thread, "release_gil", pause)
    await asyncio.gather(run_in_thread.imported(MODULES[0]), run_in_thread.imported(MODULES[5], "json"))

    assert {sys.modules[name].thread is threading.main_thread() for name in MODULES} == {False}
    assert pauses[0] >= len(MODULES)
    assert sys.meta_path == finders


async def test_who_imports_something_else_meanwhile_misses_no_finder() -> None:
    """It goes through the list of finders, and may be stopped anywhere by the end of an import in the thread."""
    begun, go_on = threading.Event(), threading.Event()

    def load() -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    loading = asyncio.create_task(run_in_thread.import_in_thread(load))
    await asyncio.to_thread(begun.wait, PATIENCE)
    wanted, finders = list(sys.meta_path), iter(sys.meta_path)
    found = [next(finders), next(finders)]
    go_on.set()
    await loading
    assert [*found, *finders] == wanted


async def test_what_cannot_be_imported_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            await run_in_thread.imported("aside_that_is_not_there")


async def test_what_a_thing_is_made_of_is_imported_once_and_not_when_it_is_made() -> None:
    asked: list[bool] = []

    def note() -> None:
        asked.append(threading.current_thread() is threading.main_thread())

    thing = lazy_proxy(lambda: Path("x"), note)
    await import_for(thing)
    assert asked == [False]
    assert not is_made(thing)
    assert thing.name == "x"
    await import_for(thing)
    await import_for(lazy_proxy(lambda: Path("y")))
    assert asked == [False]
