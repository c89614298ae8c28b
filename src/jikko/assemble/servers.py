"""View of the servers that share a database, for commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from nats.js.errors import NotFoundError

from jikko.assemble.build_cluster import access_of
from jikko.cluster.nats.link import NatsLink, last_heartbeats
from jikko.cluster.nats.nats_refusals import NATS_ERRORS
from jikko.cluster.nats.nats_wire import answer_of, to_parts
from jikko.cluster.nats.streams import Names
from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.ports.cluster import EndServer, ServerState, differences, server_of
from jikko.settings import Settings
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.migrate import SHARED, is_there
from jikko.store.postgres.sharing import read_owner

_ANSWER_SECONDS: Final = 10.0


class SeenServer(NamedTuple):
    """One server, with all its processes."""

    name: str
    version: str
    since: float
    """Start of its oldest process, in seconds since the Unix epoch; 0 for earlier versions, which do not report it."""
    runs: int
    failing: tuple[str, ...]
    """Failing readiness checks of its processes."""
    differs: tuple[str, ...]
    """Names of deviations from most servers, as in ``ServerState.configuration``."""
    processes: tuple[str, ...]


class SeenServers:
    """NATS connection of an observer."""

    def __init__(self, link: NatsLink | None) -> None:
        """Args:
        link: ``None`` if no server has shared the database yet."""
        self._link = link

    async def all(self) -> list[SeenServer]:
        """Return the live servers by name. Raises ``StoreUnavailable``: NATS does not answer."""
        if self._link is None:
            return []
        try:
            beats = await last_heartbeats(self._link)
        except NotFoundError:
            return []  # no server has declared anything
        except NATS_ERRORS as error:
            raise StoreUnavailable(f"NATS does not list the servers: {error}") from None
        states = {name: beat.state for name, beat in beats.items() if beat.state is not None}
        # One process represents its server: the number of processes gives no more weight.
        usual = _usual(list({server_of(name): state for name, state in states.items()}.values()))
        found = []
        for server in sorted({server_of(name) for name in beats}):
            processes = tuple(sorted(name for name in beats if server_of(name) == server))
            own = [states[name] for name in processes if name in states]
            found.append(
                SeenServer(
                    server,
                    beats[processes[0]].version,
                    min((state.since for state in own), default=0.0),
                    sum(state.runs for state in own),
                    tuple(sorted({name for state in own for name in state.failing})),
                    tuple(sorted({name for state in own for name in differences(usual, state)})),
                    processes,
                )
            )
        return found

    async def end(self, server: SeenServer) -> bool:
        """Stop a server gracefully. Returns whether it accepted the command."""
        link = self._link
        if link is None:
            return False
        for process in server.processes:
            parts = to_parts(EndServer(), link.client.max_payload)
            if answer_of(await link.ask(link.names.ask(process), parts, _ANSWER_SECONDS)):
                return True
        return False


def _usual(states: list[ServerState]) -> ServerState:
    """Return a state with the most common configuration; of several, the first by name of what differs."""
    kinds = [tuple(sorted(state.configuration.items())) for state in states]
    most = max(sorted(set(kinds)), key=kinds.count, default=())
    return ServerState(since=0.0, runs=0, configuration=dict(most))


@asynccontextmanager
async def seen_servers(settings: Settings) -> AsyncIterator[SeenServers]:
    """Observe the servers without joining them. Raises ``InvalidSettings``: there is a single server, or NATS is
    unusable; ``StoreUnavailable``: the database or NATS is unreachable."""
    if not settings.nats_url:
        raise InvalidSettings("There is only one server: without JIKKO_NATS_URL, servers share no database.")
    access = access_of(settings)
    database = Postgres(settings.database_url)
    try:
        owner = (await read_owner(database))[0] if await is_there(database) else ""
    finally:
        await database.close()
    if not owner.startswith(SHARED):
        yield SeenServers(None)
        return
    link = await NatsLink.beside(settings.nats_url, Names(owner.removeprefix(SHARED)), access)
    try:
        yield SeenServers(link)
    finally:
        await link.break_off()
