"""Operations of a shared link, which show one run."""

import asyncio
import json
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct
from msgspec.structs import asdict

from jikko.console.canvas import Graph, picture_of
from jikko.console.console_access import Visitor
from jikko.console.console_service import Console
from jikko.console.shares import ShareOver
from jikko.errors import NotFound
from jikko.http.bodies.reading import SMALL_BYTES
from jikko.http.console.console_runs import listed, record_of
from jikko.http.console.run_bodies import RunFull, RunLineage, run_fields
from jikko.http.console.run_streams import follow_log, guest_view_of, read_log, read_value
from jikko.http.console.session import AttemptRate
from jikko.http.console.visitor_gate import (
    PAGE_API,
    ConsoleRequest,
    VisitorGate,
    VisitorRoute,
    cookie_of,
    require_host,
    set_cookie,
)
from jikko.http.operation import Operation, Route
from jikko.http.request_fields import checked, must
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, json_response
from jikko.record import RunRecord

_PATH: Final = f"{PAGE_API}/shared"
_COOKIE: Final = "jikko_shared"
"""Its path is that of one run, so that links to several runs work in one browser."""


class ShareKey(Struct):
    key: Annotated[str, Meta(extra=must("must be a text"))]


class OpenedShare(Struct):
    """Expiry of the link."""

    expires_at: float


class SharedRun(RunFull, kw_only=True):
    """Run without references to other runs."""

    graph: Graph
    expires_at: Annotated[float, Meta(description="Expiry of the link.")]


@VisitorRoute("GET", "shared/{run_id}", (404, 503), scope="runs:read")
async def read_shared(call: ConsoleRequest) -> SharedRun:
    """Read the run of a link, with the graph of its version."""
    api = call.request.api
    record = await record_of(call)
    owner = record.identity
    lineage = await api.runs.retries.lineage(record)
    version = await call.console.app_store.version(owner.app_id, owner.workflow_id)
    fields: dict[str, Any] = run_fields(await listed(call, record), api.clock())
    fields |= {"retry_of": UNSET, "conversation_id": UNSET, "waits_for": []}
    shared = SharedRun(
        **fields,
        inputs=json.loads(record.inputs),
        outputs=None if record.is_open else json.loads(record.outputs),
        log_end=await call.console.run_store.log_end(owner.run_id),
        workflow_id=owner.workflow_id,
        task_id=owner.task_id,
        lineage=RunLineage(None, [], [], lineage.replaced, lineage.mocked),
        graph=Graph([], []) if version is None else await asyncio.to_thread(picture_of, version.source, literals=False),
        expires_at=call.visitor.expires_at,
    )
    guest_view = await guest_view_of(call, record)
    return msgspec.convert(guest_view.value(msgspec.to_builtins(shared)), SharedRun)


def shared_operations(gate: VisitorGate) -> list[Operation]:
    """Return the operations of opening a link and reading its run, all read-only."""
    rate = AttemptRate(gate.console.count, "shared-link")

    async def visitor(request: Request, *, uses: bool = True) -> Visitor:
        require_host(request, gate.console.public_url, gate.console.host)
        found = await gate.console.shares.visitor(_run_in(request), cookie_of(request, _COOKIE))
        await _shared(request)
        return found

    async def open_share(request: Request, console: Console) -> SendableResponse:
        """Open a shared link.

        Its key becomes a cookie for that run alone. Invalid, expired and revoked links get the same refusal.
        """
        key = checked(await request.json(largest=SMALL_BYTES), ShareKey).key
        run_id = _run_in(request)
        try:
            record = await _shared(request)
            share, is_first = await console.shares.open(run_id, key)
        except ShareOver:
            await rate.take(request)
            raise
        call = ConsoleRequest(request, await console.shares.visitor(run_id, key), console)
        if is_first:
            what = f"{run_id} (link {share.id} of {share.made_by}) for the first time"
            call.note("opened link to run", what, app=record.identity.app_id)
            await call.keep_changes()
        answer = json_response(OpenedShare(share.expires_at))
        seconds = share.expires_at - request.api.clock()
        answer.headers.append(set_cookie(request, key, name=_COOKIE, below=f"{_PATH}/{run_id}", seconds=seconds))
        return answer

    opening = Route(
        "POST", f"{_PATH}/{{run_id}}", {200: OpenedShare}, (403, 404, 421, 429, 503), "Shared", ShareKey, open=True
    )
    operations = [opening(gate.for_all(open_share, changes=True))]
    for found in (read_shared, read_log, read_value, follow_log):
        route = found.route
        path = f"{PAGE_API}/{route.path.replace('runs/', 'shared/', 1)}"
        fields = asdict(route) | {"path": path, "tag": "Shared", "open": True, "errors": (*route.errors, 421)}
        fields |= {"described": found is read_shared, "scope": None}
        operations.append(Operation(handler=gate.for_visitors(found.handler, route.scope, visitor), **fields))
    return operations


def _run_in(request: Request) -> str:
    return request.path_params["run_id"].lower()


async def _shared(request: Request) -> RunRecord:
    """Return the run. Raises ``ShareOver`` if it was deleted."""
    try:
        return await request.api.runs.records.any_record(_run_in(request))
    except NotFound:
        raise ShareOver from None
