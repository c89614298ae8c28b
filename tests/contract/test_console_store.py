"""Contract of ``ConsoleStore`` and ``ChatPages``."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from jikko.console.console_access import Access
from jikko.console.shares import Shares
from jikko.errors import Unauthorized
from jikko.ids import new_id
from jikko.repositories.console_store import (
    ChatPages,
    ConsoleSession,
    ConsoleStore,
    ConsoleTicket,
    ConsoleToken,
    Role,
    share_source,
)
from jikko.repositories.conversation_store import ConversationStore
from jikko.store.postgres.conversation_store import PostgresConversationStore
from jikko.store.sqlite import Database
from jikko.store.sqlite.conversation_store import SqliteConversationStore
from tests.meanwhile import meanwhile
from tests.store.postgres_server import POSTGRES, new_database

from .conversations import conversation, message
from .runs import APP, OTHER_APP

pytestmark = pytest.mark.anyio


@dataclass
class Stores:
    access: ConsoleStore
    chats: ChatPages
    conversations: ConversationStore


@pytest.fixture(params=["sqlite", POSTGRES])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    async with AsyncExitStack() as stack:
        if request.param == "sqlite":
            database = Database.open(tmp_path / "jikko.db")
            stack.callback(database.close)
            yield Stores(ConsoleStore(database), ChatPages(database), SqliteConversationStore(database))
        else:
            postgres = await stack.enter_async_context(new_database(request))
            yield Stores(ConsoleStore(postgres), ChatPages(postgres), PostgresConversationStore(postgres))


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def token(name: str, at: float = 1000.0, role: Role = "viewer") -> ConsoleToken:
    return ConsoleToken(id=new_id(), name=name, role=role, digest=digest(name), hint=name[:6], created_at=at)


def session(name: str, source: str, at: float = 1000.0) -> ConsoleSession:
    return ConsoleSession(
        digest=digest(name), source=source, name="アンナ 🌸", role="operator", created_at=at, used_at=at
    )


async def test_tokens_are_kept_oldest_first(stores: Stores) -> None:
    kept = [token("b", 2000.0), token("a", 1000.0, "operator"), token("名 \ue000", 3000.0)]
    kept[2] = replace(kept[2], scopes=["apps:write", "runs:read"], expires_at=4000.5)
    for each in kept:
        await stores.access.add_token(each)

    assert await stores.access.tokens() == [kept[1], kept[0], kept[2]]
    assert await stores.access.token_of(digest("a")) == kept[1]
    assert await stores.access.token_of(digest("c")) is None

    await stores.access.note_use(kept[1].id, 4000.0)
    found = await stores.access.token_of(digest("a"))
    assert found is not None
    assert found.used_at == 4000.0


async def test_the_sessions_of_a_token_end_with_it(stores: Stores) -> None:
    one, other = token("one"), token("other")
    await stores.access.add_token(one)
    await stores.access.add_token(other)
    await stores.access.add_session(session("s1", one.id), oldest=0)
    await stores.access.add_session(session("s2", other.id), oldest=0)

    assert await stores.access.delete_token(one.id)
    assert not await stores.access.delete_token(one.id)
    assert not await stores.access.delete_token("no such token")

    assert await stores.access.session(digest("s1")) is None
    assert await stores.access.session(digest("s2")) == session("s2", other.id)
    scoped = replace(session("s3", other.id), scopes=["runs:read"], expires_at=4000.5)
    await stores.access.add_session(scoped, oldest=0)
    assert await stores.access.session(digest("s3")) == scoped


async def test_a_token_that_is_deleted_meanwhile_begins_no_session(stores: Stores) -> None:
    access = Access(stores.access, lambda: 1000.0)
    made, text = await access.new_token("通る 🚪", "operator")
    slow = meanwhile(stores.access, "token_of", lambda: access.revoke(made.id))

    with pytest.raises(Unauthorized):
        await Access(slow, lambda: 1000.0).enter_by_token(text)

    for number in range(5):
        one = token(f"at once {number}")
        await stores.access.add_token(one)
        await asyncio.gather(
            stores.access.add_session(session(f"s{number}", one.id), oldest=0), stores.access.delete_token(one.id)
        )
        assert await stores.access.session(digest(f"s{number}")) is None


async def test_a_token_that_is_deleted_meanwhile_leaves_no_shared_link(stores: Stores) -> None:
    access = Access(stores.access, lambda: 1000.0)
    made, text = await access.new_token("共有 🔗", "viewer")
    maker, run = await access.by_token(text), new_id()
    shares = Shares(stores.access, lambda: 1000.0, is_on=True, setting_source=access.setting_source)
    await shares.make(run, maker, 1)

    await access.revoke(made.id)
    with pytest.raises(Unauthorized):
        await shares.make(run, maker, 1)

    for number in range(5):
        one = token(f"at once {number}")
        await stores.access.add_token(one)
        link = session(f"s{number}", share_source(run, one.id))
        await asyncio.gather(stores.access.add_session(link, oldest=0), stores.access.delete_token(one.id))
    assert await stores.access.shares(run) == []


async def test_shared_links_of_a_run_are_listed_opened_once_and_end_with_their_token(stores: Stores) -> None:
    one, run, other = token("one"), new_id(), new_id()
    await stores.access.add_token(one)
    kept = [
        replace(session(name, share_source(of, by), at=at), used_at=0.0, scopes=[], expires_at=9000.5)
        for name, of, by, at in (("b", run, one.id, 2000.0), ("a", run, "", 1000.0), ("c", other, one.id, 3000.0))
    ]
    for each in (*kept, session("s", "link")):
        await stores.access.add_session(each, oldest=0)
    assert await stores.access.shares(run) == [kept[1], kept[0]]
    assert await stores.access.shares(new_id()) == []
    assert await asyncio.gather(*(stores.access.open_session(digest("b"), 5000.0) for _ in range(3))) in (
        [True, False, False],
        [False, True, False],
        [False, False, True],
    )
    assert not await stores.access.open_session(digest("none"), 5000.0)
    opened = await stores.access.session(digest("b"))
    assert opened is not None
    assert opened.used_at == 5000.0

    await stores.access.delete_token("")
    assert await stores.access.session(digest("s")) == session("s", "link")
    assert await stores.access.delete_token(one.id)
    assert await stores.access.shares(run) == [kept[1]]
    assert await stores.access.shares(other) == []


async def test_tokens_that_have_expired_are_removed_with_their_sessions(stores: Stores) -> None:
    kept = [replace(token(name), expires_at=at) for name, at in (("old", 2000.0), ("new", 2000.5), ("ever", None))]
    for each in kept:
        await stores.access.add_token(each)
        begun = replace(session(f"c{each.name}", each.id), expires_at=each.expires_at)
        await stores.access.add_session(begun, oldest=0.0)

    assert await stores.access.forget_expired(2000.0) == 1
    assert await stores.access.forget_expired(2000.0) == 0

    assert [each.name for each in await stores.access.tokens()] == ["new", "ever"]
    sessions = [await stores.access.session(digest(f"c{each.name}")) for each in kept]
    assert [each is not None for each in sessions] == [False, True, True]


async def test_sessions_are_used_and_forgotten(stores: Stores) -> None:
    await stores.access.add_session(session("old", "link", at=1000.0), oldest=0)
    await stores.access.add_session(session("new", "setting ab", at=2000.0), oldest=1500.0)
    assert await stores.access.session(digest("old")) is None

    await stores.access.touch_session(digest("new"), 2060.0)
    found = await stores.access.session(digest("new"))
    assert found is not None
    assert found.used_at == 2060.0

    assert await stores.access.delete_session(digest("new"))
    assert not await stores.access.delete_session(digest("new"))
    assert await stores.access.session(digest("new")) is None


async def test_a_ticket_opens_once_and_not_after_its_time(stores: Stores) -> None:
    ticket = ConsoleTicket(digest=digest("t"), role="operator", expires_at=1060.0)
    await stores.access.add_ticket(ticket, now=1000.0)

    taken = await asyncio.gather(*[stores.access.take_ticket(digest("t"), now=1059.0) for _ in range(5)])
    assert sorted(taken, key=lambda each: each is None) == [ticket, None, None, None, None]

    await stores.access.add_ticket(ticket, now=1000.0)
    assert await stores.access.take_ticket(digest("t"), now=1060.0) is None


async def test_conversations_of_all_users_come_last_updated_first(stores: Stores) -> None:
    spoken = [conversation(new_id(), user=f"user-{number % 3}", at=1000.0 + number // 2) for number in range(9)]
    elsewhere = conversation(new_id(), app=OTHER_APP, user="user-1", at=5000.0)
    for each in [*spoken, elsewhere]:
        await stores.conversations.add_turn(message(new_id(), each.id, app=each.app_id, user=each.user), each)

    async def all_of(user: str | None) -> list[str]:
        found: list[str] = []
        behind = None
        while True:
            page = await stores.chats.conversations(APP, user=user, behind=behind, limit=2)
            found += [each.id for each in page.conversations]
            behind = page.next
            if behind is None:
                return found

    everyone = await all_of(None)
    assert sorted(everyone) == sorted(each.id for each in spoken)
    times = {each.id: each.updated_at for each in spoken}
    assert [times[each] for each in everyone] == sorted(times.values(), reverse=True)
    assert sorted(await all_of("user-1")) == sorted(each.id for each in spoken[1::3])
    assert await all_of("nobody") == []
    assert not (await stores.chats.conversations(new_id(), user=None, behind=None, limit=2)).conversations


async def test_conversations_of_all_users_are_found(stores: Stores) -> None:
    spoken = conversation(new_id(), user="\ue000 ユーザー")
    await stores.conversations.add_turn(message(new_id(), spoken.id, user=spoken.user), spoken)

    found = await stores.chats.conversation(spoken.id.upper())

    assert found is not None
    assert (found.id, found.user, found.turns) == (spoken.id, spoken.user, 1)
    assert await stores.chats.conversation("no conversation") is None
