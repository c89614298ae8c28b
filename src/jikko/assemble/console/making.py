"""Picks what the console works with. Imported with the first request for it."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from jikko.apps.environment import Outside
from jikko.assemble.console.facts import facts_of, known_providers
from jikko.assemble.console.watch import ConsoleWatch
from jikko.assemble.installation import installation_of
from jikko.assemble.models import make_models, providers_of
from jikko.assemble.stores import Stores
from jikko.concurrency.ttl_cache import TtlCache
from jikko.console.forecast_cache import ForecastCache
from jikko.console.issues import Issues, KnownProviders
from jikko.console.log_pages import LogPages
from jikko.console.run_feed import TICK_SECONDS
from jikko.console.runs import RunListing
from jikko.console.service import Console, InstalledPlugin
from jikko.console.system import Load, System
from jikko.maintenance.callbacks import Callbacks
from jikko.nodes.registry import BY_TYPE
from jikko.outbound.client import AiohttpClient
from jikko.plugins.install.installed import InstalledPlugins
from jikko.ports.clock import Clock
from jikko.ports.cluster import Cluster, JobDue
from jikko.ports.node_ports import NodePorts
from jikko.providers.models import ProviderModels
from jikko.runs.admission import Admission
from jikko.runs.forms import Forms
from jikko.sandbox.client import ForkServerSandbox
from jikko.settings import Settings
from jikko.tools.service import ToolService


def make_console(
    settings: Settings,
    stores: Stores,
    clock: Clock,
    watch: ConsoleWatch,
    *,
    forms: Forms,
    callbacks: Callbacks,
    cluster: Cluster,
    environment: Mapping[str, str],
    admission: Admission,
    ports: NodePorts,
    workers: int,
    tools: ToolService,
) -> Console:
    """The console of a data folder."""
    console = stores.console()
    forecasts = ForecastCache(
        partial(installation_of, settings, environment),
        lambda name, values: Outside(settings.env, {name: values}),
        BY_TYPE,
        clock,
    )

    def load() -> Sequence[Load]:
        found = [
            Load("runs", admission.running, settings.max_runs or None),
            Load("queued", admission.queued(), settings.max_queued_runs or None),
        ]
        if isinstance(ports.sandbox, ForkServerSandbox):
            found.append(Load("programs", ports.sandbox.places.taken, ports.sandbox.places.number))
        if isinstance(ports.http, AiohttpClient):
            found.append(Load("requests", ports.http.places.taken, ports.http.places.number))
        if isinstance(ports.models, ProviderModels):
            found.append(Load("models", *ports.models.connections.under_way()))
        return found

    async def providers(asked: Sequence[str]) -> KnownProviders:
        return await asyncio.to_thread(known_providers, settings, environment, asked)

    issues = Issues(stores.apps, forecasts, stores.callbacks, watch.uses, providers)
    return Console(
        access=watch.access,
        public_url=settings.public_url,
        host=settings.host,
        env=settings.env,
        count=cluster.count,
        runs=RunListing(console.pages, stores.apps, forms),
        logs=LogPages(stores.runs),
        feed=watch.feed,
        list_cache=TtlCache(TICK_SECONDS / 2),
        app_store=stores.apps,
        run_store=stores.runs,
        callback_store=stores.callbacks,
        callbacks=callbacks,
        callbacks_are_due=lambda: cluster.hint(JobDue(job="callbacks", at=clock())),
        forecasts=forecasts,
        home=settings.home,
        chats=console.chats,
        issues=issues,
        system=System(
            facts_of(settings, environment, load, stores.record.measures, workers),
            issues,
            console.pages,
            stores.file_index,
            clock,
        ),
        queued=admission.queued,
        offered_models=partial(_offered, settings, environment),
        tools=tools,
        plugins=partial(asyncio.to_thread, _plugins, settings),
    )


async def _offered(settings: Settings, environment: Mapping[str, str], provider: str) -> Sequence[str]:
    """Raises:
    ModelFailure: It does not answer.
    """
    models = make_models(providers_of(settings, environment))
    try:
        return await models.offered(provider)
    finally:
        await models.close()


def _plugins(settings: Settings) -> Sequence[InstalledPlugin]:
    if not settings.plugin_folder.exists():
        return []
    return [
        InstalledPlugin(
            entry.plugin.id,
            entry.plugin.version,
            entry.plugin.trust,
            list(entry.plugin.permissions),
            [f"{provider.name}/{action.name}" for provider in entry.plugin.providers for action in provider.actions],
        )
        for entry in InstalledPlugins(settings.plugin_folder).entries()
    ]
