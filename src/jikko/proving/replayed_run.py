"""Replay of a recorded run by the engine, on a changed workflow, with the recorded answers of the outside."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, Literal, NoReturn, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.apps.versions import Workflow
from jikko.concurrency.scheduler import Scheduler
from jikko.engine.limits import RunLimits
from jikko.engine.runner import Runner
from jikko.engine.state import RunState
from jikko.errors import InvalidParam
from jikko.events import Event, FormClosed, FormRequested, NodeFinished, RunPaused, RunResumed, RunStarted
from jikko.graph.compiled import CompiledNode
from jikko.inputs.run_inputs import prepare
from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.flow.human_input import rendered
from jikko.ports.node_ports import NodePorts
from jikko.proving.case_ports import with_stand_ins
from jikko.proving.recording import (
    NEVER,
    RecordedExecution,
    RecordedOrder,
    Recording,
    SettingsComparison,
    Try,
    filter_changes,
    place_in,
    request_changes,
)
from jikko.proving.replay_ports import Asking, AskingContext, asking_ports
from jikko.proving.run_difference import recorded_changes
from jikko.runs.reading.field_changes import ChangedField

ReplayMode: TypeAlias = Literal["strict", "nearest", "live"]
_OF_FORM: Final = ("form_content", "inputs", "actions", "resolved_default_values")
_NO_LIMIT: Final = 1e9
"""Seconds. A replay has the clock of the log, in which years may pass."""


class ReplayPrice(Struct):
    """Budget for real model calls. They are sequential, so that at most one call exceeds it."""

    limit: Decimal
    spent: Decimal = Decimal(0)
    dearest: Decimal = Decimal(0)
    """Most expensive call. An interrupted call counts as this, since its provider may charge it."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Divergence(Struct, frozen=True):
    node: str
    """Id of the node; ``""`` for the run itself."""
    change: ChangedField
    reason: str = ""


class Replayer:
    def __init__(
        self, now: Workflow, ports: NodePorts, limits: RunLimits, mode: ReplayMode, price: ReplayPrice | None = None
    ) -> None:
        self.now = now
        self.ports = ports
        self.limits = replace(limits, max_seconds=_NO_LIMIT)
        self.mode = mode
        self.price = price or ReplayPrice(Decimal(0))
        self.share = Scheduler()
        self._runs: dict[str, ReplayedRun] = {}
        self._settings: dict[str, SettingsComparison] = {}
        self.graph = with_stand_ins(now.graph, lambda node, ctx: self._runs[ctx.run.run_id].run_node(node, ctx))

    def settings(self, was: Workflow) -> SettingsComparison:
        return self._settings.setdefault(was.id, SettingsComparison(was, self.now))

    async def replay(self, recording: Recording, was: Workflow | None, seconds: float) -> "ReplayedRun":
        """Replay a run.

        Args:
            recording: Without a ``problem``.
            was: Its version; ``None`` if unknown.
            seconds: Timeout.
        """
        run = ReplayedRun(self, recording, was)
        self._runs[recording.identity.run_id] = run
        try:
            async with asyncio.timeout(seconds):
                await run.play()
        except TimeoutError:
            run.give_up("", f"it takes longer than {seconds:g} s")
        finally:
            del self._runs[recording.identity.run_id]
        return run


class ReplayedRun:
    """One run, during and after its replay. It is its own ``Journal``."""

    has_backpressure = False

    def __init__(self, replayer: Replayer, recording: Recording, was: Workflow | None) -> None:
        self.recording = recording
        self.events: list[Event] = []
        self.assumed: list[Divergence] = []
        """Changed requests that got the recorded answers."""
        self.stopped: Divergence | None = None
        """Where the replay had to stop; in mode ``strict``, at the first changed request."""
        self.asked = 0
        """Number of real calls."""
        self._replayer = replayer
        self._settings = None if was is None else replayer.settings(was)
        self._was = was
        self._now = recording.started.at
        self._tries: Counter[str] = Counter()
        self._forms: Counter[str] = Counter()
        self._order = RecordedOrder(recording, lambda: self._runner.state, self._stuck)
        self._runner = self._new_runner()

    # The journal, and the clock.

    def append(self, events: list[Event]) -> None:
        self.events += events
        self._order.moved()

    async def durability_barrier(self) -> None:
        """See ``Journal``."""

    def __call__(self) -> float:
        return self._now

    # The run.

    async def play(self) -> None:
        """Run to the end, or as far as answers are known."""
        try:
            first = replace(self.recording.started, inputs=await self._inputs(self.recording.started))
        except InvalidParam as error:
            change = ChangedField("/inputs", None, str(error))
            self.stopped = Divergence("", change)
            return
        last = await self._runner.run([first])
        while isinstance(last, RunPaused) and self.stopped is None:
            answers = self._answers(self._runner.state)
            if not answers:
                node = next(iter(self._runner.state.forms.open.values())).node_id
                self.give_up(node, self.stopped.reason if self.stopped else "its form was never submitted")
                return
            self._now = max([self._now, *(answer.at for answer in answers)])
            self._runner = self._new_runner()
            last = await self._runner.run([RunResumed(at=self._now)], answers)

    def give_up(self, node: str, reason: str) -> None:
        """Stop at a node: nothing further can be known."""
        self._end(Divergence(node, ChangedField("", None, None), reason))

    def _end(self, where: Divergence) -> None:
        if self.stopped is None:
            self.stopped = where
        asyncio.get_running_loop().call_soon(self._runner.stop, where.reason)

    def _new_runner(self) -> Runner:
        state = RunState(self._replayer.graph)
        state.replay(self.events)
        return Runner(
            state,
            self,
            info=self.recording.identity,
            ports=self._replayer.ports,
            limits=self._replayer.limits,
            clock=self,
            share=self._replayer.share,
        )

    async def _inputs(self, started: RunStarted) -> dict[str, Any]:
        """Return the inputs converted for the new version. Raises ``InvalidParam`` if it rejects them."""
        variables = self._replayer.now.inputs
        if started.entry or (self._was is not None and self._was.inputs == variables):
            return started.inputs

        async def as_it_was(value: Any, variable: Any) -> Any:
            return value

        return await prepare(variables, started.inputs, as_it_was, as_it_was)

    def _stuck(self) -> None:
        how = "was stopped" if self.recording.end.status == "stopped" else "ended"
        waiting = next(iter(self._runner.state.starts.values()), None)
        self.give_up("" if waiting is None else waiting.node_id, f"it was under way when the recorded run {how}")

    # Forms.

    def _answers(self, state: RunState) -> list[FormClosed]:
        """Return the recorded submissions of open forms, as far as they exist and fit."""
        found = []
        for execution_id, requested in state.forms.open.items():
            place = place_in(state.starts[execution_id].rounds, requested.node_id)
            recorded = self.recording.executions.get(place, RecordedExecution(""))
            number = self._forms[place]
            if number >= len(recorded.closed):
                continue
            self._forms[place] += 1
            closed = recorded.closed[number]
            if closed.action_id is not None and closed.action_id not in [
                action["id"] for action in requested.form["actions"]
            ]:
                self.stopped = Divergence(
                    requested.node_id,
                    ChangedField("/form/actions", closed.action_id, None),
                    f"its form no longer has the button {closed.action_id}",
                )
                return []
            if change := next(self._form_changes(recorded, number, requested), None):
                where = Divergence(requested.node_id, change)
                if self._replayer.mode == "strict":
                    self.stopped = where
                    return []
                self.assumed.append(where)
            found.append(replace(closed, execution_id=execution_id, form_id=requested.form_id, at=self._now))
        return found

    def _form_changes(
        self, recorded: RecordedExecution, number: int, requested: FormRequested
    ) -> Iterator[ChangedField]:
        """Yield the differences of a form. For one that another run requested, the rendered text is known."""
        if number < len(recorded.requested):
            forms = recorded.requested[number].form, requested.form
            old, new = ({name: form.get(name) for name in _OF_FORM} for form in forms)
            yield from recorded_changes(old, new, "/form")
            return
        closed, node = recorded.closed[number], self._replayer.graph.nodes[requested.node_id]
        text = rendered(requested.form["form_content"], closed.data)
        yield from recorded_changes(closed.rendered_content, text, "/form/form_content")
        assert recorded.finished is not None
        if self._settings is not None and not self._settings.are_same(node, recorded.finished):
            yield from self._settings.changes(node.id)

    # Nodes.

    async def run_node(self, node: CompiledNode, ctx: Any) -> Result:
        """Run a node that may call the outside, with recorded answers. Raises ``NodeFailure``: it fails, or failed in
        the recording."""
        place = ctx.idempotency_key.removeprefix(ctx.run.run_id)
        number = self._tries[ctx.execution_id]
        self._tries[ctx.execution_id] += 1
        execution = self.recording.executions.get(place)
        if execution is not None and execution.node_type != node.type:
            execution = None
        position, recorded = (
            execution.tries[number] if execution is not None and number < len(execution.tries) else (NEVER, None)
        )
        asking = Asking(node, recorded)
        made: Result | NodeFailure
        try:
            made = await node.node.run(AskingContext(ctx, asking_ports(ctx.ports, asking)))
        except NodeFailure as failure:
            made = failure
        if asking.asked:
            if execution is not None and not execution.tries:
                await self._order.turn(place, NEVER)
            if recorded is None:
                if self._replayer.mode == "live":
                    return await self._live(node, ctx, recorded)
                new = ChangedField("/request", None, dict(made.inputs) | dict(made.process_data))
                reason = "nothing like it was asked" if number == 0 else "it was not asked once more"
                await self._leave(Divergence(node.id, new, "" if self._replayer.mode == "strict" else reason))
            elif (where := self._divergence(node, recorded, made, place, ctx)) is not None:
                if self._replayer.mode == "live":
                    return await self._live(node, ctx, recorded)
                if self._replayer.mode == "strict":
                    await self._leave(where)
                self.assumed.append(where)
        if recorded is not None:
            await self._order.turn(place, position)
            self._now = max(self._now, recorded.at)
            # Equal programs with equal values have their recorded result: clock, randomness and load are external.
            is_known = self._settings is not None and self._divergence(node, recorded, made, place, ctx) is None
            if asking.asked or is_known:
                return _result(recorded, made)
        if isinstance(made, NodeFailure):
            raise made
        return made

    def _divergence(
        self, node: CompiledNode, recorded: Try, made: Result | NodeFailure, place: str, ctx: Any
    ) -> Divergence | None:
        changes = request_changes(recorded, made)
        if not changes and self._was is not None:
            most = ctx.ports.limits.max_expanded
            changes += filter_changes(self.recording, self._was, node, place, ctx.recorded, most)
        if changes:
            return Divergence(node.id, changes[0])
        if self._settings is None or self._settings.are_same(node, recorded):
            return None
        return Divergence(node.id, next(self._settings.changes(node.id)))

    async def _leave(self, where: Divergence) -> NoReturn:
        self._end(where)
        await asyncio.get_running_loop().create_future()
        raise AssertionError  # the run has ended, and cancels its nodes

    async def _live(self, node: CompiledNode, ctx: Any, recorded: Try | None) -> Result:
        price = self._replayer.price
        async with price.lock:
            if price.spent >= price.limit:
                reason = f"the limit of {price.limit} for models is reached"
                await self._leave(Divergence(node.id, ChangedField("", None, None), reason))
            self.asked += 1
            cost = max(price.dearest, _cost(recorded))
            try:
                result = await node.node.run(ctx)
                cost = _cost(result)
                return result
            except NodeFailure as failure:
                cost = _cost(failure)
                raise
            finally:
                price.spent += cost
                price.dearest = max(price.dearest, cost)


def _cost(of: Try | Result | NodeFailure | None) -> Decimal:
    return Decimal(0) if of is None or of.usage is None else Decimal(of.usage.total_price)


def _result(recorded: Try, made: Result | NodeFailure) -> Result:
    """Return the recorded result for the new request. Raises ``NodeFailure`` if it was a failure."""
    if isinstance(recorded, NodeFinished) and recorded.error is None:
        return Result(
            outputs=recorded.outputs,
            inputs=made.inputs,
            process_data=recorded.process_data,
            handle=recorded.handle,
            updates=recorded.updates,
            usage=recorded.usage,
            metadata=recorded.metadata,
            resources=recorded.resources,
        )
    is_handled = isinstance(recorded, NodeFinished) and recorded.status == "exception"
    raise NodeFailure(
        recorded.error or "",
        kind=recorded.error_type,
        inputs=made.inputs,
        process_data=recorded.process_data,
        outputs={} if is_handled else recorded.outputs,
        usage=recorded.usage,
        metadata=recorded.metadata,
    )
