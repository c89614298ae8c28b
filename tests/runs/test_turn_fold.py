"""The answer to a message, as a fold over the log of its run."""

from typing import Any

from jikko.events import (
    Event,
    NodeAttempted,
    NodeFinished,
    RunFinished,
    RunPaused,
    RunResumed,
    RunRetried,
    RunStarted,
    TextChunk,
    TextReplaced,
    Turn,
    Update,
    Usage,
)
from jikko.ports.stores.messages import MessageAnswer
from jikko.ports.stores.run_store import TurnChanged, VariablesAssigned
from jikko.runs.turn_fold import TurnFold

TURN = Turn("c", "m", streamed=True, cites=True)
USAGE = Usage(
    total_tokens=12,
    prompt_tokens=7,
    completion_tokens=5,
    total_price="0.3",
    prompt_price="0.1",
    completion_price="0.2",
    prompt_unit_price="1.5",
    completion_unit_price="2",
    latency=0.5,
)


def started(**turn: Any) -> RunStarted:
    return RunStarted(at=10.0, inputs={}, system={}, turn=Turn("c", "m", **turn) if turn else TURN)


def text(shown: str, at: float = 11.0) -> TextChunk:
    return TextChunk(at=at, text=shown, selector=("n", "text"))


def node(kind: str = "answer", at: float = 12.0, **more: Any) -> NodeFinished:
    return NodeFinished(
        at=at,
        execution_id="e",
        node_id="n",
        node_type=kind,
        index=1,
        started_at=at,
        elapsed=0.1,
        status="succeeded",
        **more,
    )


def end(status: Any = "succeeded", error: str | None = None) -> RunFinished:
    return RunFinished(at=13.0, status=status, error=error, elapsed=3.0)


def answer_of(*events: Event) -> MessageAnswer:
    fold = TurnFold.of([started(), *events])
    assert fold is not None
    return fold.answer()


def test_a_run_that_answers_no_message_has_none() -> None:
    assert TurnFold.of([RunStarted(at=1.0, inputs={}, system={})]) is None
    assert TurnFold.of([]) is None


def test_the_answer_is_the_text_that_was_shown() -> None:
    assert answer_of(text("山"), text(""), text(" 🗻"), end()).text == "山 🗻"
    assert answer_of(text("山"), TextReplaced(at=1.0, text="川"), text("!"), end()).text == "川!"


def test_it_is_empty_while_it_is_given_and_if_it_fails_and_kept_if_it_is_stopped() -> None:
    assert answer_of(text("a")) == MessageAnswer()
    failed = answer_of(text("a"), end("failed", "it broke"))
    assert (failed.status, failed.text, failed.error) == ("error", "", "Run failed: it broke")
    stopped = answer_of(text("a"), end("stopped", "by anna"))
    assert (stopped.status, stopped.text, stopped.error) == ("normal", "a", None)
    assert answer_of(text("a"), end("partial-succeeded")).text == "a"


def test_a_pause_shows_what_was_said_if_it_was_streamed() -> None:
    pause = RunPaused(at=12.0, paused_nodes=["f"], elapsed=2.0)

    assert answer_of(text("a"), pause) == MessageAnswer(status="paused", text="a")
    assert answer_of(text("a"), pause, RunResumed(at=13.0)) == MessageAnswer()
    blocking = TurnFold.of([started(streamed=False, cites=False), text("a"), pause])
    assert blocking is not None
    assert blocking.answer() == MessageAnswer()


def test_usage_is_that_of_all_calls_failed_attempts_among_them() -> None:
    attempt = NodeAttempted(
        at=11.0, execution_id="e", node_id="n", node_type="llm", index=1, started_at=11.0, elapsed=0.1, attempt=1,
        error="x", usage=USAGE,
    )  # fmt: skip
    usage = answer_of(text("a", 11.25), attempt, node("llm", usage=USAGE), text("b", 12.5), end()).metadata.usage

    assert usage == {
        "prompt_tokens": 14,
        "prompt_unit_price": "1.5",
        "prompt_price_unit": "0.000001",
        "prompt_price": "0.2",
        "completion_tokens": 10,
        "completion_unit_price": "2.0",
        "completion_price_unit": "0.000001",
        "completion_price": "0.4",
        "total_tokens": 24,
        "total_price": "0.6",
        "currency": "USD",
        "latency": 1.0,
        "time_to_first_token": 1.25,
        "time_to_generate": 1.25,
    }


def test_without_a_model_nothing_was_used() -> None:
    usage = answer_of(end()).metadata.usage

    assert usage is not None
    assert (usage["total_tokens"], usage["total_price"], usage["prompt_price_unit"]) == (0, "0.0", "0.0")
    assert usage["time_to_first_token"] is None


def test_passages_are_numbered_one_a_document_if_they_are_to_be_told() -> None:
    one, two = {"dataset_id": "d", "document_id": "1", "score": 1}, {"dataset_id": "d", "document_id": "2"}
    events: list[Event] = [node("llm", resources=({**one, "position": 7}, two)), node("llm", resources=(one,)), end()]

    found = answer_of(*events).metadata.retriever_resources
    assert [(entry["document_id"], entry["position"]) for entry in found] == [("1", 1), ("2", 2)]
    silent = TurnFold.of([started(streamed=True, cites=False), *events])
    assert silent is not None
    assert silent.answer().metadata.retriever_resources == []


def test_passages_of_an_app_without_a_workflow_are_all_numbered_and_told_as_the_api_tells_them() -> None:
    own = {"document_id": "1", "content": "円", "hit_count": 3, "summary": "s", "doc_metadata": {"by": "渡辺"}}
    other = {"document_id": "2", "content": "x", "data_source_type": "external", "doc_metadata": {"by": "y"}}
    found = {**own, "position": 7, "retriever_from": "workflow"}
    fold = TurnFold.of([started(mode="chat", cites=True), node("llm", resources=(found, other, own)), end()])
    assert fold is not None

    first, second, third = fold.answer().metadata.retriever_resources

    counts = ("hit_count", "word_count", "segment_position", "index_node_hash", "page", "title", "files", "summary")
    assert first == {**own, **dict.fromkeys(counts), "position": 1, "retriever_from": "api"}
    assert second == {**other, **dict.fromkeys(counts), "doc_metadata": None, "position": 2, "retriever_from": "api"}
    assert third == {**first, "position": 3}


def test_files_and_reasoning_come_from_the_nodes_that_answer() -> None:
    file = {"dify_model_identity": "__dify__file__", "related_id": "f", "type": "image"}
    events: list[Event] = [
        node("code", outputs={"x": {**file, "related_id": "other"}}),
        node("llm", outputs={"files": [file], "reasoning_content": "うーん"}),
        node("llm", outputs={"reasoning_content": "そう"}),
        node("answer", outputs={"files": [file]}),
        end(),
    ]

    answer = answer_of(*events)
    assert answer.files == [file]
    assert answer.metadata.reasoning == {"n": "うーんそう"}


def test_what_is_written_follows_from_the_events_of_each_append() -> None:
    fold = TurnFold(started(), TURN)
    assigned = [Update(("conversation", "a"), 1), Update(("loop", "a"), 2), Update(("conversation", "a"), 3)]

    assert fold.follow([started(), text("a")]) == []
    assert fold.follow([node("assigner", updates=tuple(assigned))]) == [VariablesAssigned(values={"a": 3}, at=12.0)]
    [changed] = fold.follow([text("b"), end()])
    assert isinstance(changed, TurnChanged)
    assert changed.answer.text == "ab"


def test_what_another_run_assigned_is_not_written_again() -> None:
    fold = TurnFold(started(), TURN, is_retry=True)
    taken = node("assigner", updates=(Update(("conversation", "a"), 1),))
    retried = RunRetried(at=12.0, run_id="r", from_nodes=["n"])

    assert fold.follow([started(), text("a"), taken, retried]) == [TurnChanged(answer=MessageAnswer())]
    own = node("assigner", updates=(Update(("conversation", "b"), 2),))
    assert fold.follow([own]) == [VariablesAssigned(values={"b": 2}, at=12.0)]
    assert fold.text == "a"


def test_what_moderation_put_in_the_place_of_an_agents_answer_stays() -> None:
    fold = TurnFold(started(mode="agent-chat"), Turn("c", "m", mode="agent-chat"))
    for event in (
        text("forbidden"),
        TextReplaced(at=11.5, text="お答えできません", reason="output_moderation"),
        node("agent", outputs={"answer": "forbidden"}),
        end(),
    ):
        fold.apply(event)

    assert fold.answer().text == "お答えできません"
