"""Forecasts of app versions by ``jikko check``, cached for a minute, since each takes time."""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct, field

from jikko.apps.environment import Outside
from jikko.apps.model_needs import Need, needs_of
from jikko.apps.versions import CheckedFile, check
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.forecast.forecast import Forecast, forecast
from jikko.forecast.known_installation import Installation
from jikko.ports.clock import Clock
from jikko.repositories.app_store import App, WorkflowVersion

_TTL_SECONDS: Final = 60.0
_CACHE_SIZE: Final = 2_000


class ModelNeed(Struct, frozen=True):
    need: Need
    nodes: tuple[str, ...]
    """Titles of nodes."""
    ok: bool
    """Whether it is reachable according to the settings."""


class AppForecast(Struct, frozen=True):
    """Forecast of one version."""

    nodes: int
    findings: tuple[Diagnostic, ...]
    models: tuple[ModelNeed, ...]

    @property
    def failing(self) -> tuple[Diagnostic, ...]:
        """Findings that make runs or imports fail."""
        return tuple(finding for finding in self.findings if finding.severity in ("error", "will_fail"))


class ForecastCache(Struct, eq=False):
    installation: Callable[[], Installation]
    """Reads the current installation. Blocks."""
    outside: Callable[[str, Mapping[str, Any]], Outside]
    """Maps an app's name and its overrides to the values for environment variables."""
    node_classes: Mapping[str, Any]
    clock: Clock
    _installation: tuple[float, Installation] | None = None
    _known: OrderedDict[tuple[str, str], tuple[float, AppForecast]] = field(default_factory=OrderedDict)
    """Forecasts by version and the app's overrides."""

    async def of(self, app: App, version: WorkflowVersion) -> AppForecast:
        key, now = (version.id, app.environment), self.clock()
        known = self._known.get(key)
        if known is None or now - known[0] > _TTL_SECONDS:
            name = f"{app.name}, version {version.number}"
            values = json.loads(app.environment) if app.environment else {}
            _, found = await self.judged(version.source, name, app.name, values)
            known = self._known[key] = now, found
            while len(self._known) > _CACHE_SIZE:
                self._known.popitem(last=False)
        return known[1]

    def known(self, app: App, workflow_id: str) -> AppForecast | None:
        found = self._known.get((workflow_id, app.environment))
        return None if found is None or self.clock() - found[0] > _TTL_SECONDS else found[1]

    async def judged(
        self, text: bytes, source: str, app_name: str, values: Mapping[str, Any]
    ) -> tuple[CheckedFile, AppForecast]:
        """Read and check a file. ``source``: Its name in messages. ``values``: Overrides of environment variables."""
        return await run_in_thread(self._judge, (text, source, app_name, values), queue="records")

    def _judge(self, asked: tuple[bytes, str, str, Mapping[str, Any]]) -> tuple[CheckedFile, AppForecast]:
        text, source, app_name, values = asked
        now = self.clock()
        if self._installation is None or now - self._installation[0] > _TTL_SECONDS:
            self._installation = now, self.installation()
        here = self._installation[1]
        checked = check(text, source=source, node_classes=self.node_classes)
        found = forecast(checked, here, self.outside(app_name, values))
        nodes = checked.document.nodes if checked.document is not None else ()
        # Start nodes of containers only mark the graph.
        number = sum(not node.type.endswith("-start") for node in nodes)
        return checked, AppForecast(number, found.findings, _models(checked, found))


def _models(checked: CheckedFile, found: Forecast) -> tuple[ModelNeed, ...]:
    document = checked.document
    if document is None:
        return ()
    nodes: dict[tuple[str, str], list[str]] = {}
    for need in needs_of((node.id, node.data) for node in document.nodes):
        nodes.setdefault((need.provider, need.model), []).append(need.node)
    wrong = {finding.title for finding in found.findings if finding.cause == "model"}
    everywhere = any(finding.cause == "model" and not finding.node for finding in found.findings)
    return tuple(
        ModelNeed(Need(provider, model, ""), tuple(titles), not everywhere and not wrong.intersection(titles))
        for (provider, model), titles in nodes.items()
    )
