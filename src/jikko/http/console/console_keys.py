"""API keys of apps, callbacks with their secrets, and environment variables: from the file, or overridden."""

from contextlib import suppress
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from jikko.apps.environment import overruled_by, with_places
from jikko.apps.key_files import forget_key
from jikko.dify.bodies import body_from
from jikko.engine.masked import mask
from jikko.errors import NotFound
from jikko.http.console.console_queries import Limit, id_in
from jikko.http.console.console_runs import app_of
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.repositories.app_store import ApiKey, App
from jikko.repositories.callback_store import Callback
from jikko.values import Json, Moment, Uuid


class Key(Struct):
    """API key of an app."""

    id: Uuid
    hint: str
    created_at: Moment
    used_at: Annotated[
        Moment | UnsetType, Meta(description="To the minute; absent: not used since this is recorded.")
    ] = UNSET
    key: Annotated[str | UnsetType, Meta(description="The key itself, only when created.")] = UNSET


class WebhookSecret(Struct):
    """New signing secret of callbacks."""

    secret: str


class UndeliveredCallback(Struct):
    """Callback being retried or given up."""

    run_id: Uuid
    app_id: Uuid
    url: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    error: str | None
    created_at: Moment
    next_at: Moment | None


class ResentCallbacks(Struct):
    """Number of callbacks being retried."""

    resent: int


class CallbackFilter(Struct):
    app: Annotated[str, Meta(description="ID of an app.")] = ""
    state: Annotated[Literal["pending", "failed"] | None, Meta(description="Default: both.")] = None
    limit: Limit = 50


@VisitorRoute("GET", "apps/{app_id}/keys", (404,), scope="keys:write")
async def list_keys(call: ConsoleRequest) -> list[Key]:
    """List an app's API keys, oldest first."""
    app = await app_of(call)
    return [_key(entry) for entry in await call.request.api.app_keys.of(app)]


@VisitorRoute("POST", "apps/{app_id}/keys", (404,), status=201, scope="keys:write")
async def make_key(call: ConsoleRequest) -> Key:
    """Create an API key, which is shown once."""
    app = await app_of(call)
    entry, key = await call.request.api.app_keys.make(app.id)
    call.note("made key", f"{entry.id} of {app.name!r}", app=app.id, after={"id": entry.id, "hint": entry.hint})
    made = _key(entry)
    made.key = key
    return made


@VisitorRoute("DELETE", "apps/{app_id}/keys/{key_id}", (404,), scope="keys:write")
async def revoke_key(call: ConsoleRequest) -> None:
    """Revoke an API key, with immediate effect."""
    app, key_id = await app_of(call), id_in(call, "key")
    await call.request.api.app_keys.revoke(app, key_id)
    forget_key(call.console.home, key_id)
    call.note("revoked key", f"{key_id} of {app.name!r}", app=app.id, before={"id": key_id})


@VisitorRoute("POST", "apps/{app_id}/webhook-secret", (404,), scope="keys:write")
async def new_webhook_secret(call: ConsoleRequest) -> WebhookSecret:
    """Replace the signing secret of the app's callbacks; shown once."""
    app = await app_of(call)
    secret = await call.console.callbacks.new_secret(app.id)
    call.note("replaced webhook secret of", repr(app.name), app=app.id)
    return WebhookSecret(secret)


@VisitorRoute("GET", "callbacks", (400,), scope="runs:read")
async def list_callbacks(call: ConsoleRequest, asked: CallbackFilter) -> list[UndeliveredCallback]:
    """List undelivered callbacks of ended runs, oldest first."""
    found: list[UndeliveredCallback] = []
    async for entry in call.console.callbacks.undelivered(asked.app.lower() or None):
        if asked.state in (None, entry.state):
            found.append(_callback(entry))
            if len(found) == asked.limit:
                break
    return found


@VisitorRoute("POST", "callbacks/resend", (503,), scope="runs:write")
async def resend_callbacks(call: ConsoleRequest) -> ResentCallbacks:
    """Retry all callbacks that were given up."""
    callbacks = call.console.callbacks
    # List first: a retried callback may be given up again meanwhile.
    given_up = [entry.run_id async for entry in callbacks.undelivered() if entry.state == "failed"]
    resent = 0
    for run_id in given_up:
        # The run may have been deleted, with its callback.
        with suppress(NotFound):
            await callbacks.resend(run_id)
            resent += 1
    if resent:
        call.console.callbacks_are_due()
    call.note("resent callbacks", str(resent))
    return ResentCallbacks(resent)


@VisitorRoute("POST", "callbacks/{run_id}/resend", (404,), scope="runs:write")
async def resend_callback(call: ConsoleRequest) -> UndeliveredCallback:
    """Retry a callback, whatever its status."""
    run_id = id_in(call, "run")
    again = await call.console.callbacks.resend(run_id)
    call.console.callbacks_are_due()
    call.note("resent callback of run", run_id)
    return _callback(again)


def _key(entry: ApiKey) -> Key:
    return Key(entry.id, entry.hint, entry.created_at, UNSET if entry.used_at is None else entry.used_at)


def _callback(entry: Callback) -> UndeliveredCallback:
    return body_from(entry, UndeliveredCallback, next_at=entry.next_at if entry.state == "pending" else None)


class EnvironmentVariable(Struct):
    """Environment variable of the current version."""

    name: str
    type: str
    value: Annotated[Json, Meta(description="Masked for secrets.")]
    is_set: Annotated[bool, Meta(description="Whether the value overrides the one in the file.")]
    overruled_by: Annotated[
        str | None, Meta(description="Source whose value overrides this one, such as JIKKO_ENV_MODE.")
    ]


class Environment(Struct):
    """Environment variables, in the order of the file."""

    data: list[EnvironmentVariable]


class EnvironmentChanges(Struct):
    """Variables to set and to reset."""

    values: Annotated[dict[str, str], Meta(description="Values by name; numbers as text.")] = field(
        default_factory=dict
    )
    unset: Annotated[list[str], Meta(description="Names to reset to the value in the file.")] = field(
        default_factory=list
    )


@VisitorRoute("GET", "apps/{app_id}/environment", (400, 404, 503), scope="apps:write")
async def read_environment(call: ConsoleRequest) -> Environment:
    """Read an app's environment variables, with the values for all versions.

    For overrides by ``JIKKO_ENV_…``, ``jikko.toml`` and server options, only the names are returned.
    """
    return Environment(await _variables(call, await app_of(call)))


@VisitorRoute("POST", "apps/{app_id}/environment", (404, 503), scope="apps:write")
async def set_environment(call: ConsoleRequest, body: EnvironmentChanges) -> Environment:
    """Set environment variables, and reset others.

    Applies to runs started from now on. If one is unknown, or a value has the wrong type, nothing is changed.
    """
    app = await app_of(call)
    names = sorted({*body.values, *body.unset})
    before = await _variables(call, app)
    app = await call.request.api.apps.set_environment(app, body.values, body.unset)
    after = await _variables(call, app)
    told: list[Json] = [{one.name: one.value for one in each if one.name in names} for each in (before, after)]
    what = f"{app.name!r}: {', '.join(names)}"
    call.note("set environment of", what, app=app.id, before=told[0], after=told[1])
    return Environment(after)


async def _variables(call: ConsoleRequest, app: App) -> list[EnvironmentVariable]:
    """Return an app's current variables, secrets masked."""
    return [
        EnvironmentVariable(
            one.name,
            one.value_type,
            mask(str(one.value)) if one.value_type == "secret" else one.value,
            bool(place),
            overruled_by(one.name, app.name, call.console.env) or None,
        )
        for one, place in with_places(await call.request.api.apps.environment(app), app, ())
    ]
