"""Test case made from a recorded run: its inputs, the answers of the outside, and its result."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import yaml
from msgspec.structs import replace

from jikko.apps.versions import Workflow
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.fields import problem_at
from jikko.errors import Conflict
from jikko.events import Event, FormClosed, NodeAttempted, NodeFinished, RunFinished, RunRetried, RunStarted
from jikko.ports.stores.run_store import RunStore
from jikko.proving.case_file import CaseFile, FlowCase, NodeMock
from jikko.proving.verdict import CaseResult, NodeNames, started
from jikko.record import RunRecord
from jikko.repositories.conversation_store import ConversationStore
from jikko.values import Json, as_list, encode_json, is_file, stored_files

OUTSIDE: Final = frozenset(
    ("agent", "http-request", "knowledge-retrieval", "llm", "parameter-extractor", "question-classifier", "tool")
)
"""Types of nodes whose answers are recorded; all others really run."""


def recorded_case(
    name: str, events: Sequence[Event], names: NodeNames, files: Mapping[str, str], answer: str | None = None
) -> dict[str, Any]:
    """Return the case in the form of a test file. ``files``: Paths of saved files by id, from the folder of the test
    file. ``answer``: Of a chat."""
    case: dict[str, Any] = {"name": name}
    first = next((event for event in events if isinstance(event, RunStarted)), None)
    if first is not None:
        case["clock"] = datetime.fromtimestamp(first.at, UTC).isoformat(timespec="seconds")
        case["inputs"] = {key: _given(value, files) for key, value in first.inputs.items() if value is not None}
    if mocks := recorded_mocks(events, names):
        case["mocks"] = mocks
    if forms := _forms(events, names, files):
        case["forms"] = forms
    expect = _expected(events, names)
    if first is not None and first.turn is not None:
        expect.pop("outputs", None)
        if answer is not None:
            expect["answer"] = {"equals": answer}
        sent = [_given(file, files) for file in as_list(first.system.get("files"))]
        attached = {"files": [str(path).removeprefix("@") for path in sent if isinstance(path, str)]}
        asked = {"say": str(first.system.get("query") or ""), **(attached if attached["files"] else {})}
        return {**case, "turns": [{**asked, "expect": expect}]}
    return {**case, "expect": expect}


def sensitive_parts(case: Mapping[str, Any]) -> list[str]:
    """Return the parts of a case that may contain personal data."""
    held = [f"input {name}" for name in case.get("inputs", {})]
    held += [f"outputs of {name}" for name in case.get("mocks", {})]
    held += [f"form {name}" for name in case.get("forms", {})]
    return held + ["question and answer"] * ("turns" in case)


def recorded_mocks(events: Iterable[Event], names: NodeNames) -> dict[str, list[dict[str, Any]]]:
    """Return the outside's answers in a run, and given outputs, as mocks by node, in the order of calls."""
    known = list(events)
    given = {node_id for event in known if isinstance(event, RunRetried) for node_id in event.replaced}
    given.update(*(event.mocks for event in known if isinstance(event, RunStarted)))
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for event in known:
        if not isinstance(event, (NodeAttempted, NodeFinished)) or event.node_type == "start":
            continue
        if event.node_type not in OUTSIDE and event.node_id not in given:
            continue
        mock: dict[str, Any]
        if event.error is not None:
            mock = {"error": event.error, "error_type": event.error_type}
        else:
            assert isinstance(event, NodeFinished)
            mock = {"outputs": event.outputs} | ({"branch": event.handle} if event.handle != "source" else {})
        found.setdefault(_called(event.node_id, names), []).append((event.index, mock))
    return {name: [mock for _, mock in sorted(each, key=lambda one: one[0])] for name, each in found.items()}


def _forms(events: Iterable[Event], names: NodeNames, files: Mapping[str, str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for event in events:
        if isinstance(event, FormClosed):
            values = {key: _given(value, files) for key, value in event.data.items()}
            answer = "timeout" if event.action_id is None else {"action": event.action_id, "values": values}
            found.setdefault(_called(event.node_id, names), []).append(answer)
    return found


def _expected(events: Sequence[Event], names: NodeNames) -> dict[str, Any]:
    expect: dict[str, Any] = {"path": [_called(node, names) for node in started(events)]}
    end = events[-1] if events else None
    if isinstance(end, RunFinished):
        expect["status"] = end.status
        if end.error is not None:
            expect["error"] = {"equals": end.error}
        if end.status in ("succeeded", "partial-succeeded"):
            expect["outputs"] = {"equals": end.outputs}
    else:
        expect["status"] = "paused"
    return expect


def _called(node_id: str, names: NodeNames) -> str:
    title = names.title(node_id)
    return title if names.ids(title) == {node_id} else node_id


def _given(value: Json, files: Mapping[str, str]) -> Json:
    if isinstance(value, list):
        given = [_given(each, files) for each in value]
        # A list is a file list if all its texts are paths.
        return given if all(isinstance(each, str) and each.startswith("@") for each in given) else value
    if is_file(value):
        path = files.get(str(value.get("related_id")))
        return value if path is None else f"@{path}"
    return f"@{value}" if isinstance(value, str) and value.startswith("@") else value


RecordedAnswers: TypeAlias = dict[str, dict[str, list[NodeMock]]]
"""By case and node."""


def recordings_beside(path: Path) -> Path:
    """Return the file with a test file's recorded answers."""
    name = path.name.removesuffix(".yml").removesuffix(".yaml").removesuffix(".test")
    return path.with_name(f"{name}.recorded.json")


def is_replayed(case: FlowCase, file: CaseFile) -> bool:
    """Return whether a case is answered from a recording."""
    return (case.outside or file.defaults.outside) == "replay"


def with_answers(path: Path, file: CaseFile, places: Iterable[str]) -> tuple[CaseFile, list[Diagnostic]]:
    """Return the file with recorded answers as mocks, and the cases without any. ``path``: Of the test file.
    ``places``: Paths of its cases."""
    problems, cases = list[Diagnostic](), list[FlowCase]()
    try:
        kept = recorded(path)
    except (OSError, ValueError):
        kept = {}
    for case, where in zip(file.cases, places, strict=True):
        if not is_replayed(case, file):
            cases.append(case)
            continue
        if case.name not in kept:
            what = Phrase("test.no_recording", {"name": repr(case.name), "file": recordings_beside(path).name})
            problems.append(
                problem_at(where, what, Phrase("remedy.record", {"command": f"jikko test --record {path}"}))
            )
            continue
        cases.append(replace(case, outside="refuse", mocks={**kept[case.name], **case.mocks}))
    return file if problems else replace(file, cases=cases), problems


def recorded(path: Path) -> RecordedAnswers:
    """Load a test file's recorded answers; empty if there are none. Raises ``OSError``, ``ValueError`` if the file
    exists and is unreadable."""
    file = recordings_beside(path)
    try:
        return msgspec.json.decode(file.read_bytes(), type=RecordedAnswers) if file.exists() else {}
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None


def kept_answers(
    kept: RecordedAnswers, file: CaseFile, names: NodeNames, results: Iterable[CaseResult]
) -> dict[str, Any]:
    """Return the recorded answers to store: new ones of replayed cases that passed, existing ones of other cases."""
    wanted = {case.name for case in file.cases if is_replayed(case, file)}
    found: dict[str, Any] = {name: each for name, each in kept.items() if name in wanted}
    for result in results:
        if result.name in wanted and result.outcome == "passed":
            answers = found[result.name] = dict[str, list[Mapping[str, Any]]]()
            for run in result.runs:
                for node, mocks in recorded_mocks(run.events, names).items():
                    answers.setdefault(node, []).extend(mocks)
    return found


def encoded(answers: Mapping[str, Any]) -> bytes:
    return (json.dumps(msgspec.to_builtins(answers), ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


_NEVER_ENDS: Final = {
    "stopped": "it was stopped from outside, and no test does that",
    "running": "it has not ended yet",
}
_LONG: Final = 50_000
"""Bytes of JSON."""
SaveFiles: TypeAlias = Callable[[Mapping[str, dict[str, Json]]], Awaitable[Mapping[str, str]]]
"""Saves files of a run, given by id; returns their paths from the folder of the test file."""


def require_testable(record: RunRecord) -> None:
    """Raises ``Conflict`` if no test can reproduce the run."""
    if record.status in _NEVER_ENDS:
        raise Conflict(f"run {record.identity.run_id} cannot be made a test: {_NEVER_ENDS[record.status]}")


async def saved_case(
    store: RunStore, conversations: ConversationStore, workflow: Workflow, record: RunRecord, save: SaveFiles
) -> Mapping[str, Any]:
    """Return the case in the form of a test file.

    Raises:
        LogDamaged, StoreUnavailable: The log cannot be read.
        Exceptions of ``save``.
    """
    run_id = record.identity.run_id
    names = NodeNames({node.id: node.title for node in workflow.graph.nodes.values()})
    events = await store.events(run_id)
    first = next((event for event in events if isinstance(event, RunStarted)), None)
    values: list[Json] = [dict(event.data) for event in events if isinstance(event, FormClosed)]
    if first is not None:
        values += [*first.inputs.values(), first.system.get("files")]
    given = dict(stored_files(values))
    paths = await save(given) if given else {}
    message = await conversations.message_of_run(run_id)
    answer = None if message is None else message.answer.text
    return recorded_case(f"run {run_id}", events, names, paths, answer)


class _LongDumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Much faster, but escapes emoji, which is less readable: for long files only."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def as_test_file(content: Any) -> bytes:
    """Encode a test file, or a workflow, as YAML."""
    dumper = _LongDumper if len(encode_json(content)) > _LONG else yaml.SafeDumper
    written: str = yaml.dump(content, Dumper=dumper, allow_unicode=True, sort_keys=False, width=120)
    return written.encode()
