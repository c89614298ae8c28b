"""Factory of background jobs: callbacks, retention, archive, backups, readiness; and of metrics."""

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from jikko.assemble import lazy
from jikko.assemble.assembly import BuildContext
from jikko.assemble.stores import Stores, diagnose_files
from jikko.files.store import Files
from jikko.knowledge.lazy_indexing import LazyIndexing
from jikko.maintenance.background_indexing import KeywordIndexing
from jikko.maintenance.callbacks import Callbacks
from jikko.maintenance.readiness import Readiness
from jikko.maintenance.record_watch import Orphans, PeriodicCounters
from jikko.maintenance.retention import Archiving, Retention, UserRemoval
from jikko.measures import Counter
from jikko.ports.cluster import Cluster
from jikko.ports.http import HttpClient
from jikko.ports.measures import (
    ClusterMeasures,
    ModelMeasures,
    ProgramMeasures,
    RecordMeasures,
    RunMeasures,
    ScheduleMeasures,
)
from jikko.ports.node_ports import NodePorts
from jikko.ports.stores.run_store import Record
from jikko.providers.provider_models import ProviderModels
from jikko.runs.admission import Admission
from jikko.runs.runs import Runs
from jikko.sandbox.client import ForkServerSandbox

if TYPE_CHECKING:
    from jikko.maintenance.scheduled_backups import ScheduledBackups

_CLUSTER_LOOKS: Final = 1.5
"""Interval of checks for runs of dead servers, in member timeouts: all servers may have died at once."""


class UpkeepServices(Struct, frozen=True):
    """Background jobs beside runs."""

    callbacks: Callbacks
    tally: PeriodicCounters
    retention: Retention
    archiving: Archiving | None
    scheduled_backups: "list[ScheduledBackups]"
    user_removal: UserRemoval
    keyword_indexing: KeywordIndexing
    orphans: Orphans
    readiness: Readiness
    indexing: LazyIndexing


def build_upkeep(
    context: BuildContext,
    stores: Stores,
    files: Files,
    http: HttpClient,
    runs: Runs,
    cluster: Cluster,
    indexing: LazyIndexing,
) -> UpkeepServices:
    """Build the background jobs of a process. ``http``: Client for callbacks. Raises ``InvalidSettings``: the URL of
    the backups' bucket is invalid, or the library is missing."""
    settings, clock = context.settings, context.clock
    callbacks = Callbacks(stores.callbacks, stores.runs, http, clock)
    orphans = (
        Orphans(stores.runs, cluster, look_seconds=_CLUSTER_LOOKS * settings.member_seconds)
        if stores.cluster
        else Orphans(stores.runs, cluster)
    )
    readiness = Readiness(
        stores.record,
        lambda: runs.executor.is_closing,
        lambda: "" if context.in_memory else diagnose_files(settings),
        cluster.diagnose if stores.cluster else None,
    )
    return UpkeepServices(
        callbacks=callbacks,
        tally=PeriodicCounters(stores.runs, stores.callbacks, stores.deliveries, cluster, clock),
        retention=Retention(
            stores.runs,
            files,
            clock,
            conversations=stores.conversations,
            deliveries=stores.deliveries,
            audit=stores.audit,
            tokens=lambda: stores.console().access,
        ),
        archiving=None
        if stores.archiving is None
        else Archiving(stores.archiving, clock, days=settings.archive_after_days),
        # Most servers have none, and import nothing for them.
        scheduled_backups=lazy.build_scheduled_backups(settings, clock)
        if settings.backup_folder or settings.backup_url
        else [],
        user_removal=UserRemoval(stores.conversations, stores.runs, files, stores.end_users),
        keyword_indexing=KeywordIndexing(stores.runs),
        orphans=orphans,
        readiness=readiness,
        indexing=indexing,
    )


class Measures(Struct, frozen=True, kw_only=True):
    """Metrics of one process."""

    runs: RunMeasures
    admission: Admission
    record: RecordMeasures
    programs: ProgramMeasures
    models: ModelMeasures
    failed_callbacks: Counter
    tally: PeriodicCounters
    schedules: ScheduleMeasures
    cluster: ClusterMeasures | None
    """``None`` with a single server."""


def measures_of(
    runs: Runs,
    admission: Admission,
    record: Record,
    ports: NodePorts,
    upkeep: UpkeepServices,
    cluster: ClusterMeasures | None,
) -> Measures:
    """Collect the metrics of a process's parts; parts that count nothing get empty ones."""
    sandbox, models = ports.sandbox, ports.models
    return Measures(
        runs=runs.measures,
        admission=admission,
        record=record.measures,
        programs=sandbox.measures if isinstance(sandbox, ForkServerSandbox) else ProgramMeasures(),
        models=models.measures if isinstance(models, ProviderModels) else ModelMeasures(),
        failed_callbacks=upkeep.callbacks.failed,
        tally=upkeep.tally,
        schedules=ScheduleMeasures(),
        cluster=cluster,
    )
