"""Contract of ``AppStore``."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from jikko.errors import Conflict, NameTaken, NotFound
from jikko.ids import new_id
from jikko.repositories.app_store import ApiKey, App, AppStore, WorkflowVersion
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.sqlite import Database
from tests.store.postgres_server import POSTGRES, new_database

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", POSTGRES])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AppStore]:
    if request.param == "postgres":
        async with new_database(request) as postgres:
            yield PostgresAppStore(postgres)
        return
    database = Database.open(tmp_path / "jikko.db")
    yield AppStore(database)
    database.close()


def an_app(name: str = "greeter", created_at: float = 1000.0) -> App:
    return App(id=new_id(), name=name, mode="workflow", created_at=created_at, workflow_id="")


def a_version(source: bytes = b"app: {}\n", created_at: float = 1000.0) -> WorkflowVersion:
    published = "2025-06-01 08:00:00.123456"
    return WorkflowVersion(id=new_id(), app_id="", version=published, number=0, source=source, created_at=created_at)


def a_key(app: App, key: str = "app-secret", created_at: float = 1000.0) -> ApiKey:
    digest = hashlib.sha256(key.encode()).digest()
    return ApiKey(id=new_id(), app_id=app.id, digest=digest, hint=key[:7], created_at=created_at)


async def published(store: AppStore, app: App | None = None) -> App:
    app = app or an_app()
    version = await store.publish(app, a_version())
    return msgspec.structs.replace(app, workflow_id=version.id)


async def test_publishing_creates_an_app_with_its_first_version(store: AppStore) -> None:
    app = msgspec.structs.replace(
        an_app(), description="Grüße", icon_type="image", icon="🤖", icon_background="#FF0000"
    )
    version = a_version(b"app:\n  name: greeter\n" * 100)

    answer = await store.publish(app, version)

    assert answer == msgspec.structs.replace(version, app_id=app.id, number=1)
    assert await store.app(app.id) == msgspec.structs.replace(app, workflow_id=version.id)
    assert await store.version(app.id, version.id) == answer


async def test_publishing_again_adds_a_version_and_changes_the_app(store: AppStore) -> None:
    app = await published(store)
    renamed = msgspec.structs.replace(app, name="host", use_icon_as_answer_icon=True)
    second = await store.publish(renamed, a_version(b"second"))

    assert second.number == 2
    assert await store.app(app.id) == msgspec.structs.replace(renamed, workflow_id=second.id)
    first = await store.version(app.id, app.workflow_id)
    assert first is not None
    assert first.source == b"app: {}\n"
    assert [(version.number, version.source) for version in await store.versions(app.id)] == [(2, b""), (1, b"")]


async def test_a_version_that_is_only_added_leaves_the_app_as_it_is(store: AppStore) -> None:
    app = await published(store)
    added = await store.publish(msgspec.structs.replace(app, description="後で"), a_version(b"second"), aside=True)

    assert added.number == 2
    assert await store.app(app.id) == app
    assert [version.number for version in await store.versions(app.id)] == [2, 1]
    # An app has a current version from its first one on.
    new = an_app("行 🆕")
    first = await store.publish(new, a_version(), aside=True)
    assert await store.app(new.id) == msgspec.structs.replace(new, workflow_id=first.id)


async def test_versions_are_counted_per_app(store: AppStore) -> None:
    await published(store)

    assert (await store.publish(an_app("other"), a_version())).number == 1


async def test_a_version_is_never_replaced(store: AppStore) -> None:
    app = an_app()
    version = await store.publish(app, a_version(b"first"))

    with pytest.raises(Conflict, match="versions never change"):
        await store.publish(app, msgspec.structs.replace(version, source=b"second"))

    assert await store.version(app.id, version.id) == version


async def test_a_version_belongs_to_one_app_and_its_id_may_be_in_any_case(store: AppStore) -> None:
    app, other = await published(store), await published(store, an_app("other"))

    assert await store.version(other.id, app.workflow_id) is None
    assert await store.version(app.id, "unknown") is None
    found = await store.version(app.id, app.workflow_id.upper())
    assert found is not None
    assert found.id == app.workflow_id


async def test_apps_are_listed_oldest_first_and_found_by_name(store: AppStore) -> None:
    young = await published(store, an_app("twin 2", created_at=3000))
    old = await published(store, an_app("twin", created_at=1000))
    middle = await published(store, an_app("Twin", created_at=2000))

    assert await store.apps() == [old, middle, young]
    assert await store.app_named("twin") == old
    assert await store.app_named("TWIN") is None
    assert await store.app(new_id()) is None


async def test_a_name_is_that_of_one_app(store: AppStore) -> None:
    app, other = await published(store, an_app("経費精算 🧾")), await published(store, an_app("other"))

    with pytest.raises(NameTaken, match="Another app is named '経費精算 🧾'"):
        await store.publish(an_app("経費精算 🧾"), a_version())
    with pytest.raises(NameTaken):
        await store.publish(msgspec.structs.replace(other, name="経費精算 🧾"), a_version())

    assert {entry.id: entry for entry in await store.apps()} == {app.id: app, other.id: other}
    assert len(await store.versions(other.id)) == 1
    versions = [(one.app_id, one.id) for app in await store.apps() for one in await store.versions(app.id)]
    assert sorted(await store.version_ids()) == sorted(versions)
    # Once it is free, anybody may have it.
    await store.delete_app(app.id, at=2000.0)
    assert (await store.publish(an_app("経費精算 🧾"), a_version())).number == 1


async def test_a_key_opens_its_app(store: AppStore) -> None:
    app = await published(store)
    await published(store, an_app("other"))
    key = a_key(app)
    await store.add_key(key)

    assert await store.app_of_key(key.digest) == app
    assert await store.app_of_key(hashlib.sha256(b"app-wrong").digest()) is None
    assert await store.app_of_key(b"") is None


async def test_a_key_opens_the_app_as_it_is_now(store: AppStore) -> None:
    app = await published(store)
    key = a_key(app)
    await store.add_key(key)
    second = await store.publish(app, a_version())

    found = await store.app_of_key(key.digest)

    assert found is not None
    assert found.workflow_id == second.id


async def test_keys_are_listed_oldest_first(store: AppStore) -> None:
    app = await published(store)
    young, old = a_key(app, "app-young", 2000), a_key(app, "app-old", 1000)
    await store.add_key(young)
    await store.add_key(old)

    assert await store.keys(app.id) == [old, young]
    assert await store.keys(new_id()) == []


async def test_a_deleted_key_opens_nothing(store: AppStore) -> None:
    app = await published(store)
    key = a_key(app)
    await store.add_key(key)

    assert not await store.delete_key(new_id(), key.id)
    assert await store.delete_key(app.id, key.id)
    assert not await store.delete_key(app.id, key.id)
    assert await store.app_of_key(key.digest) is None


async def test_a_key_cannot_be_added_twice_or_to_no_app(store: AppStore) -> None:
    app = await published(store)
    key = a_key(app)
    await store.add_key(key)

    assert not await store.add_key(msgspec.structs.replace(key, id=new_id()))
    assert await store.keys(app.id) == [key]
    with pytest.raises(NotFound, match="No app"):
        await store.add_key(a_key(an_app(), "app-nobody"))


async def test_keys_of_all_apps_are_found_by_their_hint(store: AppStore) -> None:
    apps = [await published(store, an_app(name)) for name in ("one", "二")]
    keys = [a_key(app, f"{begin}{app.name}", at) for at, app in enumerate(apps) for begin in ("apps-ab", "apps-x%")]
    for key in keys:
        await store.add_key(key)

    assert await store.keys_like("apps-ab") == [keys[0], keys[2]]
    assert await store.keys_like("apps-%%") == []


async def test_of_first_keys_that_are_added_at_once_an_app_gets_one(store: AppStore) -> None:
    app, other = await published(store), await published(store, an_app("other"))
    keys = [a_key(app, f"app-{number}") for number in range(4)]

    added = await asyncio.gather(*[store.add_key(key, only_first=True) for key in keys])

    assert sorted(added) == [False, False, False, True]
    assert await store.keys(app.id) == [keys[added.index(True)]]
    assert await store.add_key(a_key(other, "app-other"), only_first=True)
    assert await store.add_key(a_key(app, "app-second"))
    for key in await store.keys(app.id):
        await store.delete_key(app.id, key.id)
    assert await store.add_key(a_key(app, "app-new"), only_first=True)
    with pytest.raises(NotFound, match="No app"):
        await store.add_key(a_key(an_app(), "app-nobody"), only_first=True)


async def test_changes_of_an_app_at_once_are_all_made(store: AppStore) -> None:
    app = await published(store)

    await asyncio.gather(
        *(store.set_environment(app.id, {f"値{number}": "🍣"}) for number in range(8)),
        *(store.publish(app, a_version(b"%d" % number)) for number in range(8)),
        *(store.add_key(a_key(app, f"app-{number}")) for number in range(4)),
    )

    found = await store.app(app.id)
    assert found is not None
    assert sorted(json.loads(found.environment)) == [f"値{number}" for number in range(8)]
    assert sorted(each.number for each in await store.versions(app.id)) == list(range(1, 10))
    assert len(await store.keys(app.id)) == 4


async def test_an_app_that_is_deleted_twice_at_once_is_noted_once(store: AppStore) -> None:
    app = await published(store)

    deleted = await asyncio.gather(*(store.delete_app(app.id, at=float(at)) for at in range(4)))

    assert sorted(deleted) == [False, False, False, True]
    assert [each.id for each in await store.deleted_apps()] == [app.id]


async def test_deleting_an_app_takes_its_versions_and_keys(store: AppStore) -> None:
    app, other = await published(store), await published(store, an_app("other"))
    key, others_key = a_key(app), a_key(other, "app-other")
    await store.add_key(key)
    await store.add_key(others_key)

    assert await store.delete_app(app.id, at=2000.0)
    assert not await store.delete_app(app.id, at=2000.0)

    assert await store.app_of_key(key.digest) is None
    assert await store.version(app.id, app.workflow_id) is None
    assert await store.versions(app.id) == []
    assert await store.keys(app.id) == []
    assert await store.apps() == [other]
    assert await store.app_of_key(others_key.digest) == other


async def test_values_for_environment_variables_are_set_one_by_one_and_stay_over_versions(store: AppStore) -> None:
    app = await published(store)
    assert await store.set_environment(app.id, {"鍵 🗝": "値\ue000\ud800", "n": 1.5, "gone": "x"})
    assert await store.set_environment(app.id, {"n": 2}, ["gone", "never set"])
    await store.publish(app, a_version())

    found = await store.app(app.id)

    assert found is not None
    assert json.loads(found.environment) == {"鍵 🗝": "値\ue000\ud800", "n": 2}
    assert not await store.set_environment(new_id(), {"n": 1})


async def test_without_values_an_app_has_none(store: AppStore) -> None:
    app = await published(store)
    await store.set_environment(app.id, {"a": "1"})
    await store.set_environment(app.id, {}, ["a"])
    assert (await store.apps())[0].environment == ""


async def test_a_new_app_of_an_old_name_has_none_of_its_values(store: AppStore) -> None:
    app = await published(store)
    await store.set_environment(app.id, {"a": "1"})
    await store.delete_app(app.id, at=2000.0)
    await published(store, an_app())
    found = await store.app_named(app.name)
    assert found is not None
    assert found.environment == ""


async def test_an_older_version_is_made_current_with_its_description(store: AppStore) -> None:
    app = await published(store, msgspec.structs.replace(an_app(), description="one"))
    await store.set_environment(app.id, {"a": "1"})
    newer = await published(store, msgspec.structs.replace(app, description="two"))
    assert await store.make_current(msgspec.structs.replace(app, description="again one"))

    found = await store.app(app.id)

    assert found is not None
    assert (found.workflow_id, found.description) == (app.workflow_id, "again one")
    assert json.loads(found.environment) == {"a": "1"}
    assert len(await store.versions(app.id)) == 2
    assert newer.workflow_id != app.workflow_id


async def test_what_is_no_version_of_the_app_is_not_made_current(store: AppStore) -> None:
    app, other = await published(store), await published(store, an_app("other"))
    assert not await store.make_current(msgspec.structs.replace(app, workflow_id=other.workflow_id))
    assert not await store.make_current(an_app("nobody"))
    assert await store.app(app.id) == app


async def test_a_removed_app_is_known_by_its_name_for_the_sake_of_its_runs(store: AppStore) -> None:
    apps = [await published(store, an_app(name)) for name in ("経費 🧾", "kept", "second")]
    for at, app in enumerate((apps[2], apps[0])):
        await store.delete_app(app.id, at=float(at))
        await store.delete_app(app.id, at=9.0)
    expected = [(apps[2].id, "second", 0.0), (apps[0].id, "経費 🧾", 1.0)]
    assert [(gone.id, gone.name, gone.deleted_at) for gone in await store.deleted_apps()] == expected
