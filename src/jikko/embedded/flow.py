"""Workflows in this process, without a store on disk or a server."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import msgspec

from jikko.apps.dsl_file import read_dsl_file
from jikko.apps.versions import check
from jikko.client.answers import FlowRun, RunEvent
from jikko.concurrency.loop_thread import LoopThread
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.embedded.case_runs import CaseRunner, OpenRunners, groups
from jikko.errors import InvalidParam
from jikko.events import Event, NodeFinished, RunFinished
from jikko.ids import new_id
from jikko.nodes.registry import BY_TYPE
from jikko.proving.case_file import Outside
from jikko.proving.case_plan import plan_of
from jikko.proving.verdict import CaseResult
from jikko.setting_sources import read_settings
from jikko.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


def _waiting(method: Callable[Concatenate["Flow", P], Coroutine[Any, Any, T]]) -> Callable[Concatenate["Flow", P], T]:
    @wraps(method)
    def call(self: "Flow", /, *arguments: P.args, **given: P.kwargs) -> T:
        work = method(self, *arguments, **given)
        return asyncio.run(work) if self._loop is None else self._loop.run(work)

    return call


class Flow:
    """Workflow or chat of a file. Within ``with`` or ``async with`` its runs share resources."""

    def __init__(self, path: Path, problems: list[Diagnostic], mode: str, settings: Settings) -> None:
        self.path = path
        self.problems = [str(problem) for problem in problems]
        """Possible failures."""
        self.mode = mode
        """``workflow``, ``advanced-chat``, …"""
        self._settings = settings
        self._open: OpenRunners | None = None
        self._loop: LoopThread | None = None

    async def __aenter__(self) -> Self:
        self._open = OpenRunners(self._settings)
        return self

    async def __aexit__(self, *ended: object) -> None:
        runners, self._open = self._open, None
        if runners is not None:
            await runners.close()

    def __enter__(self) -> Self:
        self._loop = LoopThread().__enter__()
        return self._loop.run(self.__aenter__())

    def __exit__(self, *ended: object) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            try:
                loop.run(self.__aexit__())
            finally:
                loop.__exit__(None, None, None)

    async def run_async(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        question: str = "",
        mocks: Mapping[str, Any] | None = None,
        models: list[dict[str, Any]] | None = None,
        http: list[dict[str, Any]] | None = None,
        tools: list[dict[str, Any]] | None = None,
        knowledge: list[dict[str, Any]] | None = None,
        forms: Mapping[str, Any] | None = None,
        env: Mapping[str, Any] | None = None,
        clock: str = "",
        outside: Outside = "live",
        on_event: Callable[[RunEvent], object] | None = None,
    ) -> FlowRun:
        """Run once, and wait for the end or a pause.

        ``mocks`` to ``forms``, ``env`` and ``clock`` are those of a test file (docs/testing.md).

        Args:
            inputs: By name. A ``Path`` is a file.
            question: Question to a chat.
            outside: What answers unmocked calls: the real world, ``fake`` models, or nothing (``refuse``).
            on_event: Called with each event as it happens.

        Raises:
            InvalidParam: All inputs, mocks and questions that do not fit the workflow; or an unmocked call.
        """
        case = {
            "name": new_id(),
            "inputs": {name: _given(value) for name, value in (inputs or {}).items()},
            "turns": [{"say": question}] if question else [],
            "mocks": mocks or {},
            "models": models or [],
            "http": http or [],
            "tools": tools or [],
            "knowledge": knowledge or [],
            "forms": forms or {},
            "clock": clock,
            "outside": outside,
        }
        try:
            text = msgspec.json.encode({"env": env or {}, "cases": [case]})
        except TypeError as error:
            raise InvalidParam(f"{self.path}: a value is not one of JSON: {error}") from None
        read = plan_of(text, self.path.absolute(), self.path)
        if read.plan is None:
            raise _refused(self.path, map(str, read.problems))
        [(group, [(plan, entry)])] = groups([read.plan], lambda plan, case: True).items()
        watch = None if on_event is None else (lambda position, event: on_event(_event(position, event)))
        if self._open is not None:
            result = await self._open.result(plan, entry, watch)
        else:
            async with CaseRunner(self._settings, group).opened() as runner:
                result = await runner.result(plan, entry, watch)
        if result.outcome == "error":
            raise _refused(self.path, (each.text for each in result.problems))
        return _run_of(result)

    run = _waiting(run_async)


def load(
    path: str | Path,
    *,
    providers: str | Path | None = None,
    tools: str | Path | None = None,
    timeout: float | None = None,
) -> Flow:
    """Read and check a workflow file.

    Args:
        providers: Providers file; by default ``JIKKO_PROVIDERS``.
        tools: Tools file, likewise.
        timeout: Seconds that a run may take; by default an hour.

    Raises:
        InvalidDocument: All problems that prevent the import.
        OSError: It cannot be read.
        InvalidSettings: A setting of the environment is invalid.
    """
    path = Path(path)
    checked = check(read_dsl_file(path), source=str(path), node_classes=BY_TYPE)
    document, _ = checked.require()
    settings = read_settings(os.environ, providers=_path(providers), tools=_path(tools), max_seconds=timeout)
    return Flow(path, list(checked.problems), document.mode, settings)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _given(value: Any) -> Any:
    """Convert an input to the form of a test file."""
    if isinstance(value, list):
        return [_given(each) for each in value]
    if isinstance(value, Path):
        return f"@{value.absolute()}"
    return f"@{value}" if isinstance(value, str) and value.startswith("@") else value


def _refused(path: Path, problems: Iterable[str]) -> InvalidParam:
    return InvalidParam(f"{path}: " + "; ".join(each.replace("cases[0].", "") for each in problems))


def _event(position: int, event: Event) -> RunEvent:
    data: dict[str, Any] = msgspec.to_builtins(event)
    return RunEvent(str(data["event"]), data, position)


def _run_of(result: CaseResult) -> FlowRun:
    [run] = result.runs
    end = run.events[-1]
    over = end if isinstance(end, RunFinished) else None
    return FlowRun(
        id=run.run_id,
        status="paused" if over is None else over.status,
        outputs={} if over is None else over.outputs,
        error="" if over is None else over.error or "",
        answer=run.answer,
        tokens=0 if over is None else over.total_tokens,
        steps=len([event for event in run.events if isinstance(event, NodeFinished)]),
        seconds=0.0 if over is None else over.elapsed,
        path=tuple(result.path),
        events=tuple(_event(position, event) for position, event in enumerate(run.events)),
    )
