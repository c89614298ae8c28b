"""Execution of a case's steps through a transport."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .cases import Case, JsonObject, Step
from .events import CHUNKS
from .knowledge import Knowledge
from .transport import Request, Transport

VARIABLE = re.compile(r"\$\{([\w:]+)(\|upper)?\}")
POLL_TIMEOUT = 60.0
LATER = 3
"""Chunks of a text that precede a step for which the recording waited some tenths of a second."""
POLL_INTERVAL = 0.02


@dataclass(frozen=True)
class AppKey:
    """API key and ids of an imported app."""

    api_key: str
    app_id: str
    workflow_id: str
    webhooks: dict[str, str] = field(default_factory=dict)
    """Last parts of webhook addresses, by node."""


@dataclass
class Transcript:
    """Answers to a case's steps, by step name, and the values known beforehand."""

    replies: dict[str, JsonObject] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)


class MissingValue(Exception):
    """A request needs a value missing from all earlier answers."""


@dataclass(frozen=True)
class Surroundings:
    """Environment of a suite's executions."""

    keys: dict[str, AppKey]
    files: Path
    echo_url: str
    knowledge: Knowledge | None = None


def execute(case: Case, transport: Transport, around: Surroundings, nonce: str = "") -> Transcript:
    """Take all steps of ``case``; the reply to a failing step is ``{"error": ...}``.

    ``nonce`` is unique to the execution; random by default.
    """
    return _Execution(case, transport, around, nonce or uuid.uuid4().hex).run()


class _Execution:
    """State of one pass through a case."""

    def __init__(self, case: Case, transport: Transport, around: Surroundings, nonce: str) -> None:
        self._case, self._transport, self._files = case, transport, around.files
        echo_host = around.echo_url.split("//")[-1]
        self._values = {"nonce": nonce, "echo": around.echo_url}
        self._transcript = Transcript(
            known={"«echo:url»": around.echo_url, "«echo:host»": echo_host, "«nonce:1»": nonce}
        )
        if around.knowledge is not None:
            self._values |= around.knowledge.variables
            self._transcript.known |= around.knowledge.symbols
        for alias, app in case.apps.items():
            if (key := around.keys.get(app)) is None:
                continue
            self._values |= {
                f"key:{alias}": key.api_key,
                f"app:{alias}": key.app_id,
                f"workflow:{alias}": key.workflow_id,
                **{f"webhook:{alias}:{node}": webhook for node, webhook in key.webhooks.items()},
            }
            self._transcript.known |= {f"«app:{alias}»": key.app_id}
            if key.workflow_id:  # apps without a workflow have none
                self._transcript.known |= {f"«workflow:{alias}»": key.workflow_id}

    def run(self) -> Transcript:
        """Take all steps in order."""
        for step in self._case.steps:
            self._take(step)
        return self._transcript

    def _take(self, step: Step) -> None:
        """Take one step, and the steps nested in it at the right moment of its stream."""
        pending = list(step.nested)
        during = step.during or {}
        before = LATER if during.get("delay") and during["after"] in CHUNKS else 0

        def on_event(event: JsonObject) -> None:
            nonlocal before
            if pending and _is_trigger(during, event):
                before -= 1
                while pending and before < 0:
                    self._take(pending.pop(0))

        def note(event: JsonObject) -> None:
            self._capture(step, event)
            on_event(event)

        try:
            reply = self._send(step, note)
        except Exception as error:  # any error is this step's answer
            reply = {"error": f"{type(error).__name__}: {error}"}
        self._capture(step, reply.get("body"))
        self._transcript.replies[step.name] = reply

    def _send(self, step: Step, on_event: Any) -> JsonObject:
        """Send the step's request, and repeat it while its ``poll`` condition holds."""
        request = self._request(step)
        reply = self._transport.send(request, on_event)
        deadline = time.monotonic() + POLL_TIMEOUT
        while step.poll and _holds(step.poll, reply) and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
            reply = self._transport.send(request, on_event)
        return reply

    def _capture(self, step: Step, source: Any) -> None:
        """Store values for later requests; of several events, the first with a value counts."""
        for name, dotted in step.capture.items():
            value = _at(source, dotted)
            if isinstance(value, str) and name not in self._values:
                self._values[name] = value

    def _request(self, step: Step) -> Request:
        """Fill the placeholders of the step's request."""
        template = step.request
        headers = {k: self._fill(v) for k, v in template.get("headers", {}).items()}
        if template.get("key"):
            headers["Authorization"] = "Bearer " + self._values["key:" + template["key"]]
        return Request(
            method=template["method"],
            path=self._fill(template["path"]),
            headers=headers,
            json=self._fill(template.get("json")),
            content=self._fill(template.get("content")),
            form=self._fill(template.get("form")),
            files=[(f["field"], (f["name"], self._content(f), f["type"])) for f in template.get("files", [])],
        )

    def _content(self, file: JsonObject) -> bytes:
        """Return an uploaded file's bytes: from the suite, literal, or ``size`` filler bytes."""
        if "path" in file:
            return (self._files / str(file["path"])).read_bytes()
        return str(file["text"]).encode() if "text" in file else b"x" * int(file["size"])

    def _fill(self, value: Any) -> Any:
        """Replace each ``${name}`` in a value."""
        if isinstance(value, dict):
            return {k: self._fill(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._fill(v) for v in value]
        return VARIABLE.sub(self._value, value) if isinstance(value, str) else value

    def _value(self, hit: re.Match[str]) -> str:
        """Return the value of one ``${name}`` or ``${name|upper}``."""
        if hit[1] not in self._values:
            raise MissingValue(hit[1])
        return self._values[hit[1]].upper() if hit[2] else self._values[hit[1]]


def _at(value: Any, dotted: str) -> Any:
    """Return the value at a dotted path, or ``None``."""
    for key in dotted.split("."):
        value = _part(value, key)
    return value


def _part(value: Any, key: str) -> Any:
    """Return an object's or array's part for one step of a dotted path, or ``None``."""
    if isinstance(value, list) and key.isdecimal():
        return value[int(key)] if int(key) < len(value) else None
    return value.get(key) if isinstance(value, dict) else None


def _is_trigger(during: JsonObject, event: JsonObject) -> bool:
    """Return whether ``event`` triggers the nested steps: by its type, and its node if one is named."""
    node = during.get("node_id")
    return event.get("event") == during.get("after") and (node is None or event["data"].get("node_id") == node)


def _holds(condition: JsonObject, reply: JsonObject) -> bool:
    """Return whether the body still has all values of a ``poll`` condition; a list there contains alternatives."""
    wanted = {key: value if isinstance(value, list) else [value] for key, value in condition.items()}
    body = reply.get("body")
    return isinstance(body, dict) and all(_at(body, key) in values for key, values in wanted.items())
