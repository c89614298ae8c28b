"""Runs workflows with models in one process, without a server."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from jikko.assemble import Assembly, assemble
from jikko.events import Event, NodeAttempted, NodeFinished, RunFinished, TextChunk
from jikko.runs.following.run_reader import RunReader
from jikko.runs.run_log import RunLog
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from jikko.values import Json

MODEL: dict[str, Json] = {
    "provider": "langgenius/openai/openai",
    "name": "tiny",
    "mode": "chat",
    "completion_params": {"max_tokens": 24, "temperature": 0, "seed": 1},
}
OPENAI = "langgenius/openai/openai"


def workflow(data: Mapping[str, Json], outputs: Mapping[str, str], **top: Any) -> bytes:
    """Return a workflow of ``start`` (with input ``s``), one node ``m``, and an ``end`` for each handle.

    Args:
        data: Data of the node ``m``.
        outputs: Outputs of the ends by name, each with the name of an output of ``m``.
    """
    handles = ["source"]
    if data["type"] == "question-classifier":
        handles = [entry["id"] for entry in data["classes"]]
    nodes: list[dict[str, Any]] = [
        {
            "id": "start",
            "data": {
                "type": "start",
                "title": "Start",
                "variables": [{"variable": "s", "label": "s", "type": "paragraph", "required": False}],
            },
        },
        {"id": "m", "data": {"title": "Model", "model": MODEL, **data}},
    ]
    edges = [{"id": "e", "source": "start", "target": "m", "sourceHandle": "source"}]
    for number, handle in enumerate(handles):
        listed = [{"variable": name, "value_selector": ["m", source]} for name, source in outputs.items()]
        nodes.append({"id": f"end{number}", "data": {"type": "end", "title": "End", "outputs": listed}})
        edges.append({"id": f"e{number}", "source": "m", "target": f"end{number}", "sourceHandle": handle})
    document = {
        "app": {"name": "models", "mode": "workflow"},
        "kind": "app",
        "version": "0.6.0",
        "workflow": {"graph": {"nodes": nodes, "edges": edges}, **top},
    }
    return yaml.safe_dump(document, allow_unicode=True).encode()


LLM: dict[str, Json] = {
    "type": "llm",
    "prompt_template": [{"role": "system", "text": "Be brief."}, {"role": "user", "text": "{{#start.s#}}"}],
    "context": {"enabled": False, "variable_selector": []},
    "vision": {"enabled": False},
}


@asynccontextmanager
async def assembled(
    folder: Path,
    entry: Mapping[str, Json],
    *,
    in_memory: bool = True,
    environment: Mapping[str, str] | None = None,
    **settings: Any,
) -> AsyncIterator[Assembly]:
    """Assemble all services, with one provider."""
    file = folder / "providers.yml"
    file.write_text(json.dumps({"providers": {OPENAI: dict(entry)}}))
    given = Settings(home=folder / "home", providers=file, **settings)
    async with assemble(given, in_memory=in_memory, environment=environment or {}) as assembly:
        try:
            yield assembly
        finally:
            await assembly.runs.close(0)


async def begun(assembly: Assembly, source: bytes, text: str = "hello") -> RunLog:
    """Start a run."""
    published = await assembly.apps.publish(source, source="test")
    return await assembly.runs.start(published.app, StartRequest(inputs={"s": text}, user="tester"))


async def finished(live: RunLog | RunReader) -> "Outcome":
    """Wait for the end of a run."""
    return Outcome([event async for batch in live.follow() for _, event in batch])


class Outcome:
    """Outcome of a run."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events

    @property
    def end(self) -> RunFinished:
        [end] = [event for event in self.events if isinstance(event, RunFinished)]
        return end

    @property
    def node(self) -> NodeFinished:
        """Return the end of the node ``m``."""
        [node] = [event for event in self.events if isinstance(event, NodeFinished) and event.node_id == "m"]
        return node

    @property
    def attempts(self) -> list[NodeAttempted]:
        return [event for event in self.events if isinstance(event, NodeAttempted)]

    @property
    def shown(self) -> list[str]:
        """Return the streamed pieces of the node's text."""
        return [event.text for event in self.events if isinstance(event, TextChunk) and event.selector == ("m", "text")]
