"""Versions of an app: which there are, what is different in them, which is current."""

from functools import partial
from typing import Annotated

from msgspec import Meta, Struct, field

from jikko.apps.versions import check_aside
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.console.diff import VersionDiff, difference
from jikko.dify.dify_events import encode
from jikko.dsl.document import DslDocument
from jikko.dsl.text.positions import lines_of
from jikko.errors import InvalidDocument, NotFound
from jikko.http.console.app_bodies import Version
from jikko.http.console.console_apps import note_version, version_body, version_of
from jikko.http.console.console_runs import app_of
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import must
from jikko.http.responses import Response, SendableResponse
from jikko.nodes.registry import BY_TYPE
from jikko.repositories.app_store import App


class ListedVersion(Version):
    """A version in the list."""

    current: bool


class Versions(Struct):
    """The versions of an app, newest first."""

    data: list[ListedVersion]


class TwoVersions(Struct):
    """Which versions are compared."""

    from_: Annotated[
        str,
        Meta(
            description="The id or number of a version.",
            min_length=1,
            extra=must("must be the id or number of a version"),
        ),
    ] = field(name="from")
    to: Annotated[str, Meta(description="By default the current one.")] = ""


@VisitorRoute("GET", "apps/{app_id}/versions", (404,), scope="apps:read")
async def list_versions(call: ConsoleRequest) -> Versions:
    """Versions of an app, newest first."""
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
    """The file of a version, as it was imported."""
    version = await version_of(call, await app_of(call), call.request.path_params["workflow_id"])
    headers = {"Content-Disposition": f'attachment; filename="version-{version.number}.yml"'}
    return Response(version.source, headers=headers, media_type=b"application/yaml")


class NodeSource(Struct):
    """The lines of a file that a node has."""

    first_line: Annotated[int, Meta(description="Counted from 1.")]
    lines: list[str]


@VisitorRoute("GET", "apps/{app_id}/versions/{workflow_id}/nodes/{node_id}", (404,), scope="apps:write")
async def read_node_source(call: ConsoleRequest) -> NodeSource:
    """The lines of a node in the file of a version."""
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
    """Make a version the current one, which new runs take."""
    app = await app_of(call)
    version = await version_of(call, app, call.request.path_params["workflow_id"])
    before = await version_of(call, app, "")
    await call.request.api.apps.use(app, version)
    note_version(call, app, version, before)
    return version_body(version)


@VisitorRoute("GET", "apps/{app_id}/diff", answers={200: VersionDiff}, errors=(400, 404), scope="apps:read")
async def compare_versions(call: ConsoleRequest, asked: TwoVersions) -> SendableResponse:
    """What is different in two versions, by their ids or numbers.

    Moved nodes are no change; secrets are masked.
    """
    app = await app_of(call)
    old, new = [await document_of(call, app, which) for which in (asked.from_, asked.to)]
    return Response(await run_in_thread(_compared, (old, new), queue="records"))


def _compared(documents: tuple[DslDocument, DslDocument]) -> bytes:
    """What is different, as JSON. Two large files have many megabytes of it."""
    return encode(difference(*documents))


async def document_of(call: ConsoleRequest, app: App, which: str) -> DslDocument:
    """The document of a version, by its id or number; ``""`` for the current one.

    Raises:
        NotFound: There is no such version.
        InvalidDocument: This version of Jikko cannot read it.
    """
    version = await version_of(call, app, which)
    source = f"{app.name}, version {version.number}"
    checked = await check_aside(version.source, source=source, node_classes=BY_TYPE)
    if checked.document is None:
        raise InvalidDocument(checked.source, [problem for problem in checked.problems if not problem.ok])
    return checked.document
