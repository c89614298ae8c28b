"""Issues with affected apps and remedies, for the system page and ``jikko doctor``."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from jikko.console.forecast_cache import AppForecast, ForecastCache
from jikko.console.model_uses import ModelUses, ProviderHour
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.forecast.outcome import outcome
from jikko.repositories.app_store import App, AppStore
from jikko.repositories.callback_store import CallbackStore

_MAX_CALLBACKS: Final = 1_000


class Issue(Struct, frozen=True):
    """Issue: an error or a warning."""

    diagnostic: Diagnostic
    """``where`` names the subject: ``workflow``, ``provider``, ``callbacks``, ``disk`` and so on."""
    apps: tuple[str, ...] = ()
    """IDs of affected apps."""
    provider: str = ""
    """Provider of the providers file that can be tested; ``""`` for none."""


class ProviderFacts(Struct, frozen=True):
    """Provider in the settings."""

    name: str
    type: str
    host: str
    lacks: Diagnostic | None = None
    """What is missing to call it."""
    is_paced: bool = False
    """Whether its requests per minute are limited."""


class KnownProvider(NamedTuple):
    """Configured provider, with the outcomes of its requests and the IDs of the apps that call it."""

    facts: ProviderFacts
    hour: ProviderHour
    apps: tuple[str, ...]


class KnownProviders(Struct, frozen=True):
    """Contents of the providers file."""

    entries: Sequence[ProviderFacts]
    file: str
    """Path; ``""`` without a file."""
    lines: Mapping[str, str]
    """Line to add for each requested name that is missing."""


_ANY: Final = "*"
"""Default entry of the providers file."""


class IssueReport(Struct, frozen=True):
    """Findings in the store."""

    issues: tuple[Issue, ...]
    providers: tuple[KnownProvider, ...]
    callbacks_pending: int
    callbacks_failed: int


class Issues(Struct, eq=False):
    """Finder of issues with apps, model providers and callbacks."""

    apps: AppStore
    forecasts: ForecastCache
    callbacks: CallbackStore
    uses: ModelUses
    providers: Callable[[Sequence[str]], Awaitable[KnownProviders]]
    """Reads the providers file, given the names of providers that apps call and that lack something."""

    async def look(self) -> IssueReport:
        """Return the current issues, worst first."""
        callers: dict[str, list[str]] = {}
        lacking: dict[str, list[str]] = {}
        broken: list[tuple[App, AppForecast]] = []
        for app in await self.apps.apps():
            version = await self.apps.version(app.id, app.workflow_id)
            if version is None:
                continue
            forecast = await self.forecasts.of(app, version)
            for use in forecast.models:
                callers.setdefault(use.need.provider, []).append(app.id)
                if not use.ok:
                    lacking.setdefault(use.need.provider, []).append(app.id)
            if forecast.failing:
                broken.append((app, forecast))
        known = await self.providers(list(lacking))
        entered = {entry.name for entry in known.entries}
        others = [name for name in callers if name not in entered]
        providers = []
        for entry in known.entries:
            names = others if entry.name == _ANY else [entry.name]
            apps = tuple(dict.fromkeys(app for name in names for app in callers.get(name, ())))
            providers.append(KnownProvider(entry, self.uses.hour(entry.name), apps))
        found = [found for provider in providers if (found := _of_provider(provider)) is not None]
        for name, line in known.lines.items():
            remedy = Phrase("remedy.add_to", {"file": known.file or Phrase("part.providers_file")})
            params, snippet = {"name": name}, f"providers:\n{line}"
            unknown = Diagnostic("provider.unknown", params, where="provider", remedy=remedy, snippet=snippet)
            found.append(Issue(unknown, tuple(dict.fromkeys(lacking[name]))))
        reported = {app for name in known.lines for app in lacking[name]}
        reported |= {app for provider in providers if provider.facts.lacks for app in provider.apps}
        for app, forecast in broken:
            # A provider's issue is reported once for all affected apps.
            failing = [one for one in forecast.failing if one.cause != "model" or app.id not in reported]
            if failing:
                why = outcome(failing[0])
                found.append(
                    Issue(Diagnostic(why.code, why.params, where="workflow", remedy=failing[0].remedy), (app.id,))
                )
        undelivered = await self.callbacks.undelivered(limit=_MAX_CALLBACKS)
        failed = [entry for entry in undelivered if entry.state == "failed"]
        given_up = len(failed)
        if failed:
            last = max(failed, key=lambda entry: entry.finished_at or 0.0)
            code = f"callbacks.{'failed' if given_up > 1 else 'one_failed'}{'_last' if last.error else ''}"
            failures = {"count": given_up, "receiver": last.receiver, "error": last.error or ""}
            again = "jikko callbacks resend --all"
            found.append(Issue(Diagnostic(code, failures, where="callbacks", severity="warning", snippet=again)))
        found.sort(key=lambda issue: issue.diagnostic.severity)
        return IssueReport(tuple(found), tuple(providers), len(undelivered) - given_up, given_up)


def _of_provider(provider: KnownProvider) -> Issue | None:
    facts, hour, apps = provider
    if (lacks := facts.lacks) is not None:
        what = Phrase("provider.incomplete", {"name": facts.name, "lacks": Phrase(lacks.code, lacks.params)})
        return Issue(replace(lacks, code=what.code, params=what.params), apps)
    params = {"name": facts.name, "requests": hour.requests}
    if hour.failed and hour.failed == hour.requests:
        params["error"] = hour.error or ""
        return Issue(Diagnostic("provider.failing", params, where="provider"), apps, facts.name)
    if hour.refused:
        params["refused"] = hour.refused
        remedy, snippet = "remedy.lower_pace", ""
        if not facts.is_paced:
            pace = max(1, (hour.requests - hour.refused) // 60)
            name = json.dumps(facts.name, ensure_ascii=False)
            remedy, snippet = "remedy.add_limit", f"providers:\n  {name}:\n    requests_per_minute: {pace}"
        found = Diagnostic("provider.refused", params, where="provider", severity="warning", snippet=snippet)
        return Issue(replace(found, remedy=Phrase(remedy)), apps, facts.name)
    return None
