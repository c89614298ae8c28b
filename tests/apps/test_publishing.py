"""Imports: which app a file belongs to."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from jikko.apps.publishing import AppCatalog, Published
from jikko.errors import Conflict, InvalidDocument
from jikko.nodes.registry import BY_TYPE
from jikko.repositories.app_store import App, AppStore
from jikko.store.sqlite import Database
from tests.acceptance.workflows import app, end, node, start, with_environment
from tests.effort import PATIENCE
from tests.meanwhile import meanwhile

pytestmark = pytest.mark.anyio

AT_ONCE = 4


def a_file(name: str, text: str = "x", mode: str = "workflow") -> bytes:
    if mode == "workflow":
        return app(name, [start("q"), end(**{f"said_{text}": "start.q"})], "start>end").encode()
    return app(name, [start("q"), node("answer", "answer", answer=text)], "start>answer", mode=mode).encode()


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Callable[[], AppStore]]:
    """Makes stores of the same apps, as processes that share a data folder have them."""
    with ExitStack() as opened:

        def open_() -> AppStore:
            database = Database.open(tmp_path / "jikko.db")
            opened.callback(database.close)
            return AppStore(database)

        yield open_


@pytest.fixture
async def apps(another: Callable[[], AppStore]) -> AppCatalog:
    return AppCatalog(another(), BY_TYPE)


class Together:
    """A store of which several look for an app before any makes it."""

    def __init__(self, store: AppStore, barrier: threading.Barrier) -> None:
        self._store = store
        self._barrier: threading.Barrier | None = barrier

    async def app_named(self, name: str) -> App | None:
        found = await self._store.app_named(name)
        if self._barrier is not None:
            await asyncio.to_thread(self._barrier.wait, PATIENCE)
            self._barrier = None
        return found

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


async def at_once(
    stores: list[AppStore], publish: Callable[[AppCatalog, int], Awaitable[Published]]
) -> list[Published]:
    """Publish through several stores, each of which sees the app as it was before any publishes."""
    barrier = threading.Barrier(len(stores))

    async def publish_(at: int, store: AppStore) -> Published:
        together: AppStore = Together(store, barrier)  # type: ignore[assignment]
        return await publish(AppCatalog(together, BY_TYPE), at)

    with ThreadPoolExecutor(len(stores)) as threads:
        begun = [
            threads.submit(lambda at, store: asyncio.run(publish_(at, store)), at, store)
            for at, store in enumerate(stores)
        ]
        return await asyncio.gather(*[asyncio.wrap_future(each) for each in begun])


async def test_imports_at_once_of_a_new_app_make_one_app(another: Callable[[], AppStore]) -> None:
    stores = [another() for _ in range(AT_ONCE)]

    published = await at_once(stores, lambda apps, at: apps.publish(a_file("経費精算 🧾", str(at)), source="a"))

    [made] = await stores[0].apps()
    assert made.name == "経費精算 🧾"
    assert sorted(each.version.number for each in published) == [1, 2, 3, 4]
    assert len(await stores[0].versions(made.id)) == AT_ONCE


@pytest.mark.parametrize("is_new", [True, False], ids=["a new app", "an app that exists"])
async def test_the_same_file_sent_at_once_makes_one_version(another: Callable[[], AppStore], is_new: bool) -> None:
    stores = [another() for _ in range(AT_ONCE)]
    if not is_new:
        # By another: a store is used by one loop at a time, and here each gets a thread with its own.
        await AppCatalog(another(), BY_TYPE).publish(a_file("経費精算 🧾", "before"), source="a")

    published = await at_once(stores, lambda apps, _: apps.publish_if_changed(a_file("経費精算 🧾"), source="a"))

    assert len({each.version.id for each in published}) == 1
    assert sorted(each.unchanged for each in published) == [False, True, True, True]
    [made] = await stores[0].apps()
    assert [version.number for version in await stores[0].versions(made.id)] == ([1] if is_new else [2, 1])


async def test_a_file_for_an_app_that_is_removed_meanwhile_makes_another_app(another: Callable[[], AppStore]) -> None:
    elsewhere = AppCatalog(another(), BY_TYPE)
    first = await elsewhere.publish(a_file("経費精算 🧾"), source="a")
    store = meanwhile(another(), "app_named", lambda: elsewhere.delete(first.app))

    second = await AppCatalog(store, BY_TYPE).publish(a_file("経費精算 🧾", "later"), source="a")

    assert [(each.id, each.workflow_id) for each in await elsewhere.all()] == [(second.app.id, second.version.id)]
    assert [each.id for each in await elsewhere.store.deleted_apps()] == [first.app.id] != [second.app.id]
    assert second.version.number == 1


@pytest.mark.parametrize("step", ["version", "make_current", "keep_triggers"])
async def test_an_app_that_is_removed_at_any_step_leaves_no_trigger(another: Callable[[], AppStore], step: str) -> None:
    elsewhere = AppCatalog(another(), BY_TYPE)
    hook = app("受信 📬", [node("hook", "trigger-webhook", method="post"), end(out="hook.x")], "hook>end").encode()
    first = await elsewhere.publish(hook, source="a")
    apps = AppCatalog(meanwhile(another(), step, lambda: elsewhere.delete(first.app)), BY_TYPE)

    if step == "make_current":
        await apps.use(first.app, first.version)
    else:
        assert (await apps.publish_if_changed(hook, source="a")).unchanged

    assert await elsewhere.all() == []


async def test_no_run_sees_a_version_without_its_values(another: Callable[[], AppStore]) -> None:
    elsewhere, seen = another(), []

    async def look() -> None:
        seen.extend(await elsewhere.apps())

    file = with_environment(a_file("Env").decode(), mode=("string", "a"), level=("number", 1)).encode()
    await AppCatalog(another(), BY_TYPE).publish(file, source="a", environment={"level": "2"})
    apps = AppCatalog(meanwhile(another(), "publish", look), BY_TYPE)

    await apps.publish(file, source="a", environment={"mode": "本番 🚀"})

    assert [json.loads(each.environment) for each in seen] == [{"level": 2, "mode": "本番 🚀"}]


async def test_a_file_of_another_mode_is_no_version_of_an_app(apps: AppCatalog) -> None:
    first = await apps.publish(a_file("Both"), source="a")

    with pytest.raises(Conflict, match=r"'Both' is of mode workflow; a file of mode advanced-chat .* --name"):
        await apps.publish(a_file("Both", mode="advanced-chat"), source="b")

    assert await apps.all() == [first.app]


async def test_a_file_may_be_imported_under_another_name(apps: AppCatalog) -> None:
    plain = await apps.publish(a_file("Plain"), source="a")
    named = await apps.publish(a_file("Plain"), source="a", name="請求 🌸")
    again = await apps.publish(a_file("Plain", "more"), source="a", name="請求 🌸")

    assert [(app.id, app.name) for app in await apps.all()] == [(plain.app.id, "Plain"), (named.app.id, "請求 🌸")]
    assert (again.app.id, again.version.number) == (named.app.id, 2)


async def test_each_file_that_shares_its_name_is_told_with_another(apps: AppCatalog) -> None:
    names = (("a.yml", "一つ"), ("b.yml", "Two"), ("c.yml", "一つ"), ("d.yml", "一つ"))
    found = apps.namesakes([(path, "x", a_file(name)) for path, name in names])

    others = {"a.yml": "c.yml", "c.yml": "a.yml", "d.yml": "a.yml"}
    assert {path: str(error).partition(",")[0] for path, error in found.items()} == {
        path: f"{path} and {other} are both called '一つ'" for path, other in others.items()
    }
    assert "`jikko apps import FILE --name NAME`" in str(found["a.yml"])


async def test_files_without_a_name_are_called_after_the_file(apps: AppCatalog) -> None:
    one, other = (a_file("") for _ in range(2))

    assert not apps.namesakes([("x/a.yml", "a", one), ("x/b.yml", "b", other)])
    assert list(apps.namesakes([("x/a.yml", "a", one), ("y/a.yml", "a", other)])) == ["x/a.yml", "y/a.yml"]


async def test_a_file_that_cannot_be_imported_has_no_name(apps: AppCatalog) -> None:
    assert not apps.namesakes([("a", "a", b"- 1"), ("b", "b", b"- 1")])
    with pytest.raises(InvalidDocument):
        await apps.publish(b"- 1", source="a")
