"""Versions of an app: publishing a file under a name, or comparing it only; listing, comparing and selecting
versions."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace

from jikko.apps.versions import check_aside
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.console.canvas import Graph, picture_of
from jikko.dify.dify_events import encode
from jikko.dsl.document import DslDocument, EdgeEntry, NodeEntry, Variable
from jikko.dsl.text.positions import lines_of
from jikko.errors import BadRequest, InvalidDocument, InvalidParam, NotFound, TooLate
from jikko.http.bodies.reading import read_body
from jikko.http.console.app_bodies import Problem, Version, problem_of
from jikko.http.console.console_apps import DryRun, note_version, version_body, version_of
from jikko.http.console.console_runs import app_of
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import is_on, must, queried
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse
from jikko.nodes.registry import BY_TYPE
from jikko.repositories.app_store import App, WorkflowVersion, require_expected
from jikko.runs.reading.field_changes import Change, ChangedField, escaped, field_changes
from jikko.values import Json, Uuid

_MAX_BYTES: Final = 10 << 20
"""Largest file, as when reading it."""
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,255}")
_TAG: Final = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')
"""Also matches weak tags: compressing proxies weaken ours, and versions are never merely equivalent."""
_VERSION: Final = {"type": "string"}
_CONDITIONS: Final = (
    ("If-Match", _VERSION, 'Number of the expected current version, such as "3"; `*`: any. Otherwise 412.'),
    ("If-None-Match", _VERSION, "`*`: the app must not exist yet. Otherwise 412."),
)


_PLACE: Final = frozenset({"selected", "width", "height"})
"""Layout entries of a node's data."""
_SHOWN: Final = _PLACE | {"title", "type"}
"""What the other fields of an added or removed node, or its position, say already."""
_SECRET: Final = "secret"
_MASK: Final = "***"
_MAX_FIELDS: Final = 500
"""Limit of fields per node."""


class ChangedNode(Struct, frozen=True):
    """Added, removed or changed node."""

    id: str
    title: str
    type: str
    change: Change
    fields: list[ChangedField]
    """Of an added or removed node: its settings that are not empty."""


class ChangedEdge(Struct, frozen=True):
    """Added or removed edge."""

    source: str
    handle: str
    target: str
    change: Change


class VersionDiff(Struct, frozen=True):
    """Difference between two versions."""

    # Positions are ignored.
    nodes: list[ChangedNode]
    edges: list[ChangedEdge]
    features: list[ChangedField]
    """Features, variables, and the app's name, description and icon."""


def difference(old: DslDocument, new: DslDocument) -> VersionDiff:
    before, after = ({node.id: node for node in document.nodes} for document in (old, new))
    nodes = [_changed(before[node_id], node) for node_id, node in after.items() if node_id in before]
    found = [
        *(change for change in nodes if change is not None),
        *(_whole(node, "added") for node_id, node in after.items() if node_id not in before),
        *(_whole(node, "removed") for node_id, node in before.items() if node_id not in after),
    ]
    return VersionDiff(found, list(_edges(old.edges, new.edges)), list(field_changes("", _rest(old), _rest(new))))


def without_values(found: VersionDiff) -> VersionDiff:
    """Return a difference that names the changed fields only."""
    nodes = [replace(node, fields=_paths(node.fields)) for node in found.nodes]
    return VersionDiff(nodes, found.edges, _paths(found.features))


def _paths(fields: list[ChangedField]) -> list[ChangedField]:
    return [ChangedField(each.path, None, None) for each in fields]


def _changed(old: NodeEntry, new: NodeEntry) -> ChangedNode | None:
    before, after = ({name: value for name, value in node.data.items() if name not in _PLACE} for node in (old, new))
    fields = list(field_changes("", before, after))
    if old.container != new.container:
        fields.append(ChangedField("/container", old.container, new.container))
    return ChangedNode(new.id, _title(new), new.type, "changed", fields[:_MAX_FIELDS]) if fields else None


def _whole(node: NodeEntry, change: Change) -> ChangedNode:
    data = {name: value for name, value in node.data.items() if name not in _SHOWN}
    fields = [
        ChangedField(path, *((None, value) if change == "added" else (value, None)))
        for path, value in _leaves("", data)
    ]
    return ChangedNode(node.id, _title(node), node.type, change, fields[:_MAX_FIELDS])


def _leaves(path: str, value: Json) -> Iterator[tuple[str, Json]]:
    """Yield values that are not empty, with their paths. Lists of plain values, such as selectors, are one."""
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from _leaves(f"{path}/{escaped(str(name))}", entry)
    elif isinstance(value, list) and any(isinstance(entry, (dict, list)) for entry in value):
        for index, entry in enumerate(value):
            yield from _leaves(f"{path}/{index}", entry)
    elif value not in (None, "", [], {}):
        yield path, value


def _title(node: NodeEntry) -> str:
    return str(node.data.get("title") or node.id)


def _edges(old: tuple[EdgeEntry, ...], new: tuple[EdgeEntry, ...]) -> Iterator[ChangedEdge]:
    before, after = ({(edge.source, edge.handle, edge.target): None for edge in edges} for edges in (old, new))
    yield from (ChangedEdge(*edge, "added") for edge in after if edge not in before)
    yield from (ChangedEdge(*edge, "removed") for edge in before if edge not in after)


def _rest(document: DslDocument) -> dict[str, Json]:
    return {
        "app": {"name": document.name, "description": document.description, "icon": document.icon},
        "features": dict(document.features),
        "environment_variables": _variables(document.environment),
        "conversation_variables": _variables(document.conversation),
    }


def _variables(variables: tuple[Variable, ...]) -> dict[str, Json]:
    return {
        variable.name: {
            "type": variable.value_type,
            "value": (_MASK if variable.value else "") if variable.value_type == _SECRET else variable.value,
            "description": variable.description,
        }
        for variable in variables
    }


class UploadedApp(Struct):
    """Result of a file."""

    outcome: Annotated[
        Literal["new", "changed", "unchanged", "refused"],
        Meta(description="`unchanged`: same bytes as the current version. `refused`: in a dry run, not publishable."),
    ]
    name: str
    app_id: Annotated[Uuid | None, Meta(description="null: the app does not exist.")]
    version: Annotated[Version | None, Meta(description="The current version; null: the app does not exist.")]
    problems: Annotated[list[Problem], Meta(description="Findings of `jikko check`.")]
    difference: Annotated[
        VersionDiff | None, Meta(description="In a dry run, the changes to the current version; null: new app.")
    ]
    graph: Graph | UnsetType = UNSET


class UploadChoice(DryRun):
    graph: Annotated[str, Meta(description="`1` or `true`: a dry run returns the graph of the file.")] = ""


@VisitorRoute(
    "PUT",
    "apps/{name}",
    answers={200: UploadedApp, 201: UploadedApp},
    errors=(400, 409, 412, 413, 503),
    body_media_type="application/yaml",
    query=UploadChoice,
    headers=_CONDITIONS,
    scope="apps:write",
)
async def put_app(call: ConsoleRequest) -> SendableResponse:
    """Publish a file under a name: as a new app, or as a version of the app of that name.

    201 for a new version, with its number as `ETag`; 200 if the current version has the same bytes, so retries are
    safe. The name in the address overrides the one in the file. A new app has no API key.
    """
    request = call.request
    name, asked = request.path_params["name"], queried(request.query, UploadChoice)
    is_trial = is_on(asked.dry_run)
    if _NAME.fullmatch(name) is None:
        raise InvalidParam("name: must be a text of 1 to 255 characters, on one line.")
    text = bytes(await read_body(request, _MAX_BYTES))
    if not text.strip():
        raise BadRequest("The body is empty: send a workflow file.")
    app = await call.console.app_store.app_named(name)
    current = None if app is None else await call.console.app_store.version(app.id, app.workflow_id)
    expected = _expected(request, name, current)
    values = json.loads(app.environment) if app is not None and app.environment else {}
    checked, forecast = await call.console.forecasts.judged(text, name, name, values)
    answer = UploadedApp(
        "new" if current is None else "unchanged" if current.source == text else "changed",
        name,
        None if app is None else app.id,
        None if current is None else version_body(current),
        [problem_of(finding) for finding in forecast.findings],
        None,
    )
    number = 0 if current is None else current.number
    if not is_trial:
        published = await request.api.apps.publish_if_changed(text, source=name, name=name, expected=expected)
        # Another request may have published since the first look.
        answer.outcome = "unchanged" if published.unchanged else "new" if published.before is None else "changed"
        if not published.unchanged:
            note_version(call, published.app, published.version, published.before)
        number = published.version.number
        answer.app_id, answer.version = published.app.id, version_body(published.version)
    elif checked.document is None or any(finding.severity == "error" for finding in forecast.findings):
        answer.outcome = "refused"
    elif app is not None:
        await request.api.apps.standing(text, source=name, name=name)
    if is_trial and is_on(asked.graph):
        answer.graph = await run_in_thread(picture_of, text, queue="records")
    if is_trial and app is not None and checked.document is not None:
        with suppress(InvalidDocument):  # the current version may be unreadable
            documents = await document_of(call, app, ""), checked.document
            answer.difference = await run_in_thread(lambda two: difference(*two), documents, queue="records")
    made = not is_trial and answer.outcome != "unchanged"
    body = await run_in_thread(encode, answer, queue="records")
    return Response(body, 201 if made else 200, {"ETag": f'"{number}"'} if number else None)


def _expected(request: Request, name: str, current: WorkflowVersion | None) -> str | None:
    """Return the version ID that a request expects to be current, ``""`` for no app, ``None`` for any.

    Raises:
        BadRequest: Malformed header.
        TooLate: Another version is current.
    """
    match, none_match = request.header(b"if-match"), request.header(b"if-none-match")
    if none_match is not None:
        if none_match.strip() != "*" or match is not None:
            raise BadRequest("If-None-Match: must be *, without If-Match.")
        require_expected(name, "", "" if current is None else current.id)
        return ""
    if match is None:
        return None
    number = _TAG.fullmatch(match.strip())
    if number is None and match.strip() != "*":
        raise BadRequest('If-Match: must be the number of a version, such as "3", or *.')
    is_current = current is not None and number is not None and int(number[1]) == current.number
    if current is None or (number is not None and not is_current):
        is_now = "it does not exist" if current is None else f"version {current.number} is the current one"
        raise TooLate(f"The app {name!r} does not match If-Match: {is_now}.", code="version_changed")
    return current.id


class ListedVersion(Version):
    current: bool


class Versions(Struct):
    """Versions of an app, newest first."""

    data: list[ListedVersion]


class TwoVersions(Struct):
    from_: Annotated[
        str,
        Meta(
            description="ID or number of a version.", min_length=1, extra=must("must be the id or number of a version")
        ),
    ] = field(name="from")
    to: Annotated[str, Meta(description="Default: the current one.")] = ""


@VisitorRoute("GET", "apps/{app_id}/versions", (404,), scope="apps:read")
async def list_versions(call: ConsoleRequest) -> Versions:
    """List versions of an app, newest first."""
    app = await app_of(call)
    versions = await call.console.app_store.versions(app.id)
    return Versions(
        [
            ListedVersion(version.id, version.number, version.created_at, version.id == app.workflow_id)
            for version in versions
        ]
    )


@VisitorRoute(
    "GET",
    "apps/{app_id}/versions/{workflow_id}/source",
    answers={200: "application/yaml"},
    errors=(404,),
    scope="apps:write",
)
async def read_source(call: ConsoleRequest) -> SendableResponse:
    """Download the file of a version, as imported."""
    version = await version_of(call, await app_of(call), call.request.path_params["workflow_id"])
    headers = {"Content-Disposition": f'attachment; filename="version-{version.number}.yml"'}
    return Response(version.source, headers=headers, media_type=b"application/yaml")


class NodeSource(Struct):
    first_line: Annotated[int, Meta(description="Starting from 1.")]
    lines: list[str]


@VisitorRoute("GET", "apps/{app_id}/versions/{workflow_id}/nodes/{node_id}", (404,), scope="apps:write")
async def read_node_source(call: ConsoleRequest) -> NodeSource:
    """Read a node's lines in the file of a version."""
    app, wanted = await app_of(call), call.request.path_params["node_id"]
    version = await version_of(call, app, call.request.path_params["workflow_id"])
    document = await document_of(call, app, version.id)
    where = next((node.where for node in document.nodes if node.id == wanted), None)
    if where is None:
        raise NotFound(f"Version {version.number} of {app.name!r} has no node {wanted!r}.")
    read = partial(lines_of, path=where.removesuffix(".data"))
    first, lines = await run_in_thread(read, version.source, queue="records")
    if not lines:
        raise NotFound(
            f"Version {version.number} of {app.name!r} has node {wanted!r} by its settings, not in its file."
        )
    return NodeSource(first, lines)


@VisitorRoute("POST", "apps/{app_id}/versions/{workflow_id}/publish", (400, 404), scope="apps:write")
async def publish_version(call: ConsoleRequest) -> Version:
    """Make a version the current one, for new runs."""
    app = await app_of(call)
    version = await version_of(call, app, call.request.path_params["workflow_id"])
    before = await version_of(call, app, "")
    await call.request.api.apps.use(app, version)
    note_version(call, app, version, before)
    return version_body(version)


@VisitorRoute("GET", "apps/{app_id}/diff", answers={200: VersionDiff}, errors=(400, 404), scope="apps:read")
async def compare_versions(call: ConsoleRequest, asked: TwoVersions) -> SendableResponse:
    """Compare two versions, by ID or number.

    Moved nodes do not count as changed; secrets are masked. Values need the scope ``apps:write``, as the file does:
    without it, ``before`` and ``after`` are null.
    """
    app = await app_of(call)
    old, new = [await document_of(call, app, which) for which in (asked.from_, asked.to)]
    may_read = call.visitor.may("apps:write")

    def compare(other: DslDocument) -> bytes:
        found = difference(old, other)
        return encode(found if may_read else without_values(found))

    # For two large files that is many megabytes.
    return Response(await run_in_thread(compare, new, queue="records"))


async def document_of(call: ConsoleRequest, app: App, which: str) -> DslDocument:
    """Return the document of a version, by ID or number; ``""`` for the current one.

    Raises:
        NotFound: No such version.
        InvalidDocument: This Jikko version cannot read it.
    """
    version = await version_of(call, app, which)
    source = f"{app.name}, version {version.number}"
    checked = await check_aside(version.source, source=source, node_classes=BY_TYPE)
    if checked.document is None:
        raise InvalidDocument(checked.source, [problem for problem in checked.problems if not problem.ok])
    return checked.document
