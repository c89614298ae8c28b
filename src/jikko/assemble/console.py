"""Picks what the console works with."""

from collections.abc import Mapping
from functools import partial

from jikko.apps.environment import Outside
from jikko.assemble.installation import installation_of
from jikko.assemble.stores import Stores
from jikko.console.access import Access
from jikko.console.log_pages import LogPages
from jikko.console.outlooks import Outlooks
from jikko.console.run_feed import RunFeed
from jikko.console.runs import RunList
from jikko.console.service import Console
from jikko.maintenance.callbacks import Callbacks
from jikko.nodes.registry import BY_TYPE
from jikko.ports.clock import Clock
from jikko.ports.cluster import Cluster, JobDue
from jikko.runs.forms import Forms
from jikko.runs.observer import RunObserver, RunObservers
from jikko.settings import Settings


def make_console(
    settings: Settings,
    stores: Stores,
    clock: Clock,
    feed: RunFeed,
    forms: Forms,
    callbacks: Callbacks,
    cluster: Cluster,
    environment: Mapping[str, str],
) -> Console | None:
    """The console of a data folder; ``None``: nothing is kept, so that there is none.

    Raises:
        InvalidSettings: The token of the settings cannot be used.
    """
    if stores.console is None:
        return None
    return Console(
        access=Access(stores.console.access, clock, settings.console_token),
        public_url=settings.public_url,
        host=settings.host,
        runs=RunList(stores.console.pages, stores.apps, forms),
        logs=LogPages(stores.runs),
        feed=feed,
        app_store=stores.apps,
        run_store=stores.runs,
        callback_store=stores.callbacks,
        callbacks=callbacks,
        callbacks_are_due=lambda: cluster.hint(JobDue(job="callbacks", at=clock())),
        outlooks=Outlooks(
            partial(installation_of, settings, environment),
            lambda name, values: Outside(settings.env, {name: values}),
            BY_TYPE,
            clock,
        ),
        home=settings.home,
    )


def watched_by(observer: RunObserver | None, feed: RunFeed | None) -> RunObserver | None:
    """Who sees what happens in runs."""
    found = [each for each in (observer, feed) if each is not None]
    return RunObservers(*found) if len(found) > 1 else next(iter(found), None)
