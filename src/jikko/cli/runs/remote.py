"""Routing of commands on a run: to the server that has its data folder, or to this process."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_run
from jikko.cli.options import assembled, together
from jikko.cli.remote.remote_server import RemoteServer
from jikko.cluster.data_folder_lock import owner_of, sole_owner
from jikko.exit_codes import ExitCode
from jikko.ports.stores.run_store import RunStore
from jikko.runs.reading.short_ids import run_of
from jikko.settings import Settings

acting = together(
    click.argument("run_id", metavar="RUN", shell_complete=complete_run),
    click.option("--user", default="cli", help="The acting user."),
)
"""Parameters of commands on a run: ``run_id``, ``user``."""


class Server:
    """Server of the data folder."""

    def __init__(self, url: str, key: str, user: str, store: RunStore) -> None:
        self._connection = RemoteServer(url, key)
        self._store = store
        self._user = user

    async def status_of(self, run_id: str) -> str:
        return str((await run_of(self._store, run_id)).status)

    async def act_on(
        self, run_id: str, what: str, body: dict[str, Any] | None = None, *, seconds: float | None = 30
    ) -> dict[str, Any]:
        """Post to a run: ``stop``, ``retry``. See ``post``."""
        return await self.post(f"/v1/workflows/run/{run_id}/{what}", body or {}, seconds=seconds)

    async def lineage(self, run_id: str) -> Any:
        """Return the run that this one repeats, and those that repeat it."""
        return await asyncio.to_thread(self._connection.json, "GET", f"/v1/workflows/run/{run_id}/lineage")

    async def post(self, path: str, body: dict[str, Any], *, seconds: float | None = 30) -> dict[str, Any]:
        """Send a body, with the user, and return the response. Raises ``Failure``: unreachable, or refused."""
        sent = json.dumps({"user": self._user, **body}).encode()
        found = await asyncio.to_thread(self._connection.json, "POST", path, sent, seconds=seconds)
        if not isinstance(found, dict):
            raise self.stranger()
        return found

    def stranger(self) -> Failure:
        """Return the error for a response that is not from a Jikko server."""
        return self._connection.stranger()


@asynccontextmanager
async def reached(settings: Settings, run_id: str, *, user: str) -> AsyncIterator[Any]:
    """Yield the means to act on a run: ``(server, run id)``, or ``(assembly, record)`` if no server has the data
    folder.

    In the second case no other process can start to serve it within the block.

    Raises:
        JikkoError: The run does not exist, or another process is in the way.
        Failure: A server is starting or stopping.
    """
    async with AsyncExitStack() as stack:
        assembly, address = await open_folder(settings, stack, doing="jikko runs")
        record = await run_of(assembly.store, run_id)
        if not address:
            yield assembly, record
            return
        passing = await stack.enter_async_context(assembly.app_keys.passing(record.identity.app_id))
        yield Server(address, passing, user, assembly.store), record.identity.run_id


async def open_folder(settings: Settings, stack: AsyncExitStack, *, doing: str) -> tuple[Assembly, str]:
    """Return the assembly of a data folder, and the address of its server; ``""``: there is none, nor can one start
    while the stack is open.

    Raises:
        JikkoError: Another process is in the way.
        Failure: A server is starting or stopping.
    """
    owner = owner_of(settings.home)
    if owner is not None and owner.doing == "jikko serve":
        if not owner.address:
            message = f"A server is about to start or end in {settings.home}; try again."
            raise Failure(message, exit_code=ExitCode.UNAVAILABLE, code="service_unavailable")
        return await stack.enter_async_context(assembled(settings)), local_address(owner.address)
    stack.enter_context(sole_owner(settings.home, doing=doing, patience=0.5))
    assembly = await stack.enter_async_context(assembled(settings, owned=True))
    await assembly.cluster.attend()
    return assembly, ""


def local_address(address: str) -> str:
    """Convert a listening address into one to connect to."""
    return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
