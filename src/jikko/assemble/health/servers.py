"""What several servers need: looked at one after the other, whatever is wrong with those before."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from jikko.assemble.cluster import access_of
from jikko.assemble.stores import contents_of_files
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.errors import JikkoError
from jikko.ports.clock import Clock
from jikko.settings import Settings
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.knowledge.opening import look_at_extension
from jikko.store.postgres.migrate import look_at_schema, reach
from jikko.store.postgres.rights import require_rights, room_for
from jikko.store.postgres.sharing import require_own_connections, require_same_time

_NO_STANDBY: Final = "none is synchronous: a fail-over may forget what was acknowledged"


async def look_at_servers(settings: Settings, clock: Clock = time.time) -> AsyncIterator[Diagnostic]:
    """What several servers need. Changes nothing, but that a bucket is written to.

    Raises:
        InvalidSettings: The library of the database is missing.
    """
    database = Postgres(settings.database_url)

    async def there() -> str:
        return f"{settings.where_the_record_is} answers, {await reach(database)}"

    async def connections() -> str:
        await require_own_connections(database)
        return f"{settings.where_the_record_is} gives each its own"

    async def room() -> Diagnostic:
        detail, suffices = await room_for(database, settings.workers)
        return _said("room", detail, suffices)

    async def rights() -> str:
        await require_rights(database)
        return f"{settings.where_the_record_is} can be written to"

    async def schema() -> str:
        return await look_at_schema(database)

    async def time_of_day() -> str:
        return f"{await require_same_time(database, clock):+.1f} s from the clock of the database"

    async def standby() -> Diagnostic:
        names = await database.value("SHOW synchronous_standby_names")
        return _said("standby", f"synchronous: {names}" if names else _NO_STANDBY, bool(names))

    async def datasets() -> Diagnostic:
        detail, suffices = await look_at_extension(database)
        return _said("datasets", detail, suffices)

    async def messages() -> str:
        access = access_of(settings)
        from jikko.cluster.nats.link import NatsLink

        return await NatsLink.look(settings.nats_url, access)

    async def files() -> str:
        await contents_of_files(settings).check()
        return "can be written, read and removed from"

    looks: dict[str, Callable[[], Awaitable[str | Diagnostic]]] = {
        "database": there,
        "connections": connections,
        "room": room,
        "rights": rights,
        "schema": schema,
        "clock": time_of_day,
        "standby": standby,
        "datasets": datasets,
        "nats": messages,
        "bucket": files,
    }
    of_others = ("database", "nats", "bucket")
    is_there = True
    try:
        for name, look in looks.items():
            if name not in of_others and not is_there:
                continue
            try:
                found = await look()
                yield found if isinstance(found, Diagnostic) else _said(name, found, True)
            except JikkoError as error:
                is_there = is_there and name != "database"
                yield Diagnostic("check.verbatim", {"text": str(error)}, where=name)
    finally:
        await database.close()


def _said(name: str, text: str, suffices: bool) -> Diagnostic:
    return Diagnostic("check.verbatim", {"text": text}, where=name, severity="ok" if suffices else "warning")
