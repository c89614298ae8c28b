"""Runner of test cases, concurrently in this process, without a store on disk or a server."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import msgspec
from msgspec import Struct

from jikko.assemble import assemble
from jikko.assemble.assembly import Assembly
from jikko.conversations.turns import TurnRequest
from jikko.dsl.start_variables import StartVariable
from jikko.errors import InvalidParam, JikkoError
from jikko.events import Event, FormRequested, RunFinished, RunPaused, RunStarted
from jikko.graph.compiled import CompiledGraph
from jikko.inputs.given import Upload, given_inputs
from jikko.inputs.local_files import uploaded
from jikko.inputs.run_inputs import form_variables
from jikko.ports.node_ports import NodePorts
from jikko.ports.stores.messages import Message
from jikko.proving.case_file import CaseTurn, FlowCase, MockForm
from jikko.proving.case_plan import CasePlan
from jikko.proving.case_ports import NoHttp, case_graph
from jikko.proving.script import CaseScript, forms_of
from jikko.proving.verdict import CaseProblem, CaseResult, ObservedRun, problems_of, started
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.runs.runs import StartRequest
from jikko.settings import Settings

T = TypeVar("T")
_MAX_CONCURRENT_CASES: Final = 16
_LATER: Final[ContextVar[float]] = ContextVar("later", default=0.0)
"""Seconds from the opening of the clock to the start of the current case."""


class CaseClock:
    """Clock that starts at a given moment for each case, runs in real time, and can be advanced."""

    def __init__(self, begins: str) -> None:
        """``begins``: ISO 8601; ``""`` for now."""
        start = datetime.fromisoformat(begins).timestamp() if begins else time.time()
        self._opened = time.monotonic() if begins else None
        self._ahead = start - time.monotonic()

    def __call__(self) -> float:
        return self._ahead + time.monotonic() - _LATER.get()

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Restart the clock for the block, and for tasks started there."""
        token = _LATER.set(0.0 if self._opened is None else time.monotonic() - self._opened)
        try:
            yield
        finally:
            _LATER.reset(token)

    def put_forward(self, to: float) -> None:
        """Advance the clock to a moment, unless it is later already."""
        self._ahead += max(0.0, to - self())


class CaseGroup(Struct, frozen=True):
    """Cases that can share services: the same clock and outside."""

    live: bool
    clock: str
    alone: str
    """Case that advances the clock, and so needs its own."""


def groups(
    plans: Sequence[CasePlan], chosen: Callable[[CasePlan, FlowCase], bool]
) -> dict[CaseGroup, list[tuple[CasePlan, FlowCase]]]:
    """Group the chosen cases."""
    found: dict[CaseGroup, list[tuple[CasePlan, FlowCase]]] = {}
    for plan in plans:
        for case in plan.file.cases:
            if not chosen(plan, case):
                continue
            outside = case.outside or plan.file.defaults.outside
            forms = (form for given in (plan.file, case) for form in given.forms.values())
            alone = f"{plan.path}: {case.name}" if any("timeout" in forms_of(form) for form in forms) else ""
            clock = case.clock or plan.file.defaults.clock
            found.setdefault(CaseGroup(outside == "live", clock, alone), []).append((plan, case))
    return found


async def results_of(
    settings: Settings, plans: Sequence[CasePlan], chosen: Callable[[CasePlan, FlowCase], bool]
) -> AsyncIterator[CaseResult]:
    """Yield the results of the chosen cases as they finish; those of a group run concurrently."""
    for group, cases in groups(plans, chosen).items():
        async with CaseRunner(settings, group).opened() as runner:
            async for result in side_by_side([partial(runner.result, *each) for each in cases]):
                yield result


async def side_by_side(work: Iterable[Callable[[], Awaitable[T]]]) -> AsyncIterator[T]:
    """Yield results as they finish."""
    places = asyncio.Semaphore(_MAX_CONCURRENT_CASES)

    async def placed(each: Callable[[], Awaitable[T]]) -> T:
        async with places:
            return await each()

    waiting = [asyncio.ensure_future(placed(each)) for each in work]
    try:
        for task in asyncio.as_completed(waiting):
            yield await task
    finally:
        for each in waiting:
            each.cancel()


class CaseRunner:
    """Runs the cases of a group."""

    def __init__(self, settings: Settings, group: CaseGroup) -> None:
        self._settings = settings if group.live else dataclasses.replace(settings, fake_models=True)
        self._group = group
        self._clock = CaseClock(group.clock)
        self._apps: dict[tuple[Path, str], asyncio.Task[App]] = {}
        """By the paths of plans, and their changes of graphs."""
        self._plans: dict[str, CasePlan] = {}
        """By app name."""
        self._scripts: dict[tuple[str, str], CaseScript] = {}
        """By the ids of apps, and the names of cases: each is a user of its own."""

    @property
    def ports(self) -> NodePorts:
        return self._assembly.ports

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        http = None if self._group.live else NoHttp()
        services = assemble(
            self._settings, in_memory=True, brief=True, clock=self._clock, http=http, stand_ins=self._stand_ins
        )
        async with services as self._assembly:
            yield self

    def _stand_ins(self, app: App, graph: CompiledGraph) -> CompiledGraph:
        plan = self._plans[app.name]
        return case_graph(graph, plan.mocked, lambda run: self._scripts.get((run.app_id, run.user)))

    async def _app(self, plan: CasePlan) -> App:
        key = (plan.path, repr((sorted(plan.mocked), plan.file.env)))
        if key not in self._apps:
            name = f"{plan.path}#{len(self._apps)}"
            self._plans[name] = plan
            self._apps[key] = asyncio.ensure_future(self._published(plan, name))
        return await asyncio.shield(self._apps[key])

    async def _published(self, plan: CasePlan, name: str) -> App:
        apps = self._assembly.apps
        return (await apps.publish(plan.text, source=str(plan.workflow), name=name, environment=plan.file.env)).app

    async def result(
        self, plan: CasePlan, case: FlowCase, watch: Callable[[int, Event], object] | None = None
    ) -> CaseResult:
        """Run a case of the group. Failures are in the result, never raised. ``watch``: Receives each event of its
        runs, with the position in the log."""
        result = CaseResult(file=str(plan.path), name=case.name, line=plan.lines.get(case.name, 0))
        if case.skip:
            result.outcome, result.reason = "skipped", case.skip
            return result
        began = time.perf_counter()
        try:
            app = await self._app(plan)
            script = self._scripts[app.id, case.name] = CaseScript(case, plan.file)
            run = CaseRun(self._assembly, plan, case, app, script, self._clock, watch)
            with self._clock.begun():
                try:
                    await run.play(result)
                finally:
                    await self._drop(app, case.name)
        except JikkoError as error:
            result.outcome = "error"
            result.problems.append(CaseProblem("", str(error)))
        else:
            result.problems[:0] = [CaseProblem("outside", text) for text in script.refused]
            result.outcome = "error" if script.refused else "failed" if result.problems else "passed"
        result.seconds = time.perf_counter() - began
        return result

    async def _drop(self, app: App, user: str) -> None:
        """Remove a case's script, and its user's runs, conversations and files."""
        removal = self._assembly.upkeep.user_removal
        for run_id in await removal.open_runs(app.id, user):
            await self._assembly.runs.control.stop(app.id, run_id, user)
        await removal.remove(app.id, user, alone=True)
        self._scripts.pop((app.id, user), None)


class OpenRunners:
    """Runners that stay open, one per group, for successive cases."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._opened: dict[CaseGroup, asyncio.Task[CaseRunner]] = {}

    async def result(
        self, plan: CasePlan, case: FlowCase, watch: Callable[[int, Event], object] | None = None
    ) -> CaseResult:
        """Run a case: see ``CaseRunner.result``."""
        [group] = groups([plan], lambda _, each: each is case)
        if group.alone:
            async with CaseRunner(self._settings, group).opened() as runner:
                return await runner.result(plan, case, watch)
        return await (await self._of(group)).result(plan, case, watch)

    async def _of(self, group: CaseGroup) -> CaseRunner:
        if group not in self._opened:
            opening = self._stack.enter_async_context(CaseRunner(self._settings, group).opened())
            self._opened[group] = asyncio.ensure_future(opening)
        return await asyncio.shield(self._opened[group])

    async def close(self) -> None:
        await self._stack.aclose()


class CaseRun(Struct, eq=False):
    """Execution of one case."""

    assembly: Assembly
    plan: CasePlan
    case: FlowCase
    app: App
    script: CaseScript
    clock: CaseClock
    watch: Callable[[int, Event], object] | None = None

    async def play(self, result: CaseResult) -> None:
        """Run the case, and add unmet expectations to the result. Raises ``JikkoError`` if no run can start."""
        workflow = await self.assembly.workflows.get(self.app)
        inputs = await self._given(self.case.inputs, workflow.inputs)
        if not self.case.turns:
            request = StartRequest(inputs=inputs, user=self.case.name)
            record = (await self.assembly.runs.start(self.app, request)).record
            self._judge(result, await self._observed(record), "")
        conversation = ""
        for index, turn in enumerate(self.case.turns):
            observed, conversation = await self._turn(turn, inputs, conversation)
            self._judge(result, observed, f"turns[{index}].", turn)
        if self.case.turns and result.runs:
            whole = ObservedRun(
                events=[event for run in result.runs for event in run.events],
                answer=result.runs[-1].answer,
                model_calls=self.script.model_calls,
            )
            found = problems_of(self.case.expect, whole, self.plan.names)
            # The end of each turn is an expectation of that turn.
            result.problems += [each for each in found if each.where != "status" or self.case.expect.status]

    def _judge(self, result: CaseResult, observed: ObservedRun, prefix: str, turn: CaseTurn | None = None) -> None:
        expect = self.case.expect if turn is None else turn.expect
        for problem in problems_of(expect, observed, self.plan.names):
            result.problems.append(CaseProblem(prefix + problem.where, problem.text, problem.node))
        result.runs.append(observed)
        result.path += map(self.plan.names.title, started(observed.events))

    async def _turn(self, turn: CaseTurn, inputs: Mapping[str, Any], conversation: str) -> tuple[ObservedRun, str]:
        before = self.script.model_calls
        kind = StartVariable(name="files", label="files", type="file-list")
        paths = {"files": [Upload(str(self.plan.path.parent / path)) for path in turn.files]}
        files: Any = await uploaded(paths, [kind], self.assembly.files, app_id=self.app.id, user=self.case.name)
        begun = await self.assembly.chat.turns.begin(
            self.app,
            TurnRequest(
                query=turn.say,
                inputs=inputs,
                user=self.case.name,
                conversation_id=conversation,
                files=files["files"],
                name_wanted=False,
                streamed=True,
            ),
        )
        if isinstance(begun, Message):
            # Answered by moderation or an annotation.
            end = RunFinished(at=self.clock(), status="succeeded", elapsed=0.0)
            return ObservedRun(events=[end], answer=begun.answer.text), begun.conversation_id
        record: RunRecord = begun.run.record
        observed = await self._observed(record)
        first = observed.events[0]
        if isinstance(first, RunStarted) and first.turn is not None:
            conversation = first.turn.conversation_id
        message = await self.assembly.conversations.message_of_run(record.identity.run_id)
        answer = None if message is None else message.answer.text
        return (
            msgspec.structs.replace(observed, answer=answer, model_calls=self.script.model_calls - before),
            conversation,
        )

    async def _observed(self, record: RunRecord) -> ObservedRun:
        events: list[Event] = []
        waits_for: tuple[str, ...] = ()
        while True:
            async for batch in self.assembly.runs.control.reader(record).follow(len(events) - 1):
                events += [event for _, event in batch]
                if self.watch is not None:
                    for position, event in batch:
                        self.watch(position, event)
            if not events or not isinstance(events[-1], RunPaused):
                break
            waits_for = await self._fill_in(record.identity.run_id)
            if waits_for:
                break
        return ObservedRun(
            run_id=record.identity.run_id, events=events, model_calls=self.script.model_calls, waits_for=waits_for
        )

    async def _fill_in(self, run_id: str) -> tuple[str, ...]:
        """Submit the forms that a run waits for. If none has an answer, returns their nodes."""
        record = await self.assembly.runs.records.any_record(run_id)
        opened = await self.assembly.runs.forms.open_forms(record)
        answered = False
        for form in opened:
            requested = form.requested
            answer = self.script.form(requested.node_id, requested.title)
            if answer == "timeout":
                self.clock.put_forward(requested.expires_at + 1)
                answered = await self.assembly.runs.forms.close_expired() > 0
            elif isinstance(answer, MockForm):
                await self._submit(form, requested, answer)
                answered = True
        return () if answered else tuple(form.requested.node_id for form in opened)

    async def _submit(self, form: Any, requested: FormRequested, answer: MockForm) -> None:
        actions: list[dict[str, Any]] = requested.form["actions"]
        ids = [action["id"] for action in actions if answer.action in (action["id"], action["title"])]
        # Defaults may be a model's text: only the test file may refer to files.
        defaults = requested.form.get("resolved_default_values") or {}
        asked = [
            each for each in form_variables(requested.form) if each.name in answer.values or each.name not in defaults
        ]
        inputs = {**defaults, **await self._given(answer.values, asked)}
        await self.assembly.runs.forms.submit_form(form, ids[0] if ids else answer.action, inputs)

    async def _given(self, values: Mapping[str, Any], variables: Sequence[StartVariable]) -> dict[str, Any]:
        """Return inputs for a run, with files uploaded. Raises ``InvalidParam`` with all missing and invalid ones."""
        pairs: list[tuple[str, str]] = []
        document: dict[str, Any] = {}
        for name, value in values.items():
            texts = value if isinstance(value, list) else [value]
            if texts and all(isinstance(text, str) and text.startswith("@") for text in texts):
                pairs += [(name, self._path(text)) for text in texts]
            else:
                document[name] = value
        given = given_inputs(variables, pairs, document, lambda path: Path(path).read_bytes().decode("utf-8-sig"))
        if found := [*given.problems, *given.unknown]:
            raise InvalidParam("; ".join(found))
        return await uploaded(given.values, variables, self.assembly.files, app_id=self.app.id, user=self.case.name)

    def _path(self, text: str) -> str:
        return text if text.startswith("@@") else f"@{self.plan.path.parent / text[1:]}"
