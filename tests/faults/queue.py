"""JetStream's state for the servers of a test, as seen by an operator."""

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
    """Queue of orphaned runs."""

    def __init__(self, url: str, postgres: PostgresServer, database: str) -> None:
        """Args:
        database: Shared by the servers; the cluster has its name."""
        owner = postgres.execute(
            "SELECT convert_from(value, 'UTF8') FROM installation WHERE name = 'data_folder'", database
        )
        self._stream = Names(owner.strip().removeprefix("servers/")).stream("QUEUE")
        self._url = url

    @property
    def in_hand(self) -> int:
        """Return the number of entries delivered to servers but not taken over yet."""

        async def ask(stream: JetStreamContext) -> int:
            return (await stream.consumer_info(self._stream, QUEUE_CONSUMER)).num_ack_pending or 0

        return self._asked(ask)

    @property
    def leader(self) -> str:
        """Return the NATS server that leads the stream."""

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
    """Wait until no run is open. Returns the runs that are missing from a database or did not succeed."""

    def none_is_open() -> bool:
        return postgres.execute("SELECT count(*) FROM open_runs", database).strip() == "0"

    until(none_is_open, "every run has ended")
    ended = set(postgres.execute("SELECT encode(run_id, 'hex') FROM runs WHERE status = 2", database).split())
    return [run for run in runs if run.replace("-", "") not in ended]


def name_of(url: str) -> str:
    """Return the name of a database."""
    return urlsplit(url).path.strip("/")
