"""What is to be mended: what is wrong, whom it hits, and the line that mends it.

The system page and ``jikko doctor`` both tell what this says."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from jikko.console.model_uses import ModelUses, ProviderHour
from jikko.console.outlooks import Outlook, Outlooks
from jikko.ports.stores.app_store import App, AppStore
from jikko.ports.stores.callback_store import CallbackStore

Level: TypeAlias = Literal["error", "warning"]

_MAX_CALLBACKS: Final = 1_000


class ToMend(Struct, frozen=True):
    """Something that is wrong."""

    level: Level
    about: str
    """Such as ``workflow``, ``provider``, ``callbacks``, ``disk``."""
    text: str
    mend: str = ""
    """What to do, in words."""
    paste: str = ""
    """What to do it with: a command, or lines of a file in YAML."""
    apps: tuple[str, ...] = ()
    """The ids of those that it hits."""
    provider: str = ""
    """The one of the providers file that may be asked whether it answers now; ``""`` for none."""


class ProviderFacts(Struct, frozen=True):
    """A provider, as the settings have it."""

    name: str
    type: str
    host: str
    lacks: str = ""
    """What it lacks to be called; ``""`` for nothing."""
    mend: str = ""
    paste: str = ""
    """See ``ToMend``."""
    is_paced: bool = False
    """Whether its requests are kept to some a minute."""


class KnownProvider(NamedTuple):
    """A provider that is set up: what became of its requests, and the ids of the apps that call it."""

    facts: ProviderFacts
    hour: ProviderHour
    apps: tuple[str, ...]


class KnownProviders(Struct, frozen=True):
    """What the providers file has."""

    entries: Sequence[ProviderFacts]
    file: str
    """What it is called in sentences."""
    lines: Mapping[str, str]
    """Of the names that were asked for and that it does not have: the line that it needs."""


class Findings(Struct, frozen=True):
    """What was found in the record."""

    to_mend: tuple[ToMend, ...]
    providers: tuple[KnownProvider, ...]
    callbacks_pending: int
    callbacks_failed: int


class Mending:
    """Finds what is to be mended of apps, of providers of models, and of call-backs."""

    def __init__(
        self,
        apps: AppStore,
        outlooks: Outlooks,
        callbacks: CallbackStore,
        uses: ModelUses,
        providers: Callable[[Sequence[str]], Awaitable[KnownProviders]],
    ) -> None:
        """Args:
        providers: Reads the providers file; it is given the names of providers that apps call and that lack
            something.
        """
        self._apps = apps
        self._outlooks = outlooks
        self._callbacks = callbacks
        self._uses = uses
        self._providers = providers

    async def look(self) -> Findings:
        """What is wrong now, worst first."""
        callers: dict[str, list[str]] = {}
        lacking: dict[str, list[str]] = {}
        broken: list[tuple[App, Outlook]] = []
        for app in await self._apps.apps():
            version = await self._apps.version(app.id, app.workflow_id)
            if version is None:
                continue
            outlook = await self._outlooks.of(app, version)
            for use in outlook.models:
                callers.setdefault(use.need.provider, []).append(app.id)
                if not use.ok:
                    lacking.setdefault(use.need.provider, []).append(app.id)
            if outlook.errors:
                broken.append((app, outlook))
        known = await self._providers(list(lacking))
        providers = [
            KnownProvider(entry, self._uses.hour(entry.name), tuple(dict.fromkeys(callers.get(entry.name, ()))))
            for entry in known.entries
        ]
        found = [found for provider in providers if (found := _of_provider(provider)) is not None]
        for name, line in known.lines.items():
            text = f"nothing says how to reach {name}"
            paste = f"providers:\n{line}"
            hit = tuple(dict.fromkeys(lacking[name]))
            found.append(ToMend("error", "provider", text, f"add to {known.file}:", paste, hit))
        reported = {app for name in known.lines for app in lacking[name]}
        reported |= {app for provider in providers if provider.facts.lacks for app in provider.apps}
        for app, outlook in broken:
            # What a provider lacks is reported once, whichever apps it hits.
            failing = [one for one in outlook.failing if one.cause != "model" or app.id not in reported]
            if failing:
                text = replace(failing[0], hint="").sentence()
                found.append(ToMend("error", "workflow", text, failing[0].hint, apps=(app.id,)))
        undelivered = await self._callbacks.undelivered(limit=_MAX_CALLBACKS)
        failed = [entry for entry in undelivered if entry.state == "failed"]
        given_up = len(failed)
        if failed:
            last = max(failed, key=lambda entry: entry.finished_at or 0.0)
            text = f"{given_up} call-back{'s were' if given_up > 1 else ' was'} given up"
            if last.error:
                text = (
                    f"{given_up} call-back{'s were' if given_up > 1 else ' was'} given up, "
                    f"the last to {last.receiver}: {last.error}"
                )
            found.append(ToMend("warning", "callbacks", text, paste="jikko callbacks resend --all"))
        found.sort(key=lambda entry: entry.level)
        return Findings(tuple(found), tuple(providers), len(undelivered) - given_up, given_up)


def _of_provider(provider: KnownProvider) -> ToMend | None:
    facts, hour, apps = provider
    if facts.lacks:
        return ToMend("error", "provider", f"{facts.name}: {facts.lacks}", facts.mend, facts.paste, apps)
    if hour.failed and hour.failed == hour.requests:
        text = f"{facts.name}: all of {hour.requests} requests of the last hour failed: {hour.error}"
        return ToMend("error", "provider", text, apps=apps, provider=facts.name)
    if hour.refused:
        text = f"{facts.name} answered 429 to {hour.refused} of {hour.requests} requests of the last hour"
        if facts.is_paced:
            return ToMend("warning", "provider", text, "lower requests_per_minute in its entry", "", apps, facts.name)
        pace = max(1, (hour.requests - hour.refused) // 60)
        paste = f"providers:\n  {json.dumps(facts.name, ensure_ascii=False)}:\n    requests_per_minute: {pace}"
        mend = "let Jikko wait instead; add what its limit is to its entry:"
        return ToMend("warning", "provider", text, mend, paste, apps, facts.name)
    return None
