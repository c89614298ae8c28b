"""Inner runs: workflows called as tools.

An inner run is an ordinary run: it has its own record, log and end, and continues after a crash by itself. Only its
caller waits for it: with an idempotency key that names the call, a node that runs again finds the run it had begun. A
failed run does not answer a further attempt.
"""

import asyncio
import logging
from collections.abc import Callable

from msgspec import Struct, field

from jikko.apps.versions import Workflows
from jikko.errors import JikkoError, KeyTaken, RunLeft
from jikko.events import RunFinished, RunPaused
from jikko.nodes.flow.human_input import HumanInput
from jikko.ports.app_calls import InnerApp, InnerCall, InnerInput, InnerOutcome, InnerRefused
from jikko.ports.clock import Clock
from jikko.ports.stores.run_store import KeyClaim, RunStore, StartOptions
from jikko.repositories.app_store import App, AppStore
from jikko.runs.runs import Runs, Started, StartRequest, fingerprint

log = logging.getLogger(__name__)

_MODE = "workflow"
_MAX_ATTEMPTS = 100
"""Maximum runs of one node execution; nodes have fewer retries."""


class InnerRuns(Struct, eq=False):
    """``InnerWorkflows`` of one process."""

    runs: Callable[[], Runs]
    """All runs; created later, since they know the nodes that call this."""
    store: RunStore
    apps: AppStore
    workflows: Workflows
    clock: Clock
    _stopping: set[asyncio.Task[bool]] = field(default_factory=set)

    async def find(self, name: str) -> InnerApp | None:
        app = await self.apps.app_named(name)
        if app is None or app.mode != _MODE:
            return None
        try:
            workflow = await self.workflows.get(app)
        except JikkoError as error:
            raise InnerRefused(str(error)) from None
        return InnerApp(
            id=app.id,
            name=app.name,
            inputs=tuple(
                InnerInput(variable.name, variable.type, variable.required, variable.options)
                for variable in workflow.inputs
            ),
            waits_for_humans=any(isinstance(node.node, HumanInput) for node in workflow.graph.nodes.values()),
        )

    async def run(self, call: InnerCall) -> InnerOutcome:
        app = await self.apps.app(call.app.id)
        if app is None:
            raise InnerRefused(f"the app {call.app.name!r} no longer exists")
        for attempt in range(_MAX_ATTEMPTS):
            started, is_found = await self._started(app, call, f"{call.key}#{attempt}")
            outcome = await self._outcome(app, call, started)
            if not is_found or outcome.error is None:
                return outcome
        raise InnerRefused("too many attempts")

    async def _started(self, app: App, call: InnerCall, key: str) -> tuple[Started, bool]:
        """Return the run of a key, and whether it existed before this call."""
        claim = KeyClaim(key=key, fingerprint=fingerprint("inner", key), at=self.clock())
        known = await self.store.claimed(app.id, key, now=claim.at)
        if known is not None:
            return await self._found(app, known[0]), True
        request = StartRequest(
            inputs=call.inputs, user=call.user, files=call.files or None, end_user_id=call.end_user_id, depth=call.depth
        )
        try:
            run_log = await self.runs().start(app, request, StartOptions(claim=claim))
            await run_log.committed()
        except KeyTaken as taken:
            return await self._found(app, taken.run_id), True
        except RunLeft:
            raise
        except JikkoError as error:
            raise InnerRefused(str(error)) from None
        return run_log, False

    async def _found(self, app: App, run_id: str) -> Started:
        runs = self.runs()
        return runs.control.reader(await runs.records.record(app.id, run_id))

    async def _outcome(self, app: App, call: InnerCall, started: Started) -> InnerOutcome:
        run_id = started.record.identity.run_id
        try:
            end = await started.ended()
        except asyncio.CancelledError:
            # Not at shutdown: the inner run is left to the next process, as its caller is.
            if not self.runs().executor.is_closing:
                self._stop(app.id, run_id, call.user)
            raise
        except JikkoError as error:
            raise InnerRefused(str(error)) from None
        if isinstance(end, RunPaused):
            self._stop(app.id, run_id, call.user)
            return InnerOutcome({}, "the workflow waits for a form, which cannot be submitted here", end.total_tokens)
        return _outcome(end)

    def _stop(self, app_id: str, run_id: str, user: str) -> None:
        task = asyncio.get_running_loop().create_task(self.runs().control.stop(app_id, run_id, user))
        self._stopping.add(task)
        task.add_done_callback(self._stopped)

    def _stopped(self, task: "asyncio.Task[bool]") -> None:
        self._stopping.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("an inner run could not be stopped: %s", error)


def _outcome(end: RunFinished) -> InnerOutcome:
    has_worked = end.status in ("succeeded", "partial-succeeded")
    return InnerOutcome(end.outputs, None if has_worked else end.error or end.status, end.total_tokens)
