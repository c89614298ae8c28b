"""The context that every factory of a room is given."""

from collections.abc import Mapping

from msgspec import Struct

from jikko.apps.versions import StandIns
from jikko.concurrency.shutdown import Shutdown
from jikko.ports.clock import Clock
from jikko.ports.http import HttpClient
from jikko.settings import Settings


class BuildContext(Struct, frozen=True):
    """The process whose services are built."""

    settings: Settings
    """Of limits of the machine, the part that this process may use."""
    of_machine: Settings
    """As they were set: the limits of all processes of this machine together."""
    stack: Shutdown
    """Closes what was built, the newest first."""
    environment: Mapping[str, str]
    """What ``${NAME}`` in the files of providers, tools and plugins stands for."""
    clock: Clock
    in_memory: bool = False
    """Whether nothing is kept on disk."""
    owned: bool = False
    """Whether this process, or the one that started it, holds the data folder."""
    brief: bool = False
    """Whether the process ends after a run or two."""
    workers: int = 1
    """How many processes of this machine share its limits and write to its database."""
    http: HttpClient | None = None
    """Sends the requests of nodes and files in place of the usual client."""
    stand_ins: StandIns | None = None
    """See ``Workflows``."""
