"""What JetStream keeps for the servers of a test, as an operator sees it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar
from urllib.parse import urlsplit

import nats
from nats.js.client import JetStreamContext

from jikko.cluster.nats.streams import QUEUE_CONSUMER, Names
from tests.acceptance.faults import until
from tests.store.postgres_server import PostgresServer

T = TypeVar("T")


class Queue:
    """The queue of runs that servers left behind."""

    def __init__(self, url: str, postgres: PostgresServer, database: str) -> None:
        """Args:
        database: Which the servers share: it has the name of their cluster.
        """
        owner = postgres.execute(
            "SELECT convert_from(value, 'UTF8') FROM installation WHERE name = 'data_folder'", database
        )
        self._stream = Names(owner.strip().removeprefix("servers/")).stream("QUEUE")
        self._url = url

    @property
    def in_hand(self) -> int:
        """Entries that servers have, and have not taken over yet."""

        async def ask(stream: JetStreamContext) -> int:
            return (await stream.consumer_info(self._stream, QUEUE_CONSUMER)).num_ack_pending or 0

        return self._asked(ask)

    @property
    def leader(self) -> str:
        """The server of NATS that leads for it."""

        async def ask(stream: JetStreamContext) -> str:
            cluster = (await stream.stream_info(self._stream)).cluster
            return "" if cluster is None else cluster.leader or ""

        return self._asked(ask)

    def _asked(self, ask: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        async def connected() -> T:
            client = await nats.connect(self._url.split(","))
            try:
                return await ask(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(connected())


def unsuccessful(postgres: PostgresServer, database: str, runs: Iterable[str]) -> list[str]:
    """Those of many runs that are not in a database, or did not succeed. Waits until none is open."""

    def none_is_open() -> bool:
        return postgres.execute("SELECT count(*) FROM open_runs", database).strip() == "0"

    until(none_is_open, "every run has ended")
    ended = set(postgres.execute("SELECT encode(run_id, 'hex') FROM runs WHERE status = 2", database).split())
    return [run for run in runs if run.replace("-", "") not in ended]


def name_of(url: str) -> str:
    """The name of a database."""
    return urlsplit(url).path.strip("/")
