"""PostgreSQL statements for chat turns and callbacks: a few, however many runs there are."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from jikko.ports.stores.messages import MessageAnswer
from jikko.ports.stores.run_store import Append, CallbackRequest, KeyClaim, TurnBegan, TurnChanged, VariablesAssigned
from jikko.store.postgres.conversation_store import PostgresConversationStore
from jikko.store.postgres.runs.run_store import PostgresRunStore
from tests.contract.conversations import conversation, message, variable
from tests.contract.runs import Draft, finished, node, started
from tests.store.postgres_server import new_database

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]

TURNS = 40


@pytest.fixture
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[tuple[PostgresRunStore, PostgresConversationStore]]:
    async with new_database(request) as database:
        runs = PostgresRunStore(database)
        yield runs, PostgresConversationStore(database)
        await runs.close()


def begins(run: Draft) -> Append:
    """The first turn of a conversation, with all that may come with one."""
    began = TurnBegan(
        message=message(f"m-{run.id}", f"c-{run.id}", run_id=run.id, files=[{"related_id": f"f-{run.id}"}]),
        new=conversation(f"c-{run.id}"),
        variables=[variable("心"), variable("x")],
    )
    others = KeyClaim(key=run.id, fingerprint=b"", at=1.0), CallbackRequest(url="https://example.com/")
    return msgspec.structs.replace(run.step(started()), projections=[*others, began])


def ends(run: Draft) -> Append:
    changed = TurnChanged(answer=MessageAnswer(text=run.id, files=[{"related_id": f"made-{run.id}"}]))
    assigned = VariablesAssigned(values={"x": run.id, "心": 1}, at=1001.0)
    return msgspec.structs.replace(run.step(*node(), finished()), projections=[assigned, changed])


async def test_many_turns_share_a_few_statements(
    stores: tuple[PostgresRunStore, PostgresConversationStore],
) -> None:
    store, conversations = stores
    first, statements = Draft(), list[str]()
    # A connection asks what types are when it first sees them.
    for append in (begins(first), ends(first)):
        await store.append(append)
    connection = await store._writer._connected()
    connection.add_query_logger(lambda query: statements.append(query.query))
    runs = [Draft() for _ in range(TURNS)]

    await asyncio.gather(*(store.append(begins(run)) for run in runs))
    # Keys, rows of runs, callbacks, conversations, messages, keys that are forgotten, and the transaction.
    assert len(statements) <= 8
    statements.clear()
    await asyncio.gather(*(store.append(ends(run)) for run in runs))
    assert len(statements) <= 4

    for run in runs:
        found = await conversations.message_of_run(run.id)
        assert found is not None
        assert found.answer.text == run.id
        assert {one.name: one.value for one in await conversations.variables(f"c-{run.id}")} == {"心": 1, "x": run.id}
