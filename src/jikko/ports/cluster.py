"""The other processes that execute runs of the same store: all that they ask and tell each other.

Every message is a hint. It may be lost, come twice, or come late, and the sender may be dead by then: what a run is,
and whose, is in its log and record alone, whose appends are fenced (see ``runs/recovery.py``). So an implementation
owes no delivery, only a good try; and what waits for a message also looks by itself, slowly.

What an implementation must do is written down as tests, in ``tests/contract/test_cluster.py``.
"""

from collections.abc import Collection, Mapping, Set
from typing import Literal, Protocol, TypeAlias

import msgspec

from jikko.events import FormClosed

# Tags are the names of messages on the wire, where servers of two versions meet: they stay when a class is renamed.
# Requests to the holder of a run -------------------------------------------------------------------------------------


class StopRun(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop a run. Answered by whether it was still to be stopped; then its end is durable."""

    run_id: str
    error: str
    only_waiting: bool = False
    """Leave it alone if it has begun."""


class SubmitForm(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Submit a form of a run. Answered by whether the run waited for it; then it is durable."""

    run_id: str
    closed: FormClosed


class WaitForEvents(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Answer once the durable log of a run has more than ``count`` events, or ``seconds`` have passed.

    Answered by what has come (``EventsAppended``), or by ``True`` if it is to be read from the store.
    """

    run_id: str
    count: int
    seconds: float


class ReleaseRun(msgspec.Struct, frozen=True, kw_only=True, tag="LetGo"):
    """Another member has a run that waited here: durably, since its ``epoch``."""

    run_id: str
    epoch: int


class EndServer(msgspec.Struct, frozen=True, tag=True):
    """End the server in good order, as SIGTERM does. Answered by ``True`` before it begins."""


RunCommand: TypeAlias = StopRun | SubmitForm | WaitForEvents | ReleaseRun
Command: TypeAlias = RunCommand | EndServer


class EventsAppended(msgspec.Struct, frozen=True, tag="Grown"):
    """The durable events of a run behind those that who asked knew of."""

    events: msgspec.Raw
    """A JSON array, whose first event has the position ``WaitForEvents.count``. Who reads it may be of another version,
    and not know one of them."""
    since: float = 0.0
    """When the first of them became durable, in seconds since the Unix epoch by the holder's clock; 0: not known."""


Answer: TypeAlias = bool | EventsAppended | None
"""What comes of a command. ``None``: the run is not there."""

# Hints to all --------------------------------------------------------------------------------------------------------


class RunChanged(msgspec.Struct, frozen=True, tag=True):
    """A run went on, or ended, without a holder that those who follow it could have asked."""

    run_id: str


class StartWasRefused(msgspec.Struct, frozen=True, tag=True):
    """A run that its holder has refused to start may be in the record, or come there. Nobody executes it: its holder
    removes it, or whoever finds it once that is gone."""

    run_id: str


class RunsMoved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Runs were started, ended, paused or went on: those who look at lists of them look again."""

    run_ids: tuple[str, ...]
    """Some of them, the latest."""


Job: TypeAlias = Literal["forms", "callbacks", "keywords", "knowledge", "annotations"]
"""The background jobs that take a hint of what is due."""


class JobDue(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The leader has something to do, earlier than it may know."""

    job: Job
    at: float
    """When, in seconds since the Unix epoch."""


Hint: TypeAlias = RunChanged | StartWasRefused | RunsMoved | JobDue

# What must move ------------------------------------------------------------------------------------------------------


class OrphanedRuns(msgspec.Struct, frozen=True, kw_only=True):
    """Open runs without a process to execute them, for one member to take over."""

    holder: str = ""
    """The process that is gone; empty: every process of an earlier server."""
    share: int = 0
    """Which of the parts into which the runs are divided by their ids, counted from 0 …"""
    of: int = 1
    """… and how many parts there are."""


class WaitingRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that waits for a slot at its holder, and may begin at any member that has one."""

    run_id: str
    app_id: str
    holder: str
    epoch: int


class ServerState(msgspec.Struct, frozen=True, kw_only=True):
    """What a process tells the others of itself, beside that it lives."""

    since: float
    """When it began to serve, in seconds since the Unix epoch."""
    runs: int
    failing: tuple[str, ...] = ()
    """Why it is not ready: names of checks, as `/readyz` has them."""
    configuration: Mapping[str, str] = {}
    """What must be the same on all servers: values and digests, by name. Empty: not read yet."""


def differences(one: ServerState, other: ServerState) -> list[str]:
    """Return the names of what differs in two configurations, sorted; none if one is not known."""
    if not one.configuration or not other.configuration:
        return []
    names = {*one.configuration, *other.configuration}
    return sorted(name for name in names if one.configuration.get(name) != other.configuration.get(name))


class Refusals(Protocol):
    """The ids of runs whose start was refused. They outlive the process, and are there for all of a data folder."""

    async def add(self, run_id: str) -> None:
        """Keep one, durably if that is possible."""

    async def read(self) -> Set[str]:
        """All that were kept lately."""


class WaitingRuns(Protocol):
    """The runs that wait, as members offer them to each other: of one app only N at once, so that all apps are
    served, however many runs of one there are."""

    async def offer(self, run: WaitingRun) -> bool:
        """Offer a run. ``False``: N of its app are offered already, or nobody can be reached."""

    async def withdraw(self, run_id: str) -> None:
        """Offer a run no more: it has begun, or ended, or is another's."""


class Takeover(Protocol):
    """Runs that go on in this process, as far as they could be read."""

    @property
    def is_whole(self) -> bool:
        """Whether none was left to a process of a newer version, which alone can read it."""

    async def durable(self) -> None:
        """Wait until their records name this process as the holder."""


class Member(Protocol):
    """What a process does when its cluster tells it something. All may be called several times, and at once."""

    async def handle_command(self, command: Command) -> Answer:
        """Do what another member asks for. ``None``: the run is not here."""

    def on_hint(self, hint: Hint) -> None:
        """Take note of a hint; those of this member itself come too."""

    async def take_over(self, orphans: OrphanedRuns) -> Takeover:
        """Take over runs. Those that this process has already stay as they are."""

    def state(self) -> ServerState:
        """Return what the others may know of this process. A heartbeat waits for it, so it waits for nothing."""

    async def room(self) -> None:
        """Wait until this process has a slot that no run of its own waits for."""

    async def take_waiting(self, run: WaitingRun) -> bool:
        """Execute a run that waits at another member, if it still does. ``False``: not here, or not now."""

    async def offer_waiting(self, waiting: WaitingRuns) -> None:
        """Offer runs that wait here for long, until cancelled."""

    async def read_again(self) -> None:
        """Read the files of the operator again.
        Raises ``InvalidSettings``: one is wrong; all go on to hold as they were."""

    async def lead(self) -> None:
        """Do what one process does for all, until cancelled: the member does not lead any more."""


class Cluster(Protocol):
    """The processes that serve together, as one of them sees the others."""

    @property
    def name(self) -> str:
        """What this process is called in the records of the runs that it holds: ``server/number``.

        No process is ever called as another one was.
        """

    def members(self) -> Collection[str]:
        """The processes that are known to live, this one among them. A process that is not among them may be gone."""

    def is_late(self, name: str) -> bool:
        """Return whether messages of a process may not arrive now: its heartbeat is late, or it is not a member."""

    def diagnose(self) -> str:
        """Return why this process cannot hear the others that are there; an empty string if it can."""

    async def join(self, member: Member) -> None:
        """Begin to get messages. Returns once the member has begun to take over what it is to start with."""

    async def attend(self) -> None:
        """Be known to the others as one that lives, and take part in nothing, until ``close``: for a command that
        executes runs of its own. Otherwise these would be taken for those of a process that died.
        Raises ``StoreUnavailable``: the others cannot be told."""

    def leave(self) -> None:
        """Lead no more and take over nothing more. The member still gets requests and hints until ``close``."""

    async def close(self) -> None:
        """Get no more messages. May be called twice."""

    async def request(self, holder: str, command: Command) -> Answer:
        """Have the holder of a run do something.
        Returns its answer. ``None``: there is no member of that name, or it does not have the run, or it did not answer
        in time and may or may not have done it. Look at the record again."""

    def offer(self, orphans: OrphanedRuns) -> None:
        """Have some member take runs over, this one perhaps."""

    async def count(self, key: bytes, per_minute: int) -> int:
        """Count a request by a key, for all members together. Returns 0, or the seconds to wait if it is refused. A
        request that no process counts is let through.

        Args:
            key: An API key, or what else is counted; those of different kinds differ.
            per_minute: How many the key may make in any 60 seconds; 0 for no limit. The requests of a key at one rate
                do not count at another.
        """

    def hint(self, hint: Hint) -> None:
        """Tell all members, this one included. Returns at once."""


def server_of(name: str) -> str:
    """The server that a process is one of."""
    return name.partition("/")[0]
