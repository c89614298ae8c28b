"""Ten flows with their runs, recorded in this process: with fake models, and a server that echoes requested
addresses."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from jikko.apps.versions import Workflow
from jikko.assemble.assembly import Assembly
from jikko.conversations.turns import TurnRequest
from jikko.dsl.load import LoadLimits, decoded
from jikko.dsl.text.yaml_text import parse
from jikko.engine.limits import RunLimits
from jikko.ports.http import HttpResponse, OutgoingRequest
from jikko.ports.node_ports import NodePorts
from jikko.ports.stores.messages import Message
from jikko.proving.recording import Recording
from jikko.proving.replay_verdict import ReplayedResult, result_of
from jikko.proving.replayed_run import Replayer
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.runs.runs import StartRequest
from tests.acceptance.workflows import app, end, fetch, first_of, if_contains, iteration, node, python, start, template
from tests.effort import PATIENCE

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = {"provider": "openai", "name": "gpt", "mode": "chat", "completion_params": {"temperature": 0.2}}
WORDS = "def main(q):\n    return {'out': q.split()}\n"


def model(node_id: str, text: str, **data: Any) -> dict[str, Any]:
    prompt = [{"role": "user", "text": text}]
    return node(node_id, "llm", model=MODEL, prompt_template=prompt, context={"enabled": False}, **data)


CLASSES = [{"id": "1", "name": "praise"}, {"id": "2", "name": "blame"}]
MADE = {
    "drafts": app(
        "drafts",
        [
            start("q"),
            model("Draft", "Say {{#start.q#}} 円"),
            template("made", "{{ t }}!", t="Draft.text"),
            end(x="made.output"),
        ],
        "start>Draft>made>end",
    ),
    "sorts": app(
        "sorts",
        [
            start("q"),
            node("Sort", "question-classifier", model=MODEL, query_variable_selector=["start", "q"], classes=CLASSES),
            template("good", "good {{ q }}", q="start.q"),
            template("bad", "bad {{ q }}", q="start.q"),
            first_of("out", "good.output", "bad.output"),
            end(x="out.output"),
        ],
        "start>Sort Sort:1>good>out Sort:2>bad>out out>end",
    ),
    "fetches": app(
        "fetches",
        [start("q"), fetch("get", "https://shop.example/{{#start.q#}}"), end(x="get.body", s="get.status_code")],
        "start>get>end",
    ),
    "goes over words": app(
        "goes over words",
        [
            start("q"),
            python("split", WORDS, {"out": "array[string]"}, q="start.q"),
            *iteration(
                "each", "split.out", "ask.body", fetch("ask", "https://shop.example/{{#each.item#}}"), parallel=3
            ),
            end(x="each.output"),
        ],
        "start>split>each>end each-start>ask",
    ),
    "extracts": app(
        "extracts",
        [
            start("q"),
            node(
                "Find",
                "parameter-extractor",
                model=MODEL,
                query=["start", "q"],
                instruction="of {{#start.q#}}",
                reasoning_mode="prompt",
                parameters=[{"name": "place", "type": "string", "description": "where", "required": False}],
            ),
            template("made", "{{ q }} in {{ p }}", q="start.q", p="Find.place"),
            end(x="made.output"),
        ],
        "start>Find>made>end",
    ),
    "two at a time": app(
        "two at a time",
        [
            start("q"),
            fetch("left", "https://shop.example/left/{{#start.q#}}"),
            model("right", "Right of {{#start.q#}}"),
            if_contains("route", "start.q", "円"),
            template("yes", "{{ a }}{{ b }}", a="left.body", b="right.text"),
            template("no", "{{ b }}{{ a }}", a="left.body", b="right.text"),
            first_of("out", "yes.output", "no.output"),
            end(x="out.output"),
        ],
        "start>left>route start>right>route route:true>yes>out route:false>no>out out>end",
    ),
}
INPUTS: dict[str, Sequence[Mapping[str, Any]]] = {
    **{name: [{"q": "円 🚑"}, {"q": "a b"}] for name in MADE},
    "support-triage": [{"message": "The shop is down!", "plan": "pro"}, {"message": "When?", "plan": "free"}],
    "parallel-quote": [{"pieces": 120, "country": "DE"}, {"pieces": 1, "country": "JP"}],
    "word-list": [{"text": "実行 🚑 été"}],
    "shopping-list": [{"query": "milk and bread"}, {"query": "clear"}],
}
"""Inputs by flow; for chats, the messages of one conversation."""


class Shop:
    """Server that answers each request with its address."""

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        return HttpResponse(200, (("Content-Type", "text/plain"),), request.url.encode())

    async def close(self) -> None: ...


class RecordedFlow(Struct):
    """Flow with its runs."""

    app: App
    content: dict[str, Any]
    recordings: list[Recording]

    @property
    def ran(self) -> set[str]:
        """Return the ids of nodes that ran in any run."""
        places = (place for recording in self.recordings for place in recording.executions)
        return {place.rpartition("/")[2] for place in places}


async def recorded(assembly: Assembly, name: str) -> RecordedFlow:
    """Record the runs of a flow in ``INPUTS``."""
    text = MADE[name].encode() if name in MADE else (EXAMPLES / f"{name}.yml").read_bytes()
    flow = await runs_of(assembly, text, *INPUTS[name])
    assert all(recording.end.status == "succeeded" for recording in flow.recordings), name
    return flow


async def runs_of(assembly: Assembly, text: bytes, *all_inputs: Mapping[str, Any]) -> RecordedFlow:
    """Record a run of a flow per inputs; those of a chat, which have a ``query``, form one conversation."""
    published = (await assembly.apps.publish(text, source="flow.yml")).app
    recordings, conversation = [], ""
    for inputs in all_inputs:
        if "query" in inputs:
            request = TurnRequest(
                query=inputs["query"],
                inputs={},
                user="u",
                conversation_id=conversation,
                files=[],
                name_wanted=False,
                streamed=True,
            )
            begun = await assembly.chat.turns.begin(published, request)
            assert not isinstance(begun, Message)
            record: RunRecord = begun.run.record
        else:
            record = (await assembly.runs.start(published, StartRequest(inputs=inputs, user="u"))).record
        events = [event async for batch in assembly.runs.control.reader(record).follow(-1) for _, event in batch]
        recording = Recording(record.identity, events)
        assert recording.problem == ""
        if recording.started.turn is not None:
            conversation = recording.started.turn.conversation_id
        recordings.append(recording)
    content: Any = parse(decoded(text), LoadLimits())
    return RecordedFlow(published, content, recordings)


async def replayed(
    assembly: Assembly, flow: RecordedFlow, text: bytes, *, ports: NodePorts | None = None, before: bytes | None = None
) -> list[ReplayedResult]:
    """Replay its runs on another version.

    Args:
        ports: Replace those of the assembly.
        before: Version that the runs are assumed to be of, if not the published one.
    """
    was: Workflow = await assembly.workflows.get(flow.app)
    if before is not None:
        was = assembly.workflows.of_file(flow.app, before, source="before")
    now = assembly.workflows.of_file(flow.app, text, source="changed")
    replayer = Replayer(now, ports or assembly.ports, RunLimits(), "nearest")
    return [result_of(await replayer.replay(recording, was, PATIENCE)) for recording in flow.recordings]


def written(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()
