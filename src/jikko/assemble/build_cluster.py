"""Factory of the cluster: communication between processes that execute runs of one store."""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from jikko import __version__
from jikko.assemble import lazy
from jikko.assemble.assembly import BuildContext
from jikko.cluster.alone import Alone, new_server_name
from jikko.errors import InvalidSettings
from jikko.extras import how_to_install
from jikko.ports.cluster import Cluster
from jikko.ports.measures import ClusterMeasures
from jikko.settings import Settings

if TYPE_CHECKING:
    from jikko.cluster.nats.connecting import NatsAccess


def access_of(settings: Settings) -> "NatsAccess":
    """Return this server's credentials for NATS. Raises ``InvalidSettings``: the library is missing."""
    try:
        from jikko.cluster.nats.connecting import NatsAccess
    except ModuleNotFoundError:
        raise InvalidSettings(f"Several servers need another library: {how_to_install('cluster')}") from None
    return NatsAccess(
        settings.nats_credentials, settings.nats_ca, settings.nats_certificate, settings.nats_certificate_key
    )


async def build_cluster(
    context: BuildContext, cluster: str, name: str, on_members: Callable[[int], None], measures: ClusterMeasures | None
) -> Cluster:
    """Build the ``Cluster`` of this process.

    Args:
        cluster: See ``Stores.cluster``.
        name: Name of this process: ``server/number``. Empty: a new name.
        on_members: Called with the number of members when it changes.
        measures: Metrics of this member.

    Raises:
        InvalidSettings: NATS is not usable.
        StoreUnavailable: NATS is unreachable.
    """
    settings = context.of_machine
    # Commands beside a server are not members.
    if context.in_memory or not (context.owned and settings.nats_url):
        return Alone()
    access = access_of(settings)
    name, seconds = name or f"{new_server_name(socket.gethostname())}/0", settings.member_seconds
    link = await lazy.NatsLink.open(
        settings.nats_url,
        lazy.Names(cluster),
        member_seconds=seconds,
        per_minute=settings.requests_per_minute,
        name=name,
        access=access,
    )
    made = lazy.NatsCluster(name, link, seconds=seconds, version=__version__, measures=measures)
    made.on_members = on_members
    context.stack.step("the cluster", made.close)
    return made
