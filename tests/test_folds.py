"""Every event is handled by each fold over the log, or deliberately left out: this table lists which."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_args

import pytest

import jikko
from jikko.events import Event, NodeEvent

ALL: Final = {kind.__name__: kind for kind in get_args(Event)}
OF_NODES: Final = {name for name, kind in ALL.items() if issubclass(kind, NodeEvent)}

LEFT_OUT: Final[Mapping[str, str]] = {
    "record.py": "AgentLogged NodeAttempted NodeFinished NodeStarted ContainerStarted ReasoningChunk RoundFinished "
    "RoundStarted RunBegan RunParked RunRetried StepRecorded TextChunk TextReplaced UnknownEvent",
    "engine/state.py": "AgentLogged ReasoningChunk RunRetried UnknownEvent",
    "engine/retry_log.py": "AgentLogged FormClosed FormRequested RunBegan RunFinished RunParked RunPaused RunRecovered "
    "RunResumed StepRecorded TextReplaced UnknownEvent",
    "runs/run_memory.py": "NodeAttempted RunFinished RunParked RunPaused RunRecovered RunResumed RunRetried "
    "UnknownEvent",
    "runs/turn_fold.py": "ContainerStarted NodeStarted ReasoningChunk RoundFinished RoundStarted RunBegan RunParked "
    "RunRecovered StepRecorded UnknownEvent",
    "runs/activity.py": "AgentLogged ContainerStarted FormClosed FormRequested NodeAttempted ReasoningChunk "
    "RoundFinished RoundStarted StepRecorded TextReplaced UnknownEvent",
    "runs/reading/node_executions.py": "AgentLogged FormClosed ReasoningChunk RoundFinished RoundStarted RunBegan "
    "RunFinished RunParked RunPaused RunRecovered RunResumed RunRetried RunStarted StepRecorded TextChunk TextReplaced "
    "UnknownEvent",
    "dify/dify_events.py": "RunBegan RunParked RunPaused RunRecovered RunResumed RunRetried StepRecorded UnknownEvent",
    "dify/turn_events.py": "AgentLogged ContainerStarted FormClosed NodeAttempted NodeStarted RoundFinished "
    "RoundStarted RunBegan RunParked RunPaused RunRecovered RunResumed RunRetried StepRecorded UnknownEvent",
    "observing/traces/spans.py": "AgentLogged ContainerStarted FormClosed FormRequested NodeStarted ReasoningChunk "
    "RoundFinished RoundStarted RunBegan StepRecorded TextChunk TextReplaced UnknownEvent",
    "cli/running/run_progress.py": "AgentLogged FormClosed ReasoningChunk RoundStarted RunBegan RunParked RunRecovered "
    "RunRetried StepRecorded TextReplaced UnknownEvent",
}


@pytest.mark.parametrize("fold", LEFT_OUT)
def test_each_event_is_folded_or_left_out_on_purpose(fold: str) -> None:
    tree = ast.parse((Path(jikko.__file__).parent / fold).read_text(encoding="utf-8"))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "jikko.events"
        for alias in node.names
    }
    folded = imported & set(ALL) | (OF_NODES if "NodeEvent" in imported else set())
    left_out = set(LEFT_OUT[fold].split())

    assert folded | left_out == set(ALL), "an event is neither folded nor left out"
    assert not folded & left_out, "an event is left out that is folded"
