"""Random run logs, with events of every kind in an order the engine keeps.

Those of random graphs are in `tests/engine/test_random_graphs.py`; these cover what such graphs lack: chats, agents,
attempts, forms, stops, retries, dying processes, iterations in loops, and text from several nodes at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from jikko.events import (
    AgentLogged,
    ContainerStarted,
    Event,
    FormClosed,
    FormRequested,
    NodeAttempted,
    NodeFinished,
    NodeStarted,
    ReasoningChunk,
    Round,
    RoundFinished,
    RoundPath,
    RoundStarted,
    RunBegan,
    RunFinished,
    RunParked,
    RunPaused,
    RunRecovered,
    RunResumed,
    RunRetried,
    RunStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
    Turn,
    Usage,
)

TYPES: Final = (
    "llm",
    "code",
    "tool",
    "agent",
    "knowledge-retrieval",
    "http-request",
    "human-input",
    "iteration",
    "loop",
)
CONTAINERS: Final = ("iteration", "loop")
WORDS: Final = ("", "a", "日本語 🍓", "</script>", "\u202e\x00", "\ue000\ud7ff", "x" * 5_000)
DEEPEST: Final = 2


@dataclass
class Open:
    """Execution in progress."""

    started: NodeStarted
    waits: bool = False
    """Whether it waits for its form."""
    length: int | None = None
    """Planned rounds of a started container."""
    parallel: bool = False
    begun: int = 0
    ended: set[int] = field(default_factory=set)

    @property
    def id(self) -> str:
        return self.started.execution_id

    @property
    def is_container(self) -> bool:
        return self.started.node_type in CONTAINERS

    def round(self, index: int) -> RoundPath:
        """Return the path of nodes in one of its rounds."""
        kind: Any = self.started.node_type
        return (*self.started.rounds, Round(self.id, self.started.node_id, kind, index))


class Story:
    """Writer of one run's log."""

    def __init__(self, random: Random) -> None:
        self.events: list[Event] = []
        self._random = random
        self._open: dict[str, Open] = {}
        self._at = 1_800_000_000.0
        self._tokens = self._count = 0
        self._epoch = 1

    def write(self, moves: int) -> list[Event]:
        """Write a log.

        Args:
            moves: Maximum number of steps.
        """
        chance = self._random.random
        turn = Turn(conversation_id="c", message_id="m") if chance() < 0.3 else None
        self._say(RunStarted, inputs={"q": self._word()}, system={}, turn=turn)
        if chance() < 0.3:
            for _ in range(self._random.randint(1, 4)):
                self._start()
                self._end_all()
            self._say(RunRetried, run_id="another", from_nodes=["n1"])
        if chance() < 0.3:
            self._say(RunBegan)
        for _ in range(moves):
            if chance() < 0.04:
                self._lose_process()
            elif self._open and all(one.waits or one.is_container for one in self._open.values()) and chance() < 0.3:
                if not self._pause():
                    self._finish("stopped")
                    return self.events
            else:
                self._move()
        self._finish(self._random.choice(["succeeded", "failed", "stopped", "partial-succeeded"]))
        return self.events

    def _say(self, kind: Callable[..., Event], /, **what: Any) -> None:
        # Clocks of machines differ, and are adjusted.
        self._at += self._random.choice([0.0, 0.001, 0.5, 60.0, -0.02])
        self.events.append(kind(at=self._at, **what))

    def _word(self) -> str:
        return self._random.choice(WORDS)

    def _about(self, one: Open) -> dict[str, Any]:
        started = one.started
        return {
            "execution_id": one.id,
            "node_id": started.node_id,
            "node_type": started.node_type,
            "title": started.title,
            "index": started.index,
            "rounds": started.rounds,
        }

    def _places(self) -> list[RoundPath]:
        """Return where a node may start: at the top level, and in open rounds."""
        places: list[RoundPath] = [()]
        for one in self._open.values():
            if one.length is not None and len(one.started.rounds) < DEEPEST:
                places += [one.round(index) for index in range(one.begun) if index not in one.ended]
        return places

    def _within(self, one: Open, index: int | None = None) -> bool:
        """Return whether a node of a container, or of one of its rounds, is running."""
        return any(
            entry.execution_id == one.id and index in (None, entry.index)
            for other in self._open.values()
            for entry in other.started.rounds
        )

    def _move(self) -> None:
        if not self._open or self._random.random() < 0.3:
            return self._start()
        one = self._random.choice([*self._open.values()])
        if one.waits:
            return self._close_form(one)
        if one.is_container:
            return self._go_on(one)
        choice = self._random.randrange(6)
        kind = one.started.node_type
        if choice == 0:
            self._attempt(one)
        elif choice == 1 and kind == "human-input":
            one.waits = True
            form = {"form_content": self._word(), "form_token": "t", "inputs": [], "actions": []}
            names = {"execution_id": one.id, "node_id": one.started.node_id, "title": self._word()}
            self._say(FormRequested, **names, form_id=f"f{one.id}", form=form, expires_at=self._at + 10)
        elif choice == 1 and kind == "agent":
            self._tell(one)
        elif choice == 2:
            selector = (one.started.node_id, self._random.choice(["text", "output"]))
            self._say(TextChunk, text=self._word(), selector=selector)
            self._say(ReasoningChunk, node_id="", text="", execution_id=one.id, said=self._word())
        elif choice == 3 and kind == "llm":
            self._say(ReasoningChunk, node_id=one.started.node_id, text=self._word(), final=self._random.random() < 0.5)
        elif choice == 4 and self._random.random() < 0.2:
            self._say(TextReplaced, text=self._word(), reason="output_moderation")
        else:
            self._end(one)

    def _start(self) -> None:
        self._count += 1
        name = f"n{self._random.randint(1, 6)}"
        what = {
            "node_type": self._random.choice(TYPES),
            "title": self._word(),
            "rounds": self._random.choice(self._places()),
        }
        self._say(NodeStarted, execution_id=f"e{self._count}", node_id=name, index=self._count, **what)
        started = self.events[-1]
        assert isinstance(started, NodeStarted)
        self._open[started.execution_id] = Open(started)

    def _spent(self, one: Open) -> Usage | None:
        """Return the usage: a container's is the sum of its rounds; nodes that failed in a round are in no total."""
        if one.is_container or self._random.random() < 0.5:
            return None
        tokens = self._random.randint(0, 500)
        self._tokens += tokens
        return Usage(total_tokens=tokens, total_price="0.001")

    def _attempt(self, one: Open) -> None:
        usage = None if one.started.rounds else self._spent(one)
        what = {"attempt": 1, "error": self._word(), "error_type": "HTTPError"}
        self._say(NodeAttempted, **self._about(one), started_at=one.started.at, elapsed=0.1, usage=usage, **what)

    def _tell(self, one: Open) -> None:
        of = {"execution_id": one.id, "node_id": one.started.node_id}
        self._say(AgentLogged, **of, entry_id=self._random.choice("xyz"), label=self._word(), data={"a": self._word()})
        record = {"kind": "tool", "request": "d", "answer": {"text": self._word()}}
        self._say(StepRecorded, execution_id=one.id, **record, usage=Usage(total_tokens=7))

    def _go_on(self, one: Open) -> None:
        if one.length is None:
            if self._random.random() < 0.1:
                return self._end(one)
            one.length = self._random.randint(0, 4)
            one.parallel = one.started.node_type == "iteration" and self._random.random() < 0.5
            self._say(ContainerStarted, **self._about(one), length=one.length)
            return None
        ready = [index for index in range(one.begun) if index not in one.ended and not self._within(one, index)]
        if one.begun < one.length and (one.parallel or len(one.ended) == one.begun):
            for _ in range(one.length - one.begun if one.parallel else 1):
                self._say(RoundStarted, **self._about(one), round=one.begun, variables={"item": self._word()})
                one.begun += 1
        elif ready:
            index = self._random.choice(ready)
            one.ended.add(index)
            error = self._word() if self._random.random() < 0.2 else None
            self._say(RoundFinished, **self._about(one), round=index, elapsed=0.2, error=error)
        elif not self._within(one) and len(one.ended) == one.begun:
            self._end(one)
        return None

    def _end(self, one: Open) -> None:
        del self._open[one.id]
        status = self._random.choice(["succeeded", "succeeded", "failed", "exception"])
        wrong: dict[str, Any] = {} if status == "succeeded" else {"error": self._word(), "error_type": "CodeNodeError"}
        if status == "exception":
            wrong |= {"strategy": "fail-branch", "handle": "fail-branch"}
        usage = Usage(total_tokens=99) if one.length is not None else self._spent(one)
        outputs = {"text": self._word()}
        about = self._about(one)
        self._say(
            NodeFinished,
            **about,
            started_at=one.started.at,
            elapsed=0.3,
            status=status,
            outputs=outputs,
            usage=usage,
            **wrong,
        )

    def _end_all(self) -> None:
        while self._open:
            [*_, last] = self._open.values()
            self._end(last)

    def _close_form(self, one: Open) -> None:
        one.waits = False
        action = self._random.choice(["yes", None])
        names = {"execution_id": one.id, "node_id": one.started.node_id, "title": one.started.title}
        self._say(FormClosed, **names, form_id=f"f{one.id}", action_id=action)
        if self._random.random() < 0.2:
            self._lose_process()
        else:
            self._again(one)

    def _again(self, one: Open) -> None:
        """Run it again, under its id."""
        self._say(NodeStarted, **self._about(one))

    def _pause(self) -> bool:
        """Pause if only forms are open. Returns whether the run continues."""
        waiting = [one for one in self._open.values() if one.waits]
        if not waiting:
            return True
        nodes = [one.started.node_id for one in waiting]
        self._say(RunPaused, paused_nodes=nodes, elapsed=1.0, total_tokens=self._tokens)
        if self._random.random() < 0.2:
            return False
        self._say(RunResumed)
        self._close_form(self._random.choice(waiting))
        return True

    def _lose_process(self) -> None:
        if self._random.random() < 0.3:
            self._say(RunParked, elapsed=2.0)
        self._epoch += 1
        gone = [one for one in self._open.values() if not one.waits]
        self._say(RunRecovered, epoch=self._epoch, in_flight=[one.id for one in gone], elapsed=2.0)
        for one in gone:
            self._again(one)

    def _finish(self, status: str) -> None:
        if status == "succeeded":
            self._end_all()
        error = self._word() if status in ("failed", "stopped") else None
        self._say(RunFinished, status=status, error=error, elapsed=3.0, total_tokens=self._tokens)
