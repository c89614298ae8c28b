"""Triggers of apps, and the start of their runs."""

from collections.abc import Collection, Mapping
from typing import TypeVar

from msgspec.structs import replace

from jikko.apps.end_users import TRIGGER_USERS, trigger_user
from jikko.errors import NotFound
from jikko.ids import is_uuid
from jikko.ports.stores.run_store import StartOptions
from jikko.ports.stores.trigger_store import Trigger, TriggerKind
from jikko.repositories.app_store import App, AppStore
from jikko.repositories.trigger_store import TriggerStore
from jikko.runs.run_log import RunLog
from jikko.runs.runs import Runs, StartRequest
from jikko.triggers.webhook_options import WebhookOptions
from jikko.values import Json

T = TypeVar("T")


def names_of(trigger: Trigger, app_name: str) -> tuple[str, ...]:
    """Return the names by which the triggers file may refer to a trigger."""
    return (trigger.id, f"{app_name}/{trigger.node_id}", f"{trigger.app_id}/{trigger.node_id}")


def options_of(options: Mapping[str, T], trigger: Trigger, app_name: str) -> T | None:
    """Return a trigger's entry in the triggers file."""
    return next((options[name] for name in names_of(trigger, app_name) if name in options), None)


def webhook_options_of(options: Mapping[str, WebhookOptions], trigger: Trigger, app_name: str) -> WebhookOptions:
    """Return a webhook's entry in the triggers file; of several, one with ``verify`` wins."""
    found = [options[name] for name in names_of(trigger, app_name) if name in options]
    verified = [each for each in found if each.verification is not None]
    return next(iter(verified + found), WebhookOptions())


class Triggers:
    def __init__(
        self, store: TriggerStore, apps: AppStore, runs: Runs, options: Mapping[str, WebhookOptions] | None = None
    ) -> None:
        """``options``: Options of webhooks, by ``APP/NODE`` or trigger id: some have addresses."""
        self._store = store
        self._apps = apps
        self._runs = runs
        self._options = {} if options is None else options

    async def of(self, app: App) -> list[Trigger]:
        """Return an app's triggers, also of nodes missing in its current version, oldest first."""
        return await self._addressed(await self._store.of_app(app.id))

    async def all(self, kind: TriggerKind | None = None) -> list[Trigger]:
        """Return the triggers of all apps, oldest first."""
        return await self._addressed(await self._store.all(kind))

    async def misfits(
        self, webhooks: Collection[str], schedules: Collection[str]
    ) -> tuple[list[str], list[tuple[str, ...]]]:
        """Return the entries of the triggers file that match no trigger of their kind (misspelt, or of a renamed app),
        and groups that name the same trigger. ``webhooks``, ``schedules``: Names of the entries."""
        apps = {app.id: app.name for app in await self._apps.apps()}
        entries = dict.fromkeys([("webhook", name) for name in webhooks] + [("schedule", name) for name in schedules])
        matched = [
            [(trigger.kind, name) for name in names_of(trigger, apps.get(trigger.app_id, ""))]
            for trigger in await self._store.all()
        ]
        known = {entry for names in matched for entry in names}
        doubled = [tuple(name for kind, name in names if (kind, name) in entries) for names in matched]
        unmatched = [name for kind, name in entries if (kind, name) not in known]
        return unmatched, [names for names in doubled if len(names) > 1]

    async def find(self, which: str) -> Trigger:
        """Find a trigger by id, or as ``APP/NODE``: name or id of the app, and id of the node. Raises ``NotFound``."""
        trigger = await self._store.find(which) if is_uuid(which) else await self._named(which)
        if trigger is None:
            raise NotFound(f"No trigger {which!r}; `jikko triggers list` lists the triggers.")
        return (await self._addressed([trigger]))[0]

    async def _named(self, which: str) -> Trigger | None:
        name, _, node_id = which.rpartition("/")
        app = await self._apps.app_named(name) or (await self._apps.app(name.lower()) if is_uuid(name) else None)
        found = [] if app is None else await self._store.of_app(app.id)
        return next((trigger for trigger in found if trigger.node_id == node_id), None)

    async def at(self, address: str) -> Trigger | None:
        """Return the webhook of an address, which the triggers file may set."""
        for name, options in self._options.items():
            if options.address == address:
                try:
                    trigger = await self.find(name)
                except NotFound:
                    return None
                return trigger if trigger.address == address else None
        found = await self._store.at(address)
        return None if found is None or (await self._addressed([found]))[0].address != address else found

    async def _addressed(self, triggers: list[Trigger]) -> list[Trigger]:
        if not any(options.address for options in self._options.values()):
            return triggers
        # On the path of every webhook call: read only its own app.
        ids = {trigger.app_id for trigger in triggers}
        found = [await self._apps.app(*ids)] if len(ids) == 1 else await self._apps.apps()
        apps = {app.id: app.name for app in found if app is not None}

        def addressed(trigger: Trigger) -> Trigger:
            options = webhook_options_of(self._options, trigger, apps.get(trigger.app_id, ""))
            return (
                replace(trigger, address=options.address) if options.address and trigger.kind == "webhook" else trigger
            )

        return [addressed(trigger) for trigger in triggers]

    async def enable(self, trigger: Trigger, enabled: bool) -> None:
        """Enable or disable a trigger. Durable on return. Raises ``NotFound`` if it was removed."""
        if not await self._store.enable(trigger.id, enabled):
            raise NotFound(f"The trigger {trigger.id} no longer exists.")

    async def start(
        self,
        trigger: Trigger,
        inputs: Mapping[str, Json],
        options: StartOptions | None = None,
        *,
        timestamp: float | None = None,
        base_url: str = "",
        app: App | None = None,
    ) -> RunLog:
        """Start a run of the app's current version, at the trigger's node.

        It queues like other runs, and is durable once ``RunLog.committed`` returns.

        Args:
            inputs: From the trigger; not validated.
            options: Written atomically with the run: of concurrent starts with one ``KeyClaim``, one wins, also across
                processes and after a crash.
            timestamp: ``sys.timestamp``, by default now: the due time of a schedule.
            app: The trigger's app, if at hand.

        Raises:
            NotFound: The app is gone, or its current version has no such node.
            KeyTaken, StartRefused, TooManyRequests, ServerStopping: See ``Runs.start``.
        """
        app = app or await self._apps.app(trigger.app_id)
        if app is None:
            raise NotFound(f"The app of trigger {trigger.id} was removed.")
        request = StartRequest(
            inputs=inputs,
            user=TRIGGER_USERS[trigger.kind],
            end_user_id=trigger_user(app.id, trigger.kind),
            entry=trigger.node_id,
            timestamp=timestamp,
            base_url=base_url,
        )
        return await self._runs.start(app, request, options)
