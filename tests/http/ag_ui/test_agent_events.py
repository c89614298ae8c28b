"""Run log as AG-UI events: traces of agents, moderation and faults."""

from typing import Any

from jikko.events import (
    AgentLogged,
    Event,
    FormRequested,
    NodeFinished,
    NodeStarted,
    RunFinished,
    RunPaused,
    RunStarted,
    TextChunk,
    TextReplaced,
    Turn,
)
from jikko.http.ag_ui.agent_events import AgentEvents
from jikko.http.questions.answer_text import AnswerText

BEGAN = RunStarted(at=0, inputs={}, system={}, turn=Turn("c", "m", mode="advanced-chat"))
END = RunFinished(at=9, status="succeeded", elapsed=9)


def told(*log: Event, mode: str = "advanced-chat") -> list[dict[str, Any]]:
    """The events of a log, behind that of the start."""
    asked = {"id": "q", "role": "user", "content": "何?"}
    events = AgentEvents(AnswerText("run", 0, ""), mode, "t", "r", [asked])
    return [one for event in (BEGAN, *log) for one in events.of(event)]


def says(text: str) -> TextChunk:
    return TextChunk(at=1, text=text, selector=("llm", "text"))


def logs(entry_id: str, label: str, status: Any = "success", **data: Any) -> AgentLogged:
    return AgentLogged(at=1, execution_id="e", node_id="n", entry_id=entry_id, label=label, status=status, data=data)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def test_a_call_of_an_agent_node_is_told_when_it_begins_and_when_it_is_answered() -> None:
    answer = {"tool_call_input": {"町": "東京"}, "tool_response": "晴れ ☀"}

    events = told(says("調べます"), logs("1", "CALL weather", "start"), logs("1", "CALL weather", output=answer), END)

    assert kinds(events)[2:7] == [
        "TEXT_MESSAGE_END",
        "TOOL_CALL_START",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "TOOL_CALL_RESULT",
    ]
    assert (events[3]["toolCallName"], events[4]["delta"]) == ("weather", '{"町": "東京"}')
    assert (events[6]["toolCallId"], events[6]["content"]) == ("1", "晴れ ☀")


def test_the_calls_of_a_round_of_an_apps_agent_are_told_one_by_one_and_once() -> None:
    asked: dict[str, Any] = {"position": 1, "tool": "a;b", "tool_input": '{"a": {"x": 1}, "b": {}}'}
    answered = asked | {"observation": '{"a": "1", "b": {"y": 2}}'}

    events = told(logs("1", "ROUND 1", "start", **asked), logs("1", "ROUND 1", **answered), END, mode="agent-chat")

    started = [(event["toolCallId"], event["toolCallName"]) for event in events if event["type"] == "TOOL_CALL_START"]
    results = [(event["toolCallId"], event["content"]) for event in events if event["type"] == "TOOL_CALL_RESULT"]
    assert started == [("1-0", "a"), ("1-1", "b")]
    assert results == [("1-0", "1"), ("1-1", '{\n  "y": 2\n}')] or results[0] == ("1-0", "1")
    assert len(told(*[logs("1", "ROUND 1", **answered)] * 2, END)) == len(told(logs("1", "ROUND 1", **answered), END))


def test_a_call_without_an_answer_is_closed_with_the_run() -> None:
    events = told(logs("1", "CALL weather", "start"), RunFinished(at=9, status="stopped", elapsed=9))

    assert kinds(events) == [
        "TOOL_CALL_START",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "TOOL_CALL_RESULT",
        "RUN_FINISHED",
    ]


def test_text_that_is_taken_back_is_replaced_among_the_messages() -> None:
    events = told(
        says("秘"),
        logs("1", "CALL x", output={"tool_response": "y"}),
        says("密"),
        TextReplaced(at=2, text="…", reason="output_moderation"),
        END,
    )

    [snapshot] = [event for event in events if event["type"] == "MESSAGES_SNAPSHOT"]
    assert [message["role"] for message in snapshot["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert snapshot["messages"][-1]["content"] == "…"
    behind = kinds(events)[kinds(events).index("MESSAGES_SNAPSHOT") :]
    assert behind == ["MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START", "TEXT_MESSAGE_END", "RUN_FINISHED"]


def test_text_behind_a_fault_goes_on_in_the_message_that_replaces_what_was_said() -> None:
    events = told(says("old"), TextReplaced(at=2, text="ne"), says("w"), END)

    [snapshot] = [event for event in events if event["type"] == "MESSAGES_SNAPSHOT"]
    assert events[-3] == {"type": "TEXT_MESSAGE_CONTENT", "messageId": snapshot["messages"][-1]["id"], "delta": "w"}


def test_steps_of_one_name_at_once_have_names_of_their_own_and_a_node_that_runs_again_is_one_step() -> None:
    def begun(execution: str) -> NodeStarted:
        return NodeStarted(at=1, execution_id=execution, node_id="n", node_type="code", title="仕事", index=1)

    done = NodeFinished(
        at=2,
        execution_id="1",
        node_id="n",
        node_type="code",
        title="仕事",
        index=1,
        started_at=1,
        elapsed=1,
        status="succeeded",
    )
    events = told(begun("1"), begun("2"), begun("1"), done, begun("3"), END)

    assert [(event["type"], event.get("stepName")) for event in events[:-1]] == [
        ("STEP_STARTED", "仕事"),
        ("STEP_STARTED", "仕事 (2)"),
        ("STEP_FINISHED", "仕事"),
        ("STEP_STARTED", "仕事"),
        ("STEP_FINISHED", "仕事 (2)"),
        ("STEP_FINISHED", "仕事"),
    ]


def test_a_form_that_waits_longer_than_there_are_dates_has_the_last_one() -> None:
    form: dict[str, Any] = {"form_content": "承認 🙂", "form_token": "t", "inputs": [], "actions": []}
    asked = FormRequested(
        at=1, execution_id="e", node_id="n", title="t", form_id="f", form=form, expires_at=8_760_000 * 86_400.0
    )

    *_, end = told(asked, RunPaused(at=2, paused_nodes=["n"], elapsed=1))

    [interrupt] = end["outcome"]["interrupts"]
    assert interrupt["expiresAt"] == "9999-12-31T00:00:00+00:00"
