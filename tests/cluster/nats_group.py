"""Cluster processes over a real NATS server, in one test process."""

import secrets

import pytest

from jikko.cluster.nats.link import NatsLink
from jikko.cluster.nats.nats_cluster import NatsCluster
from jikko.cluster.nats.streams import Names
from jikko.ports.cluster import Cluster
from tests.cluster.recorder import Recorder

NATS = pytest.param("nats", marks=[pytest.mark.services, pytest.mark.nats])
"""Parameter of fixtures with one kind of cluster each."""
SECONDS = 1.0
"""Seconds after which a test member is considered dead."""


class NatsGroup:
    """Separate cluster on a shared NATS server."""

    def __init__(self, url: str, *, seconds: float = SECONDS, per_minute: int = 0) -> None:
        self.url = url
        self._seconds = seconds
        self._per_minute = per_minute
        self.names = Names(secrets.token_hex(6))
        self._clusters: list[NatsCluster] = []

    async def start(
        self, *, patience: float = 10.0, seconds: float = 0.0, member: Recorder | None = None
    ) -> tuple[NatsCluster, Recorder]:
        """Start another member.

        Args:
            seconds: Its own heartbeat settings, if they differ.
        """
        name, seconds = f"{secrets.token_hex(4)}/0", seconds or self._seconds
        link = await NatsLink.open(self.url, self.names, member_seconds=seconds, per_minute=self._per_minute, name=name)
        cluster, member = NatsCluster(name, link, seconds=seconds, patience=patience), member or Recorder()
        self._clusters.append(cluster)
        await cluster.join(member)
        return cluster, member

    async def attend(self) -> NatsCluster:
        """Add a process that is merely known."""
        name = f"{secrets.token_hex(4)}/0"
        link = await NatsLink.open(self.url, self.names, member_seconds=self._seconds, per_minute=0, name=name)
        cluster = NatsCluster(name, link, seconds=self._seconds)
        self._clusters.append(cluster)
        await cluster.attend()
        return cluster

    async def kill(self, cluster: Cluster) -> None:
        assert isinstance(cluster, NatsCluster)
        await cluster.break_off()

    async def close(self) -> None:
        for cluster in self._clusters:
            await cluster.close()
