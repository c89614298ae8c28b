"""Contract of ``ConversationStore``."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from jikko.events import FormClosed, FormRequested
from jikko.ports.stores.messages import (
    AnnotationReply,
    ConversationQuery,
    MessageAnswer,
    MessageMetadata,
    Order,
    TurnForm,
)
from jikko.ports.stores.run_store import TurnBegan
from jikko.repositories.conversation_store import ConversationStore
from jikko.store.postgres.conversation_store import PostgresConversationStore
from jikko.store.sqlite import Database
from jikko.store.sqlite.conversation_store import SqliteConversationStore
from tests.store.postgres_server import POSTGRES, new_database

from .conversations import conversation, feedback, message, variable
from .runs import APP, OTHER_APP

pytestmark = pytest.mark.anyio

ANNA, BERTA = "id of anna", "id of berta"
FORM = FormRequested(
    at=1.0, execution_id="e", node_id="n", title="承認 ✅", form_id="f", form={"form_token": "t"}, source="{{#a#}}"
)
CLOSED = FormClosed(
    at=2.0, execution_id="e", node_id="n", title="承認 ✅", form_id="f", action_id="はい", data={"x": 1}
)


@pytest.fixture(params=["sqlite", POSTGRES])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ConversationStore]:
    if request.param == "postgres":
        async with new_database(request) as postgres:
            yield PostgresConversationStore(postgres)
    else:
        database = Database.open(tmp_path / "jikko.db")
        yield SqliteConversationStore(database)
        await database.finish()


async def add_messages(store: ConversationStore, id_: str, *messages: str, at: float = 1000.0) -> None:
    """A conversation with these messages, a second apart."""
    for count, one in enumerate(messages or (f"{id_}-1",)):
        new = conversation(id_, at=at) if count == 0 else None
        await store.add_turn(message(one, id_, at=at + count), new)


async def test_a_first_turn_makes_its_conversation(store: ConversationStore) -> None:
    first = message("m1", "c", answer=MessageAnswer(text="はい"), files=[{"related_id": "f1", "名": "\ue000"}])
    await store.add_turn(first, conversation("c"), [variable("b", [1, None]), variable("a", "🙂")])

    opened = await store.opened(APP, ANNA, "C")

    assert opened is not None
    assert opened.conversation == replace(conversation("c"), turns=1)
    assert list(opened.variables) == [variable("b", [1, None]), variable("a", "🙂")]
    assert await store.messages("c") == [first]
    assert await store.message(APP, ANNA, "M1") == first


async def test_all_of_an_answer_is_kept(store: ConversationStore) -> None:
    answer = MessageAnswer(
        status="error",
        text="い" * 500_000,
        error="Run failed: 🙁",
        files=[{"related_id": "x"}],
        metadata=MessageMetadata(
            usage={"total_tokens": 3},
            annotation_reply=AnnotationReply(id="a", account_name="山田"),
            retriever_resources=[{"position": 1}],
            reasoning={"llm": "うーん"},
        ),
        forms=[TurnForm(requested=FORM), TurnForm(requested=FORM, closed=CLOSED)],
    )
    whole = message("m", "c", run_id="r", answer=answer)
    await store.add_turn(whole, conversation("c"))

    assert await store.message_of_run("R") == whole
    assert await store.message_of_run("other") is None


async def test_a_later_turn_counts_and_is_the_last_update(store: ConversationStore) -> None:
    await add_messages(store, "c", "m1", "m2", "m3")

    found = await store.conversation(APP, ANNA, "c")

    assert found is not None
    assert (found.turns, found.created_at, found.updated_at) == (3, 1000.0, 1002.0)


async def test_a_turn_that_is_written_late_counts_and_sets_no_time_back(store: ConversationStore) -> None:
    await store.add_turn(message("m1", "c"), conversation("c"))
    await store.add_turn(message("m2", "c", at=1009.0))

    await store.add_turn(message("m3", "c", at=1005.0))

    found = await store.conversation(APP, ANNA, "c")
    assert found is not None
    assert (found.turns, found.updated_at) == (3, 1009.0)


async def test_a_turn_of_a_conversation_that_is_gone_is_not_kept(store: ConversationStore) -> None:
    await add_messages(store, "c", "m1")
    assert await store.delete(APP, ANNA, "c")

    await store.add_turn(message("m2", "c"), None, [variable("a")])

    assert await store.conversation(APP, ANNA, "c") is None
    assert await store.message(APP, ANNA, "m2") is None
    assert await store.variables("c") == []


async def test_variables_keep_their_values_when_a_turn_brings_them_again(store: ConversationStore) -> None:
    await store.add_turn(message("m1", "c"), conversation("c"), [variable("a", 1)])

    await store.add_turn(message("m2", "c"), None, [variable("a", 2), variable("new", 3, at=1005.0)])

    assert await store.variables("c") == [variable("a", 1), variable("new", 3, at=1005.0)]


async def test_nothing_is_found_for_another_end_user_or_app(store: ConversationStore) -> None:
    await add_messages(store, "c", "m")

    for app, user in ((APP, BERTA), (OTHER_APP, ANNA)):
        assert await store.opened(app, user, "c") is None
        assert await store.conversation(app, user, "c") is None
        assert await store.message(app, user, "m") is None
        assert await store.conversations(ConversationQuery(app_id=app, end_user_id=user)) == []
        assert not await store.delete(app, user, "c")
        assert await store.delete_all(app, user) == 0
    assert await store.rename(OTHER_APP, "c", "x") is None
    assert await store.message(APP, ANNA, "m") is not None


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("created_at", ["a", "b", "c", "d"]),
        ("-created_at", ["d", "c", "b", "a"]),
        ("updated_at", ["b", "c", "d", "a"]),
        ("-updated_at", ["a", "d", "c", "b"]),
    ],
)
async def test_conversations_are_listed_in_order_page_by_page(
    store: ConversationStore, order: Order, expected: list[str]
) -> None:
    await add_messages(store, "a", "a1", at=1000.0)
    for name in "bcd":  # of one moment
        await add_messages(store, name, at=1001.0)
    await store.add_turn(message("a2", "a", at=1050.0))
    await store.add_turn(message("x", "x", user="berta"), conversation("x", user="berta"))

    def query(after: str | None) -> ConversationQuery:
        return ConversationQuery(app_id=APP, end_user_id=ANNA, order=order, after=after, limit=3)

    pages, after = [], None
    while page := await store.conversations(query(after)):
        pages.append([found.id for found in page])
        after = page[-1].id.upper()

    assert pages == [expected[:3], expected[3:]]
    assert await store.conversations(query("nowhere")) is None
    assert await store.conversations(query("x")) is None


async def test_a_name_can_be_given_at_any_time_and_is_due_once(store: ConversationStore) -> None:
    for id_ in ("c", "d"):
        await store.add_turn(message(f"m-{id_}", id_), conversation(id_, title_due=True))
    assert [found.id for found in await store.untitled()] == ["c", "d"]
    assert [found.id for found in await store.untitled(limit=1)] == ["c"]

    made = await store.rename(APP, "c", "題 🙂", only_if_due=True)

    assert made is not None
    assert (made.name, made.title_due, made.updated_at) == ("題 🙂", False, 1000.0)
    assert await store.rename(APP, "c", "late", only_if_due=True) is None
    changed = await store.rename(APP, "C", "own", at=1005.0)
    assert changed is not None
    assert (changed.name, changed.updated_at) == ("own", 1005.0)
    assert await store.conversation(APP, ANNA, "c") == changed
    assert await store.rename(APP, "nowhere", "x") is None
    assert [found.id for found in await store.untitled()] == ["d"]


async def test_messages_are_read_backwards(store: ConversationStore) -> None:
    names = [f"m{count}" for count in range(5)]
    await add_messages(store, "c", *names)
    await add_messages(store, "d", "other")

    async def page(before: str | None, limit: int = 2) -> list[str] | None:
        found = await store.messages("c", before=before, limit=limit)
        return None if found is None else [one.id for one in found]

    first = await store.first_message("C")
    assert first is not None
    assert first.id == "m0"
    assert await store.first_message("nowhere") is None
    assert await page(None) == ["m4", "m3"]
    assert await page("M3") == ["m2", "m1"]
    assert await page("m1") == ["m0"]
    assert await page("m0") == []
    assert await page(None, 100) == names[::-1]
    assert await page("other") is None
    assert await page("nowhere") is None
    assert await store.messages("nowhere") == []


async def test_messages_of_one_moment_come_in_the_order_in_which_they_were_made(store: ConversationStore) -> None:
    for count, name in enumerate(("z", "a", "m")):
        await store.add_turn(message(name, "c", at=1000.0), conversation("c") if count == 0 else None)

    found = await store.messages("c")

    assert [one.id for one in found or []] == ["m", "a", "z"]


async def test_a_conversation_goes_with_all_that_is_its(store: ConversationStore) -> None:
    await add_messages(store, "c", "m1", "m2")
    await add_messages(store, "d", "n1")
    file = [{"related_id": "file"}]
    await store.add_turn(message("m3", "c", run_id="r", files=list(file)), None, [variable("a")])
    for id_, owner in (("m1", "c"), ("n1", "d")):
        await store.rate(feedback(id_, owner))

    assert await store.delete(APP, ANNA, "C")

    assert await store.conversation(APP, ANNA, "c") is None
    assert await store.messages("c") == []
    assert await store.message(APP, ANNA, "m1") is None
    assert await store.message_of_run("r") is None
    assert await store.variables("c") == []
    assert not await store.uses_file(APP, "file")
    assert [found.message_id for found in await store.feedbacks(APP)] == ["n1"]
    assert await store.message(APP, ANNA, "n1") is not None
    assert not await store.delete(APP, ANNA, "c")


async def test_all_conversations_of_an_end_user_go_together(store: ConversationStore) -> None:
    await add_messages(store, "c")
    await add_messages(store, "d")
    await store.add_turn(message("x", "x", user="berta"), conversation("x", user="berta"))

    assert await store.delete_all(APP, ANNA) == 2

    assert await store.conversations(ConversationQuery(app_id=APP, end_user_id=ANNA)) == []
    assert await store.conversation(APP, BERTA, "x") is not None


async def test_very_many_conversations_of_an_end_user_are_all_gone(store: ConversationStore) -> None:
    for number in range(101):
        await add_messages(store, f"c{number}")

    assert await store.delete_all(APP, ANNA) == 101
    assert await store.delete_all(APP, ANNA) == 0
    assert await store.conversations(ConversationQuery(app_id=APP, end_user_id=ANNA)) == []


async def test_feedback_takes_the_place_of_what_was(store: ConversationStore) -> None:
    await add_messages(store, "c", "m1", "m2")
    first = feedback("m1", "c", at=1000.0, content="良い")
    await store.rate(first)

    await store.rate(replace(feedback("m1", "c", at=1009.0), rating="dislike"))

    changed = replace(first, rating="dislike", content=None, updated_at=1009.0)
    rated = await store.message(APP, ANNA, "m1")
    assert rated is not None
    assert rated.feedback == changed
    assert [one.feedback for one in await store.messages("c") or []] == [None, changed]
    assert await store.feedbacks(APP) == [changed]
    assert await store.unrate("M1")
    assert not await store.unrate("m1")
    assert await store.feedbacks(APP) == []


async def test_feedback_on_no_message_is_not_kept(store: ConversationStore) -> None:
    await store.rate(feedback("nowhere", "c"))

    assert await store.feedbacks(APP) == []


async def test_feedback_of_an_app_is_listed_newest_first(store: ConversationStore) -> None:
    names = [f"m{count}" for count in range(5)]
    await add_messages(store, "c", *names)
    for count, name in enumerate(names):
        await store.rate(feedback(name, "c", at=1000.0 + count))

    pages = [[found.message_id for found in await store.feedbacks(APP, page=page, limit=2)] for page in (1, 2, 3, 4)]

    assert pages == [["m4", "m3"], ["m2", "m1"], ["m0"], []]
    assert await store.feedbacks(OTHER_APP) == []


async def test_a_variable_can_be_set(store: ConversationStore) -> None:
    await store.add_turn(message("m", "c"), conversation("c"), [variable("a", 1), variable("b", 2)])

    assert await store.set_variable("C", "ID of b", {"値": ["🙂"]}, at=1009.0)

    assert await store.variables("c") == [
        variable("a", 1),
        replace(variable("b", {"値": ["🙂"]}), updated_at=1009.0),
    ]
    assert not await store.set_variable("c", "nowhere", 1, at=1009.0)
    assert not await store.set_variable("nowhere", "id of b", 1, at=1009.0)


async def test_files_of_messages_are_known(store: ConversationStore) -> None:
    await store.add_turn(message("m", "c", files=[{"related_id": "file"}, {"url": "x"}]), conversation("c"))

    made = message("n", "c", answer=MessageAnswer(files=[{"related_id": "made"}]))
    await store.add_turn(made)

    assert await store.uses_file(APP, "FILE")
    assert await store.uses_file(APP, "made")
    assert await store.files() == {"file", "made"}
    assert await store.uses_file(None, "file")
    assert not await store.uses_file(None, "other")
    assert not await store.uses_file(OTHER_APP, "file")
    assert not await store.uses_file(APP, "other")


async def test_old_conversations_can_be_removed(store: ConversationStore) -> None:
    for count in range(4):
        await add_messages(store, f"c{count}", at=1000.0 + count)
    await store.add_turn(
        message("x", "x", app=OTHER_APP, at=1000.0), replace(conversation("x"), app_id=OTHER_APP, updated_at=1000.0)
    )

    assert await store.prune(1003.0, limit=2, app_id=APP) == 2
    assert await store.prune(1003.0, limit=2, app_id=APP) == 1
    assert await store.prune(1003.0) == 1

    left = await store.conversations(ConversationQuery(app_id=APP, end_user_id=ANNA))
    assert [found.id for found in left or []] == ["c3"]


async def test_several_turns_are_kept_together_in_their_order(store: ConversationStore) -> None:
    first = TurnBegan(message=message("m0", "c"), new=conversation("c"))
    turns = [first, *(TurnBegan(message=message(id_, "c")) for id_ in ("m1", "m2"))]

    await store.add_turns(turns)

    assert [each.query for each in await store.messages("c") or ()] == [turn.message.query for turn in turns[::-1]]
    found = await store.conversation(APP, ANNA, "c")
    assert found is not None
    assert found.turns == 3
