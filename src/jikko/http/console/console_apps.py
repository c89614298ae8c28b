"""Apps: listing, reading, importing and deleting."""

import asyncio
import hashlib
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.apps.key_files import remove_app
from jikko.console.canvas import picture_of
from jikko.console.forecast_cache import AppForecast
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.errors import BadRequest, Conflict, InvalidDocument, InvalidParam, NotFound, PayloadTooLarge
from jikko.http.bodies.multipart_forms import read_form
from jikko.http.console import app_bodies as bodies
from jikko.http.console.console_runs import app_of
from jikko.http.console.run_bodies import icon_of
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import is_on
from jikko.ports.stores.run_pages import AppDay
from jikko.repositories.app_store import App, WorkflowVersion
from jikko.values import Json, Uuid

_DAY: Final = 86_400.0
_LAST_RUNS: Final = 20
_MAX_BYTES: Final = 10 << 20
"""Largest file, as when reading it."""


class ImportedFile(Struct):
    file: str
    problems: list[bodies.Problem]
    app_id: Annotated[Uuid | UnsetType, Meta(description="Only if imported.")] = UNSET
    name: str | UnsetType = UNSET
    version: bodies.Version | UnsetType = UNSET


class Imported(Struct):
    data: list[ImportedFile]


class ImportForm(Struct):
    """Form with workflow files."""

    files: Annotated[
        list[Any], Meta(extra_json_schema={"items": {"type": "string", "format": "binary"}, "minItems": 1})
    ]


class VersionChoice(Struct):
    version: Annotated[str, Meta(description="ID or number of a version; default: the current one.")] = ""


class DryRun(Struct):
    dry_run: Annotated[str, Meta(description="`1` or `true`: nothing is imported.")] = ""


class ImportChoice(DryRun):
    keep_current: Annotated[
        str, Meta(description="`1` or `true`: an existing app keeps its current version; publish the new one later.")
    ] = ""


@VisitorRoute("GET", "apps", (503,), scope="apps:read")
async def list_apps(call: ConsoleRequest) -> list[bodies.App]:
    """List all apps by name, with their newest runs and the number of findings of `jikko check`."""
    console, now = call.console, call.request.api.clock()
    apps = sorted(await console.app_store.apps(), key=lambda app: app.name.casefold())
    days = await console.runs.pages.app_days([app.id for app in apps], since=now - _DAY, last=_LAST_RUNS)
    found = []
    for app in apps:
        with suppress(NotFound):  # removed meanwhile
            forecast = await _forecast(call, app)
            fields = await _fields(call, app, days.get(app.id))
            counts = bodies.ProblemCounts(0, 0) if forecast is None else bodies.counts_of(forecast)
            found.append(bodies.App(**fields, nodes=0 if forecast is None else forecast.nodes, problems=counts))
    return found


@VisitorRoute("GET", "apps/{app_id}", (404,), scope="apps:read")
async def read_app(call: ConsoleRequest, asked: VersionChoice) -> bodies.AppFull:
    """Read an app with its graph, its input form, and the findings of `jikko check`."""
    console, app = call.console, await app_of(call)
    version = await version_of(call, app, asked.version)
    forecast = await console.forecasts.of(app, version)
    days = await console.runs.pages.app_days([app.id], since=call.request.api.clock() - _DAY, last=_LAST_RUNS)
    fields = await _fields(call, app, days.get(app.id))
    fields["version"] = version_body(version)
    try:
        workflow = await call.request.api.workflows.get(app, version.id)
    except InvalidDocument:
        # For versions that this Jikko cannot read, only the problems are returned.
        form, features = [], {}
    else:
        form, features = bodies.form_of(workflow.inputs), dict(workflow.document.features)
    return bodies.AppFull(
        **fields,
        nodes=forecast.nodes,
        problems=[bodies.problem_of(finding) for finding in forecast.findings],
        graph=await asyncio.to_thread(picture_of, version.source, literals=call.visitor.may("apps:write")),
        form=form,
        features=features,
        models=bodies.models_of(forecast),
    )


@VisitorRoute("POST", "apps", scope="apps:write", body=ImportForm, body_media_type="multipart/form-data")
async def import_apps(call: ConsoleRequest, asked: ImportChoice) -> Imported:
    """Import files, each as a new app or a new version of the app of its name.

    With ``dry_run=true`` nothing is imported; only problems are reported.
    """
    too_large = PayloadTooLarge("The files are too large.")
    async with read_form(call.request, 10 * _MAX_BYTES, too_large, in_memory=True) as form:
        if form is None or not form.files:
            raise BadRequest("Send workflow files as multipart/form-data.")
        files = [(part.filename or "workflow.yml", await part.read()) for _, part in form.files]
    return Imported([await _imported(call, name, text, asked) for name, text in files])


@VisitorRoute("DELETE", "apps/{app_id}", (404,), scope="apps:write")
async def delete_app(call: ConsoleRequest) -> None:
    """Delete an app with its versions and keys.

    Its runs and conversations are kept.
    """
    app = await app_of(call)
    version = await version_of(call, app, "")
    await remove_app(app, call.request.api.apps, call.request.api.app_keys, call.console.home)
    before: Json = {"name": app.name, "mode": app.mode, "version": version.number}
    call.note("deleted app", f"{app.name!r} ({app.id})", app=app.id, before=before)


async def version_of(call: ConsoleRequest, app: App, which: str) -> WorkflowVersion:
    """Return a version of an app by ID or number; ``""`` for the current one. Raises ``NotFound``."""
    return await call.request.api.apps.version(app, which.lower())


def version_body(version: WorkflowVersion) -> bodies.Version:
    return bodies.Version(version.id, version.number, version.created_at)


def note_version(
    call: ConsoleRequest, app: App, version: WorkflowVersion, before: WorkflowVersion | None = None, aside: bool = False
) -> None:
    """Audit that a version became the current one, or was added only. ``before``: The previous one."""
    number = before.number if before is not None else version.number - 1
    was: Json = {"version": number} if number else None
    now: Json = {"version": version.number, "sha256": hashlib.sha256(version.source).hexdigest()}
    did = "imported" if aside else "published"
    call.note(did, f"{app.name!r}, version {version.number}", app=app.id, before=was, after=now)


async def _imported(call: ConsoleRequest, name: str, text: bytes, asked: ImportChoice) -> ImportedFile:
    source = PurePath(name).stem or "workflow"
    checked, forecast = await call.console.forecasts.judged(text, name, source, {})
    problems = [bodies.problem_of(finding) for finding in forecast.findings]
    shown = source if checked.document is None else checked.document.name or source
    refused = any(finding.severity == "error" for finding in forecast.findings)
    if is_on(asked.dry_run) or refused:
        return ImportedFile(name, problems, name=shown)
    try:
        published = await call.request.api.apps.publish(text, source=source, aside=is_on(asked.keep_current))
    except (Conflict, InvalidParam, InvalidDocument) as error:
        problem = bodies.problem_of(Diagnostic("document.verbatim", {"text": str(error)}))
        return ImportedFile(name, [problem, *problems], name=shown)
    aside = is_on(asked.keep_current) and published.version.id != published.app.workflow_id
    note_version(call, published.app, published.version, aside=aside)
    return ImportedFile(name, problems, published.app.id, published.app.name, version_body(published.version))


async def _forecast(call: ConsoleRequest, app: App) -> AppForecast | None:
    known = call.console.forecasts.known(app, app.workflow_id)
    if known is not None:
        return known
    version = await call.console.app_store.version(app.id, app.workflow_id)
    return None if version is None else await call.console.forecasts.of(app, version)


async def _fields(call: ConsoleRequest, app: App, day: AppDay | None) -> dict[str, Any]:
    versions = await call.console.app_store.versions(app.id)
    current = next((version for version in versions if version.id == app.workflow_id), None)
    if current is None:
        raise NotFound(f"No app {app.id!r}.")
    took = sorted(day.elapsed) if day is not None else []
    last = day.last if day is not None else ()
    counts = day.by_status if day is not None else {}
    return {
        "id": app.id,
        "name": app.name,
        "mode": app.mode,
        "description": app.description,
        "icon": icon_of(app),
        "version": version_body(current),
        "versions": len(versions),
        "last_runs": [bodies.LastRun(run.identity.run_id, run.status, run.elapsed) for run in last],
        "day": bodies.Day(sum(counts.values()), counts, _part(took, 0.5), _part(took, 0.95)),
        "last_at": last[0].created_at if last else None,
    }


def _part(took: Sequence[float], part: float) -> float | None:
    """Return a percentile of sorted values. ``part``: 0 to 1."""
    return took[min(len(took) - 1, math.ceil(len(took) * part) - 1)] if took else None
