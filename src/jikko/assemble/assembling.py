"""Builds the object graph of one process from the settings."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from jikko.apps.app_keys import AppKeys
from jikko.apps.end_users import EndUsers
from jikko.apps.key_uses import KeyUses
from jikko.apps.publishing import Apps
from jikko.apps.speech import AppSpeech
from jikko.apps.versions import Workflows
from jikko.assemble.assembly import Assembly
from jikko.assemble.cluster import make_cluster
from jikko.assemble.configuration import Configuration
from jikko.assemble.embeddings import make_embedder
from jikko.assemble.knowledge.opening import knowledge_stores, later_knowledge
from jikko.assemble.measures import measures_of
from jikko.assemble.models import default_models, providers_of
from jikko.assemble.moderation import make_moderator
from jikko.assemble.node_ports import make_node_ports, mocks_of
from jikko.assemble.scheduled_backups import scheduled_backups
from jikko.assemble.speech import make_speech
from jikko.assemble.stores import in_memory_stores, open_stores, trouble_with_files
from jikko.assemble.tools import importing_for_nodes, make_directory
from jikko.cluster.refusals_file import RefusalsFile
from jikko.concurrency.alarm import Alarm
from jikko.concurrency.rate_limit import SharedRequestRate
from jikko.concurrency.shutdown import Shutdown
from jikko.conversations.annotations.annotations import Annotations
from jikko.conversations.annotations.replies import AnnotationReplies
from jikko.conversations.hooks import Hooks
from jikko.conversations.moderation.extension import ModerationExtension
from jikko.conversations.moderation.model import ModerationModel
from jikko.conversations.moderation.moderation import Moderation
from jikko.conversations.suggestions import Suggestions
from jikko.conversations.titles import Titles
from jikko.conversations.turns import Turns
from jikko.engine.limits import RunLimits
from jikko.files.signing import UrlSigner
from jikko.files.store import Files
from jikko.inputs.file_inputs import FileInputs
from jikko.inputs.file_limits import FileLimits
from jikko.inputs.uploads import FileService
from jikko.knowledge.awaited_indexing import AwaitedIndexing
from jikko.maintenance.annotation_indexing import AnnotationIndexing
from jikko.maintenance.archiving import Archiving
from jikko.maintenance.callbacks import Callbacks
from jikko.maintenance.keyword_indexing import KeywordIndexing
from jikko.maintenance.orphans import Orphans
from jikko.maintenance.readiness import Readiness
from jikko.maintenance.retention import Retention
from jikko.maintenance.tally import Tally
from jikko.maintenance.user_removal import UserRemoval
from jikko.nodes.registry import BY_TYPE
from jikko.ports.clock import Clock
from jikko.ports.cluster import Cluster, JobDue
from jikko.ports.measures import ClusterMeasures, RunMeasures
from jikko.runs.admission import Admission, AdmissionLimits
from jikko.runs.following.quiet_runs import QUIET_SECONDS
from jikko.runs.forms import Forms
from jikko.runs.idempotency import IdempotentStarts
from jikko.runs.inner_runs import InnerRuns
from jikko.runs.memory.process_memory import MemoryLimits, ProcessMemory
from jikko.runs.observer import RunObserver
from jikko.runs.retry import Retries
from jikko.runs.runs import Runs
from jikko.settings import Settings, for_worker

_CLUSTER_LOOKS = 1.5
"""Lives of a member between looks of several servers for runs of one that is gone: all may have been at once."""


@asynccontextmanager
async def assemble(
    settings: Settings,
    *,
    in_memory: bool = False,
    owned: bool = False,
    console: bool = False,
    environment: Mapping[str, str] = os.environ,
    cluster: Cluster | None = None,
    workers: int = 1,
    name: str = "",
    look_seconds: float = QUIET_SECONDS,
    observer: RunObserver | None = None,
    clock: Clock = time.time,
    shutdown: Shutdown | None = None,
) -> AsyncIterator[Assembly]:
    """Build everything, and release it at the end of the block.

    Args:
        in_memory: Keep nothing on disk: for one run of the command line.
        owned: Whether this process, or the one that started it, holds the data folder (``sole_owner``). Another may
            use it too, but brings an older database up to date only while no server has it.
        console: Whether the console is wanted, if the settings have it.
        environment: What ``${NAME}`` in the files of providers and tools stands for.
        cluster: The other processes that execute runs of the same store; by default those that the settings name.
        workers: How many there are on this machine, this one included.
        name: What this process is called among several servers; by default a new name.
        look_seconds: After how long a run that is followed here is read though nothing was heard of it.
        observer: Sees what happens in the runs of this process.
        clock: The time of day.
        shutdown: Releases it, in steps; by default one by itself.

    Raises:
        InvalidSettings: A setting cannot be used.
        StoreUnavailable: The database cannot be opened.
    """
    providers = providers_of(settings, environment)
    of_all = settings
    settings, providers = for_worker(settings, workers), providers.for_worker(workers)
    async with shutdown or Shutdown() as stack:
        if in_memory:
            stores = in_memory_stores()
        else:
            stores = await open_stores(settings, stack, owned, shared=workers > 1, clock=clock)
        admission = Admission(
            AdmissionLimits(
                at_once=settings.max_runs,
                at_once_per_app=of_all.max_runs_per_app if stores.cluster else settings.max_runs_per_app,
                queued_per_app=settings.max_queued_runs,
            )
        )
        cluster_measures = ClusterMeasures() if cluster is None and settings.nats_url else None
        cluster = cluster or await make_cluster(
            of_all, stack, stores.cluster, owned and not in_memory, name, admission.share_among, cluster_measures
        )
        directory = make_directory(settings, stores.apps, environment)
        file_limits = FileLimits(
            max_image=settings.upload_image,
            max_video=settings.upload_video,
            max_audio=settings.upload_audio,
            max_other=settings.upload_other,
        )
        signer = UrlSigner(
            keys=stores.signing_keys,
            base_url=settings.public_url or settings.address() + settings.root_path.rstrip("/"),
            validity=settings.link_seconds,
            clock=clock,
        )
        files = Files(stores.file_index, stores.blobs, signer, clock=clock)
        datasets = knowledge_stores(settings, stack, owned, shared=workers > 1)
        mocks, prepare = mocks_of(settings.mocks), importing_for_nodes(settings)
        workflows = Workflows(stores.apps, BY_TYPE, environment=settings.env, mocks=mocks, prepare=prepare)
        inner = InnerRuns(lambda: runs, store=stores.runs, apps=stores.apps, workflows=workflows, clock=clock)
        ports, tools, plugins = make_node_ports(
            settings,
            providers,
            directory,
            inner,
            files,
            datasets,
            stores.conversations,
            stack,
            workers,
            clock,
            environment,
        )
        rate = SharedRequestRate(settings.requests_per_minute, cluster.count)
        alarm = Alarm(clock)
        knowledge = later_knowledge(
            settings,
            datasets,
            ports,
            providers,
            retrieval=ports.knowledge,
            alarm=alarm,
            signer=signer,
            cluster=cluster,
            rate=rate,
            clock=clock,
        )
        file_inputs = FileInputs(files, ports.http)
        embedder, defaults = make_embedder(ports.models), default_models(settings, providers)
        watch = None
        if console and settings.console and stores.console is not None:
            # Who has no console does not wait for what it imports.
            from jikko.assemble.console.watch import close_console, console_watch, later_console, watched_by

            watch = console_watch(settings, stores.console.access, cluster, clock)
            observer = watched_by(observer, watch)
        uses = None if watch is None else KeyUses(stores.apps.note_uses, clock)
        if uses is not None:
            stack.step("uses of keys", uses.close)
        titles = Titles(stores.conversations, ports.models, defaults, clock)
        stack.step("titles", titles.close)
        moderation = Moderation(
            ModerationExtension(providers.extensions, ports.http),
            ModerationModel(make_moderator(ports.models), defaults),
        )
        hooks = Hooks(
            policies=(moderation, AnnotationReplies(stores.annotations, embedder)),
            guard=moderation.guard,
            first_turn=titles.first_turn,
            title=titles.title,
        )
        run_measures = RunMeasures()
        runs = Runs(
            store=stores.runs,
            apps=stores.apps,
            workflows=workflows,
            ports=ports,
            file_inputs=file_inputs,
            limits=RunLimits(
                max_steps=settings.max_steps,
                max_seconds=settings.max_seconds,
                max_parallel_nodes=settings.max_parallel_nodes,
            ),
            admission=admission,
            clock=clock,
            cluster=cluster,
            refusals=None if in_memory else RefusalsFile(settings.home),
            look_seconds=look_seconds,
            observer=observer,
            guard=hooks.guard,
            measures=run_measures,
            memory=ProcessMemory(
                MemoryLimits(of_one=settings.run_memory, of_all=settings.runs_memory, share=settings.app_share)
            ),
        )
        callbacks = Callbacks(stores.callbacks, stores.runs, ports.http, clock)
        tally = Tally(stores.runs, stores.callbacks, cluster, clock)
        starts = IdempotentStarts(runs, stores.runs)
        forms = Forms(runs=runs, store=stores.runs, file_inputs=file_inputs, clock=clock)
        built = None
        if watch is not None:
            built = later_console(
                settings,
                stores,
                clock,
                watch,
                forms=forms,
                callbacks=callbacks,
                cluster=cluster,
                environment=environment,
                admission=admission,
                ports=ports,
                workers=workers,
                tools=tools,
            )
            stack.step("the console", partial(close_console, built))
        yield Assembly(
            settings=settings,
            configuration=Configuration(
                settings,
                providers=providers,
                directory=directory,
                plugins=plugins,
                signing_keys=stores.signing_keys,
                workers=workers,
                environment=environment,
            ),
            cluster=cluster,
            apps=Apps(stores.apps, BY_TYPE, clock),
            app_keys=AppKeys(stores.apps, clock, rate=rate, uses=uses),
            workflows=workflows,
            runs=runs,
            store=stores.runs,
            starts=starts,
            turns=Turns(
                store=stores.conversations,
                runs=runs,
                starts=starts,
                workflows=workflows,
                file_inputs=file_inputs,
                hooks=hooks,
                clock=clock,
            ),
            conversations=stores.conversations,
            archiving=Archiving(stores.archiving, clock, days=settings.archive_after_days)
            if stores.archiving is not None
            else None,
            retention=Retention(stores.runs, files, clock, conversations=stores.conversations),
            scheduled_backups=scheduled_backups(settings, clock),
            user_removal=UserRemoval(stores.conversations, stores.runs, files, stores.end_users),
            keyword_indexing=KeywordIndexing(stores.runs),
            orphans=Orphans(stores.runs, cluster, look_seconds=_CLUSTER_LOOKS * settings.member_seconds)
            if stores.cluster
            else Orphans(stores.runs, cluster),
            callbacks=callbacks,
            retries=Retries(runs, stores.runs, workflows, files, clock),
            end_users=EndUsers(stores.end_users),
            files=FileService(files, file_limits),
            datasets=datasets,
            knowledge=knowledge,
            indexing=AwaitedIndexing(datasets, knowledge, alarm),
            forms=forms,
            file_limits=file_limits,
            annotations=Annotations(
                stores.annotations, clock, lambda: cluster.hint(JobDue(job="annotations", at=clock()))
            ),
            annotation_indexing=AnnotationIndexing(stores.annotations, embedder),
            suggestions=Suggestions(stores.conversations, workflows, ports.models, defaults),
            titles=titles,
            embedder=embedder,
            speech=AppSpeech(workflows, make_speech(ports.models), defaults),
            default_models=defaults,
            tools=tools,
            served_apps=directory,
            measures=measures_of(
                run_measures, admission, stores.record.measures, ports, callbacks, tally, cluster_measures
            ),
            readiness=Readiness(
                stores.record,
                lambda: runs.is_closing,
                lambda: "" if in_memory else trouble_with_files(settings),
                cluster.trouble if stores.cluster else None,
            ),
            console=built,
            console_feed=None if watch is None else watch.feed,
            clock=clock,
        )
