"""Requests of a replayed run, compared with those of its recording. Pure functions."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from jikko.apps.versions import Workflow
from jikko.dsl.document import DslDocument
from jikko.engine.masked import MaskedVariables
from jikko.engine.state import RunState
from jikko.events import NodeStarted
from jikko.graph.compiled import CompiledNode
from jikko.lang.variables import Readable, TextBudget, TextTooLong
from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.knowledge.knowledge_retrieval import KnowledgeRetrieval
from jikko.proving.recording import Recording, Try, place_of
from jikko.proving.run_difference import recorded_changes
from jikko.runs.reading.field_changes import ChangedField, field_changes

_OF_REQUEST: Final = ("prompts", "request", "function", "documents", "model_mode", "model_provider", "model_name")
"""Entries of the process data that tell a request; others tell its answer."""
_BOUNDARY: Final = re.compile(r"(?<=----FormBoundary)[0-9a-f]{32}")
"""Of the parts of a form: drawn anew for each request."""
_RENDERED: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "code": (("variables",), ""),
    "document-extractor": (("selector",), "documents"),
    "http-request": (("url", "headers", "params", "body"), "request"),
    "knowledge-retrieval": (("query",), ""),
    "llm": (("prompt", "context"), "prompts"),
    "parameter-extractor": (("query", "instruction"), "prompts"),
    "question-classifier": (("query", "instruction"), "prompts"),
    "template-transform": (("variables",), ""),
}
"""By the type of a node what of its settings is seen in its request as it is recorded: in the inputs, or in that entry
of the process data. If the request is the same, these may be others."""
_LOOKS: Final = frozenset({"title", "desc", "selected", "width", "height"})


def request_changes(recorded: Try, made: Result | NodeFailure) -> list[ChangedField]:
    """What is different in the request of a node, as far as logs tell it."""
    before, after = recorded.process_data, made.process_data
    told = [name for name in _OF_REQUEST if name in before or name in after]
    old = {"inputs": recorded.inputs} | {name: before.get(name) for name in told}
    new = {"inputs": dict(made.inputs)} | {name: after.get(name) for name in told}
    for request in (old, new):
        if isinstance(text := request.get("request"), str):
            request["request"] = _BOUNDARY.sub("", text)
    return list(recorded_changes(old, new))


def filter_changes(
    recording: Recording, was: Workflow, node: CompiledNode, place: str, now: Readable, most: int
) -> Iterator[ChangedField]:
    """What is different in the values of a metadata filter, which no log tells: they follow from the variables of then.
    ``now``: the variables of the node, with masks for secrets. ``most``: characters that may be made of the variables
    of then."""
    config = node.node
    if not isinstance(config, KnowledgeRetrieval) or config.filtering.mode != "manual":
        return
    begun = (
        (index, event)
        for index, event in enumerate(recording.events)
        if isinstance(event, NodeStarted) and place_of(event) == place
    )
    if (first := next(begun, None)) is None:
        return
    state = RunState(was.graph)
    try:
        state.replay(recording.events[: first[0] + 1])
        then = MaskedVariables(state.frame_of(first[1].rounds).scope, was.graph.secrets, TextBudget(most))
        old, new = config.filtering.resolved(then), config.filtering.resolved(now)
    except (LookupError, TextTooLong):  # The run is of another version, or the values are too long.
        yield ChangedField("/metadata_filter", None, None)
    else:
        yield from recorded_changes(old, new, "/metadata_filter")


class SettingsComparison:
    """The settings of the nodes of two versions: what logs do not tell of a request."""

    def __init__(self, was: Workflow, now: Workflow) -> None:
        self._was, self._now = was, now
        self._known: dict[tuple[str, bool], bool] = {}

    def are_same(self, node: CompiledNode, recorded: Try) -> bool:
        """Whether a node that makes the same request, as far as logs tell, makes the very same."""
        rendered, told = _RENDERED.get(node.type, ((), ""))
        # Of a failure the request is not always told.
        is_told = bool(rendered) and (not told or told in recorded.process_data)
        key = node.id, is_told
        if key not in self._known:
            old = self._was.graph.nodes.get(node.id)
            self._known[key] = old is not None and _are_same(old.node, node.node, rendered if is_told else ())
        return self._known[key]

    def changes(self, node_id: str) -> Iterator[ChangedField]:
        """What is different in the file."""
        old, new = (_settings(version.document, node_id) for version in (self._was, self._now))
        yield from field_changes("/settings", old, new)
        yield ChangedField("/settings", None, None)


def _are_same(old: Any, new: Any, rendered: tuple[str, ...]) -> bool:
    if type(old) is not type(new):
        return False
    return bool(replace(old, **{name: getattr(new, name) for name in rendered}) == new)


def _settings(document: DslDocument, node_id: str) -> dict[str, Any]:
    data = next((entry.data for entry in document.nodes if entry.id == node_id), {})
    return {str(name): value for name, value in data.items() if name not in _LOOKS}
