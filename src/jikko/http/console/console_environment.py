"""Environment variables of an app: what its file has, and what was set in its place."""

from typing import Annotated

from msgspec import Meta, Struct, field

from jikko.apps.environment import overruled_by, with_places
from jikko.engine.masked import mask
from jikko.http.console.console_runs import app_of
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.repositories.app_store import App
from jikko.values import Json


class EnvironmentVariable(Struct):
    """A variable of the current version."""

    name: str
    type: str
    value: Annotated[Json, Meta(description="Of a secret its mask.")]
    is_set: Annotated[bool, Meta(description="Whether the value was set in the place of that in the file.")]
    overruled_by: Annotated[
        str | None, Meta(description="The place whose value holds instead of this one, such as JIKKO_ENV_MODE.")
    ]


class Environment(Struct):
    """All of them, in the order of the file."""

    data: list[EnvironmentVariable]


class EnvironmentChanges(Struct):
    """What is set, and what is taken back."""

    values: Annotated[dict[str, str], Meta(description="By name; a number as its digits.")] = field(
        default_factory=dict
    )
    unset: Annotated[list[str], Meta(description="Names: the value of the file holds again.")] = field(
        default_factory=list
    )


@VisitorRoute("GET", "apps/{app_id}/environment", (400, 404, 503), scope="apps:write")
async def read_environment(call: ConsoleRequest) -> Environment:
    """Environment variables of an app, with the values that hold for all versions.

    Of ``JIKKO_ENV_…``, ``jikko.toml`` and options of the server, which win over them, the names are told.
    """
    return Environment(await _variables(call, await app_of(call)))


@VisitorRoute("POST", "apps/{app_id}/environment", (404, 503), scope="apps:write")
async def set_environment(call: ConsoleRequest, body: EnvironmentChanges) -> Environment:
    """Set environment variables, and take others back.

    Runs that begin from now on take them. If one is unknown or a value is not of its type, nothing is written.
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
    """Those of an app as they are now, secrets masked."""
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
