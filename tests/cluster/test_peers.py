"""How one of several processes reaches the others: here the test sits at the other end of its line."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from jikko.cluster.messages import SUPERVISOR, Ask, Gone, Grown, HandIn, Line, Message, Question, Reply, Stop, Take
from jikko.cluster.peers import Alone, PeersOverLine
from jikko.events import FormClosed
from jikko.ports.peers import HolderGone
from jikko.record import RunOwner, RunRecord
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


def run(holder: str = "s/1") -> RunRecord:
    owner = RunOwner(run_id="r", task_id="t", app_id="a", workflow_id="w", version="v", end_user_id="e", user="someone")
    return RunRecord(owner=owner, holder=holder)


def closed(data: str) -> FormClosed:
    return FormClosed(
        at=1.0,
        execution_id="x",
        node_id="n",
        title="t",
        form_id="f",
        action_id="yes",
        rendered_content=data,
        data={"comment": data},
        expiration_time=2,
    )


class Other:
    """The other end of a worker's line."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.messages = line.messages()
        self.asked: list[Question] = []

    async def hear(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            return await anext(self.messages)

    async def question(self) -> Ask:
        message = await self.hear()
        assert isinstance(message, Ask)
        return message

    async def reply(self, answer: int | None) -> Ask:
        """Answer the next question."""
        ask = await self.question()
        self.line.send(Reply(to=ask.sender, number=ask.number, answer=answer))
        return ask

    async def handle(self, question: Question) -> int | None:
        """What the worker does when it is asked."""
        self.asked.append(question)
        match question:
            case Stop(run_id="here"):
                return True
            case Stop(run_id="broken"):
                raise RuntimeError("broken")
            case _:
                return None


Pair = tuple[PeersOverLine, Other]


@asynccontextmanager
async def connected(**options: float) -> AsyncIterator[Pair]:
    one, two = socket.socketpair()
    line = await Line.open(one)
    other = Other(await Line.open(two))
    peers = PeersOverLine("s/0", line, 2, **options)

    async def obey() -> None:
        async for message in line.messages():
            assert isinstance(message, Ask | Reply | Gone)
            peers.heard(message, other.handle)
        peers.hung_up()

    obeying = asyncio.get_running_loop().create_task(obey())
    yield peers, other
    other.line.close()
    obeying.cancel()
    with suppress(asyncio.CancelledError):
        await obeying
    line.close()


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with connected() as pair:
        yield pair


@pytest.mark.parametrize(("answer", "stopped"), [(1, True), (0, False)])
async def test_the_holder_stops_a_run(pair: Pair, answer: int, stopped: bool) -> None:
    peers, other = pair
    stopping = asyncio.ensure_future(peers.stop(run(), "stopped by 田中"))

    ask = await other.reply(answer)

    assert (ask.to, ask.sender) == ("s/1", "s/0")
    assert ask.question == Stop(run_id="r", error="stopped by 田中")
    assert await stopping is stopped


@pytest.mark.parametrize("text", ["良い 🙂\n\u2028", "x" * 1_000_000, ""])
async def test_a_form_reaches_the_holder_as_it_was_filled_in(pair: Pair, text: str) -> None:
    peers, other = pair
    answering = asyncio.ensure_future(peers.answer(run(), closed(text)))

    ask = await other.reply(1)

    assert ask.question == HandIn(run_id="r", closed=closed(text))
    assert await answering is True


async def test_answers_come_in_any_order(pair: Pair) -> None:
    peers, other = pair
    first, second = (asyncio.ensure_future(peers.stop(run(), error)) for error in ("first", "second"))
    asks = [await other.question(), await other.question()]

    for ask in reversed(asks):
        assert isinstance(ask.question, Stop)
        other.line.send(Reply(to="s/0", number=ask.number, answer=int(ask.question.error == "first")))

    assert (await first, await second) == (True, False)


@pytest.mark.parametrize("holder", ["", "s/0"])
async def test_a_run_that_nobody_else_holds_is_gone(pair: Pair, holder: str) -> None:
    with pytest.raises(HolderGone):
        await pair[0].stop(run(holder), "stop")


async def test_a_run_that_is_not_where_its_record_says_is_gone(pair: Pair) -> None:
    peers, other = pair
    stopping = asyncio.ensure_future(peers.stop(run(), "stop"))
    await other.reply(None)

    with pytest.raises(HolderGone):
        await stopping


async def test_a_holder_that_dies_before_it_answers_is_gone(pair: Pair) -> None:
    peers, other = pair
    stopping = asyncio.ensure_future(peers.stop(run("s/1"), "stop"))
    elsewhere = asyncio.ensure_future(peers.stop(run("s/2"), "stop"))
    asks = [await other.question(), await other.question()]

    other.line.send(Gone("s/1"))
    other.line.send(Reply(to="s/0", number=asks[1].number, answer=1))

    with pytest.raises(HolderGone):
        await stopping
    assert await elsewhere is True


async def test_when_the_line_breaks_nobody_waits_for_ever(pair: Pair) -> None:
    peers, other = pair
    stopping = asyncio.ensure_future(peers.stop(run(), "stop"))
    await other.question()

    other.line.close()

    with pytest.raises(HolderGone):
        await stopping
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(HolderGone):
            await peers.stop(run(), "again")
        await peers.grown(run(), 7, 60.0)


async def test_when_the_line_breaks_requests_are_let_through(pair: Pair) -> None:
    peers, other = pair
    taking = asyncio.ensure_future(peers.take(b"key"))
    await other.question()

    other.line.close()

    async with asyncio.timeout(PATIENCE):
        assert await taking == 0
        assert await peers.take(b"key") == 0


async def test_a_holder_that_never_answers_is_gone() -> None:
    async with connected(patience=0.01) as (peers, _), asyncio.timeout(PATIENCE):
        with pytest.raises(HolderGone):
            await peers.stop(run(), "stop")
        with pytest.raises(HolderGone):
            await peers.answer(run(), closed("yes"))
        assert await peers.take(b"key") == 0


async def test_whoever_follows_a_run_of_a_holder_that_never_answers_looks_again() -> None:
    async with connected(patience=3600.0) as (peers, other), asyncio.timeout(PATIENCE):
        looking = asyncio.ensure_future(peers.grown(run(), 7, 0.01))
        ask = await other.question()
        await looking

        assert (ask.to, ask.question) == ("s/1", Grown(run_id="r", count=7, seconds=0.01))
        # Its answer, come too late, is that of no other question.
        other.line.send(Reply(to="s/0", number=ask.number, answer=1))
        stopping = asyncio.ensure_future(peers.stop(run(), "stop"))
        await other.reply(0)
        assert await stopping is False


async def test_whoever_follows_a_run_is_told_when_it_has_grown(pair: Pair) -> None:
    peers, other = pair
    waiting = asyncio.ensure_future(peers.grown(run(), 7, 60.0))

    ask = await other.reply(1)
    await waiting

    assert ask.question == Grown(run_id="r", count=7, seconds=60.0)


@pytest.mark.parametrize("holder", ["", "s/0"])
async def test_whoever_follows_a_run_that_is_nowhere_looks_again_after_a_while_and_asks_nobody(
    pair: Pair, holder: str
) -> None:
    peers, other = pair
    clock = asyncio.get_running_loop().time
    for each in (peers, Alone()):
        began = clock()
        async with asyncio.timeout(PATIENCE):
            await each.grown(run(holder), 7, 3600.0)
        assert clock() - began > 0.05, "nobody tells of it: who looks without a rest keeps the process busy"

    stopping = asyncio.ensure_future(peers.stop(run(), "the first question"))
    assert (await other.reply(1)).question == Stop(run_id="r", error="the first question")
    assert await stopping is True


async def test_requests_of_a_key_are_counted_by_the_supervisor(pair: Pair) -> None:
    peers, other = pair
    taking = asyncio.ensure_future(peers.take(b"\x00\xffkey"))

    ask = await other.reply(17)

    assert (ask.to, ask.question) == (SUPERVISOR, Take(key=b"\x00\xffkey"))
    assert await taking == 17


@pytest.mark.parametrize(("run_id", "answer"), [("here", 1), ("elsewhere", None), ("broken", None)])
async def test_questions_of_others_are_answered(pair: Pair, run_id: str, answer: int | None) -> None:
    _, other = pair
    question = Stop(run_id=run_id, error="stop")
    other.line.send(Ask(to="s/0", sender="s/9", number=3, question=question))

    assert await other.hear() == Reply(to="s/9", number=3, answer=answer)
    assert other.asked == [question]


async def test_an_answer_that_nobody_waits_for_any_more_changes_nothing(pair: Pair) -> None:
    peers, other = pair
    stopping = asyncio.ensure_future(peers.stop(run(), "stop"))
    ask = await other.question()
    stopping.cancel()
    other.line.send(Reply(to="s/0", number=ask.number, answer=1))
    again = asyncio.ensure_future(peers.stop(run(), "again"))

    await other.reply(1)

    assert await again is True


async def test_one_that_is_alone_has_nobody_to_ask() -> None:
    assert await Alone().stop(run(), "stop") is False
    assert await Alone().answer(run(), closed("")) is False
