"""Shared links of a run: creating, listing and revoking."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.console.shares import MAX_DAYS, Share
from jikko.dify.bodies import body_from
from jikko.errors import NotFound
from jikko.http.console.console_queries import id_in
from jikko.http.console.console_runs import record_of
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import must
from jikko.values import Moment


class NewShare(Struct):
    """New link."""

    days: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_DAYS,
            description="Lifetime in days. It ends earlier with the token that creates it.",
            extra=must(f"must be a whole number from 1 to {MAX_DAYS}"),
        ),
    ] = MAX_DAYS


class RunShare(Struct):
    """Link that shows one run without signing in."""

    id: str
    made_by: Annotated[str, Meta(description="Name of a token or session.")]
    created_at: Moment
    expires_at: Moment
    opened_at: Annotated[Moment | None, Meta(description="Last use; null: never.")]
    url: Annotated[str | UnsetType, Meta(description="The link itself, only when created.")] = UNSET


@VisitorRoute("GET", "runs/{run_id}/shares", (404, 503), scope="runs:write")
async def list_shares(call: ConsoleRequest) -> list[RunShare]:
    """List active shared links of a run, oldest first."""
    record = await record_of(call)
    found = await call.console.shares.of_run(record.identity.run_id)
    return [body_from(share, RunShare) for share in found]


@VisitorRoute("POST", "runs/{run_id}/shares", (404, 503), status=201, scope="runs:write")
async def make_share(call: ConsoleRequest, body: NewShare) -> RunShare:
    """Create a link that shows the run without signing in.

    Also requires the scope `apps:read`, and the setting `console_shares`. The link is shown once.
    """
    record = await record_of(call)
    run_id = record.identity.run_id
    share, key = await call.console.shares.make(run_id, call.visitor, body.days)
    call.note("shared run", _told(run_id, share), app=record.identity.app_id, after={"expires_at": share.expires_at})
    return body_from(share, RunShare, url=f"{call.request.base_url}/console/shared/{run_id}#key={key}")


@VisitorRoute("DELETE", "runs/{run_id}/shares/{share_id}", (404, 503), scope="runs:write")
async def revoke_share(call: ConsoleRequest) -> None:
    """Revoke a shared link, which closes its open pages within some ten seconds."""
    run_id = id_in(call, "run")
    share = await call.console.shares.revoke(run_id, call.request.path_params["share_id"].lower())
    try:
        app_id = (await record_of(call)).identity.app_id
    except NotFound:
        app_id = None
    call.note("revoked link to run", _told(run_id, share), app=app_id, before={"expires_at": share.expires_at})


def _told(run_id: str, share: Share) -> str:
    return f"{run_id} (link {share.id} of {share.made_by})"
