"""Construction of a process's object graph from the settings."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from msgspec import Struct

from jikko.apps.app_keys import AppKeys, KeyUses
from jikko.apps.end_users import EndUsers
from jikko.apps.publishing import AppCatalog
from jikko.apps.versions import StandIns, Workflows
from jikko.assemble import lazy
from jikko.assemble.assembly import Assembly, BuildContext
from jikko.assemble.build_chat import build_chat, build_hooks
from jikko.assemble.build_cluster import build_cluster
from jikko.assemble.build_models import connections_of, default_models, providers_of
from jikko.assemble.build_node_ports import build_nodes, mocks_of
from jikko.assemble.build_schedules import build_schedules
from jikko.assemble.build_tools import import_for_nodes, make_directory
from jikko.assemble.build_upkeep import build_upkeep, measures_of
from jikko.assemble.configuration import Configuration
from jikko.assemble.knowledge.open_knowledge import build_knowledge, knowledge_stores
from jikko.assemble.stores import Stores, build_stores
from jikko.cluster.data_folder import RefusalsFile
from jikko.concurrency.lazy_proxy import lazy_proxy
from jikko.concurrency.rate_limit import SharedRequestRate
from jikko.concurrency.shutdown import Shutdown
from jikko.conversations.hooks import Hooks
from jikko.engine.limits import RunLimits
from jikko.files.signing_keys import UrlSigner
from jikko.files.store import Files
from jikko.inputs.file_inputs import FileInputs
from jikko.inputs.uploads import FileLimits, FileService
from jikko.nodes.registry import BY_TYPE
from jikko.ports.clock import Clock
from jikko.ports.cluster import Cluster
from jikko.ports.http import HttpClient
from jikko.ports.measures import ClusterMeasures
from jikko.ports.node_ports import NodePorts
from jikko.providers.config import Providers
from jikko.runs.admission import Admission, AdmissionLimits
from jikko.runs.executor import Executor
from jikko.runs.following.quiet_runs import QUIET_SECONDS
from jikko.runs.inner_runs import InnerRuns
from jikko.runs.observer import RunObserver
from jikko.runs.process_memory import MemoryLimits, ProcessMemory
from jikko.runs.runs import Runs
from jikko.settings import Settings, for_worker


def build_admission(context: BuildContext, *, clustered: bool) -> Admission:
    """Build the limits on concurrent runs. ``clustered``: Whether several servers share the limit of an app; by default
    this machine's workers do."""
    settings = context.settings
    per_app = context.of_machine.max_runs_per_app if clustered else settings.max_runs_per_app
    return Admission(
        AdmissionLimits(at_once=settings.max_runs, max_per_app=per_app, queued_per_app=settings.max_queued_runs)
    )


def build_runs(
    context: BuildContext,
    stores: Stores,
    workflows: Workflows,
    ports: NodePorts,
    *,
    admission: Admission,
    cluster: Cluster,
    hooks: Hooks,
    observer: RunObserver | None,
    look_seconds: float,
) -> Runs:
    """Build the runs of a process.

    Args:
        ports: Ports of their nodes.
        hooks: Hooks on conversations' texts.
        observer: Notified of their events.
        look_seconds: Longest silence before a followed run is polled.
    """
    settings = context.settings
    limits = RunLimits(
        max_steps=settings.max_steps, max_seconds=settings.max_seconds, max_parallel_nodes=settings.max_parallel_nodes
    )
    executor = Executor(
        stores.runs,
        ports,
        limits,
        admission,
        context.clock,
        holder=cluster.name,
        observer=observer,
        guard=hooks.guard,
        memory=ProcessMemory(
            MemoryLimits(of_one=settings.run_memory, of_all=settings.runs_memory, share=settings.app_share)
        ),
        refusals=None if context.in_memory else RefusalsFile(settings.home),
        text_seconds=settings.text_seconds,
    )
    return Runs(
        executor,
        store=stores.runs,
        apps=stores.apps,
        workflows=workflows,
        files=ports.files,
        file_inputs=FileInputs(ports.files, ports.http),
        clock=context.clock,
        cluster=cluster,
        look_seconds=look_seconds,
    )


class FileServices(Struct, frozen=True):
    """Storage of files, their upload and download."""

    store: Files
    signer: UrlSigner
    service: FileService


def build_files(context: BuildContext, stores: Stores) -> FileServices:
    settings, clock = context.settings, context.clock
    signer = UrlSigner(
        keys=stores.signing_keys,
        base_url=settings.public_url or settings.address() + settings.root_path.rstrip("/"),
        validity=settings.link_seconds,
        clock=clock,
    )
    limits = FileLimits(
        max_image=settings.upload_image,
        max_video=settings.upload_video,
        max_audio=settings.upload_audio,
        max_other=settings.upload_other,
    )
    store = Files(stores.file_index, stores.blobs, signer, clock=clock)
    return FileServices(store, signer, FileService(store, limits))


def build_workflows(context: BuildContext, stores: Stores) -> Workflows:
    """Build the cache of compiled app versions. Raises ``InvalidSettings``: the setting ``mocks`` is invalid."""
    settings = context.settings
    return Workflows(
        stores.apps,
        BY_TYPE,
        environment=settings.env,
        mocks=mocks_of(settings.mocks),
        stand_ins=context.stand_ins,
        prepare=partial(import_for_nodes, settings),
    )


@asynccontextmanager
async def assemble(
    settings: Settings,
    *,
    in_memory: bool = False,
    owned: bool = False,
    brief: bool = False,
    console: bool = False,
    environment: Mapping[str, str] = os.environ,
    cluster: Cluster | None = None,
    workers: int = 1,
    name: str = "",
    look_seconds: float = QUIET_SECONDS,
    observer: RunObserver | None = None,
    clock: Clock = time.time,
    shutdown: Shutdown | None = None,
    http: HttpClient | None = None,
    stand_ins: StandIns | None = None,
) -> AsyncIterator[Assembly]:
    """Build everything, and release it at the end of the block.

    Args:
        in_memory: Keep nothing on disk: for one run of the command line.
        owned: Whether this process, or its parent, holds the data folder (``sole_owner``). Others may use it too, but
            migrate an older database only while no server has it.
        brief: Whether this process ends after a run or two, and so imports only what they need.
        console: Whether to build the console, if the settings enable it.
        environment: Values of ``${NAME}`` in the files of providers and tools.
        cluster: The other processes that execute runs of the same store; by default from the settings.
        workers: Number of processes on this machine, this one included.
        name: Name of this process among several servers; by default a new one.
        look_seconds: Longest silence before a followed run is polled.
        observer: Notified of the events of runs.
        clock: Wall clock.
        shutdown: Releases everything, in steps; by default a new one.
        http: Replaces the HTTP client, also for tests.
        stand_ins: Replaces nodes in the graphs of apps: for tests.

    Raises:
        InvalidSettings: A setting is unusable.
        StoreUnavailable: The database cannot be opened.
    """
    providers = providers_of(settings, environment)
    async with shutdown or Shutdown() as stack:
        context = BuildContext(
            settings=for_worker(settings, workers),
            of_machine=settings,
            stack=stack,
            environment=environment,
            clock=clock,
            in_memory=in_memory,
            owned=owned,
            brief=brief,
            workers=workers,
            http=http,
            stand_ins=stand_ins,
        )
        given = providers.for_worker(workers), cluster, name
        yield await _assembly(context, *given, console=console, observer=observer, look_seconds=look_seconds)


async def _assembly(
    context: BuildContext,
    providers: Providers,
    cluster: Cluster | None,
    name: str,
    *,
    console: bool,
    observer: RunObserver | None,
    look_seconds: float,
) -> Assembly:
    """Build the services in order: each gets its predecessors."""
    settings, stack, clock = context.settings, context.stack, context.clock
    stores = await build_stores(context)
    admission = build_admission(context, clustered=bool(stores.cluster))
    cluster_measures = ClusterMeasures() if cluster is None and settings.nats_url else None
    cluster = cluster or await build_cluster(context, stores.cluster, name, admission.share_among, cluster_measures)
    directory = make_directory(settings, stores.apps, context.environment)
    files = build_files(context, stores)
    datasets = knowledge_stores(settings, stack, context.owned, shared=context.workers > 1)
    workflows = build_workflows(context, stores)
    defaults = default_models(settings, providers)
    rate = SharedRequestRate(settings.requests_per_minute, cluster.count)
    inner = InnerRuns(lambda: runs, store=stores.runs, apps=stores.apps, workflows=workflows, clock=clock)
    nodes = build_nodes(context, providers, directory, inner, files.store, datasets, stores.conversations)
    ports = nodes.ports
    knowledge, indexing = build_knowledge(
        context, datasets, ports, nodes.retrieval, providers, files.signer, cluster, rate
    )
    watch, uses = None, None
    if console and settings.console:
        watch = lazy.build_watch(context, stores.console().access, cluster)
        observer = watch.watching(observer)
        if (connections := connections_of(ports.models)) is not None:
            connections.on_call = watch.uses.called
        uses = KeyUses(stores.apps.note_uses, clock)
        stack.step("uses of keys", uses.close)
    file = settings.triggers
    apps = AppCatalog(
        *(stores.apps, BY_TYPE, clock),
        trigger_ids=dict if file is None else lambda: lazy.read_trigger_ids(file, context.environment),
    )
    hooks = build_hooks(context, stores, ports, providers, defaults)
    runs = build_runs(
        context,
        stores,
        workflows,
        ports,
        admission=admission,
        cluster=cluster,
        hooks=hooks.hooks,
        observer=observer,
        look_seconds=look_seconds,
    )
    chat = build_chat(context, stores, workflows, ports, defaults, runs=runs, hooks=hooks, cluster=cluster)
    upkeep = build_upkeep(context, stores, files.store, ports.http, runs, cluster, indexing)
    measures = measures_of(runs, admission, stores.record, ports, upkeep, cluster_measures)
    built = None
    if watch is not None:
        built = watch.console(context, stores, nodes, runs, upkeep.callbacks, cluster, admission)
    webhook_options = (
        {} if settings.triggers is None else lazy.read_webhook_options(settings.triggers, context.environment)
    )
    triggers = lazy_proxy(
        lambda: lazy.Triggers(stores.triggers(), stores.apps, runs, webhook_options), lambda: lazy.Triggers
    )
    deliveries = lazy_proxy(
        lambda: lazy.Deliveries(stores.deliveries(), stores.runs, runs.retries, apps), lambda: lazy.Deliveries
    )
    webhooks = lazy_proxy(
        lambda: lazy.Webhooks(
            triggers, webhook_options, runs.starts, stores.deliveries(), stores.apps, workflows, files.store, clock
        ),
        lambda: lazy.Webhooks,
    )
    delivery_retries = lazy_proxy(
        lambda: lazy.DeliveryRetries(stores.deliveries(), deliveries, runs.retries, apps, triggers, clock)
    )
    schedules = build_schedules(
        settings, stores, workflows, runs, triggers, delivery_retries, measures.schedules, clock
    )
    return Assembly(
        settings=settings,
        configuration=Configuration(
            settings,
            providers=providers,
            directory=directory,
            plugins=nodes.plugins,
            webhooks=webhook_options,
            schedules=schedules,
            triggers=triggers,
            signing_keys=stores.signing_keys,
            workers=context.workers,
            environment=context.environment,
        ),
        cluster=cluster,
        apps=apps,
        app_keys=AppKeys(stores.apps, clock, rate=rate, uses=uses),
        workflows=workflows,
        runs=runs,
        ports=ports,
        store=stores.runs,
        conversations=stores.conversations,
        chat=chat,
        end_users=EndUsers(stores.end_users),
        files=files.service,
        datasets=datasets,
        knowledge=knowledge,
        tools=nodes.tools,
        served_apps=directory,
        triggers=triggers,
        webhooks=webhooks,
        deliveries=deliveries,
        audit=stores.audit,
        schedules=schedules,
        upkeep=upkeep,
        measures=measures,
        console=built,
        console_feed=None if watch is None else watch.feed,
        clock=clock,
    )
