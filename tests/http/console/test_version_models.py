"""The models of versions are read once, however many ask, and all versions are found by one query."""

import asyncio
from pathlib import Path

import pytest
from benchmarks.counting import statements

from jikko.console.run_overview import VersionModels
from jikko.ids import new_id
from jikko.repositories.app_store import AppStore
from jikko.store.sqlite import Database
from tests.acceptance.workflows import app, end, node, start
from tests.contract.test_app_store import a_version, an_app

pytestmark = pytest.mark.anyio


def asking(model: str) -> bytes:
    ask = node("ask", "llm", model={"provider": "openai", "name": model, "mode": "chat", "completion_params": {}})
    return app("Asks", [start("q"), ask, end(q="start.q")], "start>ask>end").encode()


async def test_each_version_is_read_once_by_requests_at_once(tmp_path: Path) -> None:
    with statements() as asked:
        database = Database.open(tmp_path / "jikko.db")
        apps, models = AppStore(database), ["モデル 🌸 \ue000", "gpt-4o", "gpt-4o"]
        published = []
        for name in ("one", "two", "three"):
            owner = an_app(name)
            published.append([await apps.publish(owner, a_version(asking(model))) for model in models])
        every = [version for versions in published for version in versions]
        finder = VersionModels(apps)

        asked.clear()
        found = await asyncio.gather(
            *(finder.versions("gpt-4o", None) for _ in range(5)), finder.versions(models[0], published[1][0].app_id)
        )
        assert [sorted(ids) for ids in found[:5]] == [sorted(v.id for one in published for v in one[1:])] * 5
        assert found[5] == (published[1][0].id,)
        selects = [each.text for each in asked if each.text.startswith("SELECT")]
        assert len([text for text in selects if ", source FROM" in text]) == len(every)
        assert len(selects) == len(every) + len(found)

        asked.clear()
        assert await finder.versions("gpt-4o", None) == found[0]
        assert [set(await finder.of(one.app_id, one.id)) for one in every] == [
            {model} for _ in published for model in models
        ]
        assert len([each for each in asked if each.text.startswith("SELECT")]) == 1
        assert await finder.of(every[0].app_id, new_id()) == ()
        database.close()
