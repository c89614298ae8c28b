"""Audit: who changed what."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from jikko.dify.bodies import body_from
from jikko.http.console.console_queries import Limit
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import Id
from jikko.repositories.audit_store import AuditFilter
from jikko.values import Json, Moment, Uuid


class AuditRecord(Struct):
    """A change that somebody made."""

    id: Uuid
    at: Moment
    actor: Annotated[str, Meta(description="The name of a token or session, or of a user of the machine.")]
    source: Annotated[str, Meta(description="The id of the token; empty for none.")]
    via: Literal["api", "console", "cli"]
    action: Annotated[str, Meta(description="The operation, as its `operationId`, or the command.")]
    what: str
    app_id: Uuid | None
    before: Annotated[Json, Meta(description="What was there, secrets masked; null: nothing to tell.")]
    after: Annotated[Json, Meta(description="What is there, secrets masked; null: nothing to tell.")]


class AuditList(Struct):
    """One page of changes, newest first."""

    data: list[AuditRecord]
    next: str | None


class AuditPage(Struct):
    """Which changes are listed."""

    app: Annotated[Id | None, Meta(description="The id of an app, also of one that was removed.")] = None
    actor: Annotated[str, Meta(description="Who made them, exactly.")] = ""
    action: Annotated[str, Meta(description="The operation or command, exactly.")] = ""
    after: Annotated[float, Meta(ge=0, description="Made then or later: seconds since the Unix epoch.")] | None = None
    before: Annotated[float, Meta(ge=0, description="Made then or earlier.")] | None = None
    cursor: Annotated[Id | None, Meta(description="As `next` of the page before told it.")] = None
    limit: Limit = 50


@VisitorRoute("GET", "audit", (400, 503), scope="audit:read")
async def list_audit(call: ConsoleRequest, asked: AuditPage) -> AuditList:
    """Changes that were made over this API, in the console and by commands, newest first."""
    wanted = AuditFilter(
        app_ids=None if asked.app is None else (asked.app,),
        actor=asked.actor or None,
        action=asked.action or None,
        since=asked.after,
        until=asked.before,
        behind=asked.cursor,
    )
    found = await call.request.api.audit().entries(wanted, limit=asked.limit + 1)
    page = found[: asked.limit]
    following = page[-1].id if len(found) > asked.limit else None
    return AuditList([body_from(entry, AuditRecord) for entry in page], following)
