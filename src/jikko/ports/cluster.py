"""Cluster: the messages between the processes that execute runs of the same store.

Every message is a hint. It may be lost, duplicated or late, and its sender may be dead by then. A run's state and owner
are defined by its log and record alone, whose appends are fenced (see ``runs/recovery.py``). So delivery is best
effort, and a process waiting for a message also polls, slowly.

Contract: ``tests/contract/test_cluster.py``.
"""

from collections.abc import Collection, Mapping, Set
from typing import Literal, Protocol, TypeAlias

import msgspec

from jikko.events import FormClosed

# Tags are message names on the wire, shared by servers of two versions: keep them when renaming a class.
# Requests to the holder of a run -------------------------------------------------------------------------------------


class StopRun(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop a run. The answer is True if it was stopped, and its end is durable."""

    run_id: str
    error: str
    only_waiting: bool = False
    """Stop it only if it has not begun."""


class SubmitForm(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Submit a form of a run. The answer is True if the run waited for it, and the submission is durable."""

    run_id: str
    closed: FormClosed


class WaitForEvents(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Answer once the durable log of a run has more than ``count`` events, or after ``seconds``.

    The answer is the new events (``EventsAppended``), or ``True`` to have them read from the store.
    """

    run_id: str
    count: int
    seconds: float


class ReleaseRun(msgspec.Struct, frozen=True, kw_only=True, tag="LetGo"):
    """Another member owns a run that waited here, durably since its ``epoch``."""

    run_id: str
    epoch: int


class EndServer(msgspec.Struct, frozen=True, tag=True):
    """Shut the server down gracefully, like SIGTERM. The answer ``True`` comes before it begins."""


RunCommand: TypeAlias = StopRun | SubmitForm | WaitForEvents | ReleaseRun
Command: TypeAlias = RunCommand | EndServer


class EventsAppended(msgspec.Struct, frozen=True, tag="Grown"):
    """Durable events of a run after those that the requester knew."""

    events: msgspec.Raw
    """JSON array, whose first event has the position ``WaitForEvents.count``. A reader of another version may not know
    some of the events."""
    since: float = 0.0
    """When the first one became durable, in seconds since the Unix epoch by the holder's clock; 0 if unknown."""


Answer: TypeAlias = bool | EventsAppended | None
"""Answer to a command. ``None``: the run is not here."""

# Broadcast hints -----------------------------------------------------------------------------------------------------


class RunChanged(msgspec.Struct, frozen=True, tag=True):
    """A run went on or ended, without a holder that its followers could have asked."""

    run_id: str


class StartWasRefused(msgspec.Struct, frozen=True, tag=True):
    """The record may contain, now or later, a run that its holder refused to start. It is never executed: its holder
    removes it, or the process that finds it after the holder is gone."""

    run_id: str


class RunsMoved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Runs started, ended, paused or resumed: lists of runs are stale."""

    run_ids: tuple[str, ...]
    """The latest of them."""


Job: TypeAlias = Literal["forms", "callbacks", "keywords", "knowledge", "annotations"]
"""Background jobs that accept a hint."""


class JobDue(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A job of the leader is due, earlier than it may know."""

    job: Job
    at: float
    """Due time in seconds since the Unix epoch."""


Hint: TypeAlias = RunChanged | StartWasRefused | RunsMoved | JobDue

# Runs that change hands ----------------------------------------------------------------------------------------------


class OrphanedRuns(msgspec.Struct, frozen=True, kw_only=True):
    """Open runs without a live process, for one member to take over."""

    holder: str = ""
    """The dead process; empty: every process of an earlier server."""
    share: int = 0
    """Index, from 0, of the share of runs, which are divided by their ids."""
    of: int = 1
    """Number of shares."""


class WaitingRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run queued at its holder, which any member with a free slot may begin."""

    run_id: str
    app_id: str
    holder: str
    epoch: int


class ServerState(msgspec.Struct, frozen=True, kw_only=True):
    """What a process reports about itself besides its heartbeat."""

    since: float
    """When it began to serve, in seconds since the Unix epoch."""
    runs: int
    failing: tuple[str, ...] = ()
    """Names of failing checks, as in `/readyz`."""
    configuration: Mapping[str, str] = {}
    """Settings that must match on all servers: values and digests, by name. Empty until read."""


def differences(one: ServerState, other: ServerState) -> list[str]:
    """Return the sorted names of differing settings; none if one configuration is unknown."""
    if not one.configuration or not other.configuration:
        return []
    names = {*one.configuration, *other.configuration}
    return sorted(name for name in names if one.configuration.get(name) != other.configuration.get(name))


class Refusals(Protocol):
    """Ids of runs whose start was refused. They outlive the process, and are shared by all of a data folder."""

    async def add(self, run_id: str) -> None:
        """Keep an id, durably if possible."""

    async def read(self) -> Set[str]:
        """Return the recently kept ids."""


class WaitingRuns(Protocol):
    """Queued runs that members offer to each other: at most N per app at once, so that an app with many runs does not
    starve the others."""

    async def offer(self, run: WaitingRun) -> bool:
        """Offer a run. ``False``: N of its app are offered already, or no member is reachable."""

    async def withdraw(self, run_id: str) -> None:
        """Withdraw an offer: the run has begun, ended or changed hands."""


class Takeover(Protocol):
    """Runs that go on in this process, as far as readable."""

    @property
    def is_whole(self) -> bool:
        """False if a run was left for a process of a newer version, the only one able to read it."""

    async def durable(self) -> None:
        """Wait until the records name this process as the holder."""


class Member(Protocol):
    """Handlers of a process for messages of its cluster. All may be called repeatedly and concurrently."""

    async def handle_command(self, command: Command) -> Answer:
        """Handle another member's request. ``None``: the run is not here."""

    def on_hint(self, hint: Hint) -> None:
        """Handle a hint, including the member's own."""

    async def take_over(self, orphans: OrphanedRuns) -> Takeover:
        """Take over runs. Those that this process holds already are unchanged."""

    def state(self) -> ServerState:
        """Return this process's state for the others. It never waits, since a heartbeat waits for it."""

    async def room(self) -> None:
        """Wait until this process has a slot that none of its own runs needs."""

    async def take_waiting(self, run: WaitingRun) -> bool:
        """Execute a run still queued at another member. ``False``: not here, or not now."""

    async def offer_waiting(self, waiting: WaitingRuns) -> None:
        """Offer long-queued runs of this process, until cancelled."""

    async def read_again(self) -> None:
        """Reload the operator's files. Raises ``InvalidSettings`` if one is wrong; then all keep their old content."""

    async def lead(self) -> None:
        """Run the leader's background jobs, until cancelled."""


class Cluster(Protocol):
    """The processes that serve together, as seen by one of them."""

    @property
    def name(self) -> str:
        """Name of this process as the holder of runs: ``server/number``. Names are never reused."""

    def members(self) -> Collection[str]:
        """Processes known to be alive, including this one. Any other process may be dead."""

    def is_late(self, name: str) -> bool:
        """Return True if messages of a process may not arrive: its heartbeat is late, or it is not a member."""

    def diagnose(self) -> str:
        """Return why this process cannot hear live members, or an empty string if it can."""

    async def join(self, member: Member) -> None:
        """Start receiving messages. Returns once the member has begun its initial takeover."""

    async def attend(self) -> None:
        """Send heartbeats without taking part, until ``close``: for a command that executes its own runs, which would
        otherwise count as orphaned. Raises ``StoreUnavailable`` if the others cannot be told."""

    def leave(self) -> None:
        """Stop leading and taking over runs. The member still gets requests and hints until ``close``."""

    async def close(self) -> None:
        """Stop receiving messages. Idempotent."""

    async def request(self, holder: str, command: Command) -> Answer:
        """Send a command to the holder of a run, and return its answer. ``None``: there is no such member, it does not
        have the run, or it timed out and may or may not have executed the command. Check the record."""

    def offer(self, orphans: OrphanedRuns) -> None:
        """Have some member take over runs, possibly this one."""

    async def count(self, key: bytes, per_minute: int) -> int:
        """Count a request against a limit shared by all members. Returns 0, or the seconds to wait if it is refused. A
        request that no process can count is let through.

        Args:
            key: An API key or another counted subject; subjects of different kinds differ.
            per_minute: Limit in any 60 seconds; 0 for none. Requests of a key are counted separately for each limit.
        """

    def hint(self, hint: Hint) -> None:
        """Send a hint to all members, including this one. Returns at once."""


def server_of(name: str) -> str:
    """Return the server part of a process's name."""
    return name.partition("/")[0]
